"""Why a method has no rank in an edition, or a task no scores."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from elue.scores.comparing import FEWEST
from elue.scores.edition import Edition, EditionTask
from elue.scores.edition_runs import EditionRun, Entered
from elue.scores.resampling import Array, Column
from elue.tasks import metrics


def without_yardstick(task: EditionTask, static: Sequence[EditionRun]) -> str:
    """Why a task has no yardstick among these runs; empty where it has."""
    if not task.yardstick.runs:
        return "the edition has no yardstick for this task yet"
    missing = len(task.yardstick.runs) - len({run.content for run in static})
    if missing:
        return f"{missing} of the {len(task.yardstick.runs)} runs of the edition's yardstick are not at hand"
    return ""


def without_rank(edition: Edition, task: EditionTask, own: Entered, static: Entered, announced: int | None) -> str:
    """Why a method has no rank on a task; empty where it may have one. `static` are the yardstick's runs."""
    runs, of, beside = own.runs, own.trainings, len(static.trainings)
    name, count, points = runs[0].curve.method, len(of), max(map(len, of))
    seeds, run_seeds = (sorted(seed) for seed in zip(*((t[0].seed, t[0].curve.seed) for t in of), strict=True))
    clusters = len(set(task.clusters)) or task.samples
    known = bool(static.runs) and comparable(runs, static.runs)
    word = next((run.unproved for run in runs if run.unproved), "")
    reasons = {
        f"the name '{name}' is the yardstick's": name == task.yardstick.method,
        "it answered other samples than the yardstick": bool(static.runs) and not known,
        "what it says is right is not what the yardstick does": known and not same_labels(runs, static.runs),
        f"its compute is {word}": bool(word),
        "its runs are of several versions of its code": len({run.curve.source_digest for run in runs}) > 1,
        "its trainings differ in more than their seed": len({run.settings for run in runs}) > 1,
        f"{task.samples} samples, {edition.samples} are needed": task.samples < edition.samples,
        f"{clusters} clusters of samples, {FEWEST} are needed": clusters < FEWEST,
        f"{points} points a training, {edition.points} are the most": points > edition.points,
        f"these weights: {count} of {edition.seeds} trainings": count < edition.seeds,
        f"these weights: {count} trainings, {announced} were announced": announced not in (None, count),
        f"these weights: of seeds {_listed(seeds)}, instead of 0 to {count - 1}": seeds != list(range(count)),
        f"these weights: run with seeds {_listed(run_seeds)}, instead of 0 or each training's own": (
            any(run_seeds) and any(training[0].curve.seed != training[0].seed for training in of)
        ),
        f"the yardstick has {beside} of {edition.seeds} trainings": beside < edition.seeds,
    }
    return next((reason for reason, holds in reasons.items() if holds), "")


def _listed(seeds: Sequence[int]) -> str:
    return ", ".join(map(str, seeds))


def announced_by(own: Sequence[EditionRun]) -> int | None:
    """How many trainings were announced by the submissions a method came with; None where it came with none."""
    submissions = {run.submission.slug: run.submission.seeds for run in own if run.submission}
    return sum(submissions.values()) if submissions else None


def comparable(own: Sequence[EditionRun], static: Sequence[EditionRun]) -> bool:
    """Whether runs answered the yardstick's samples, by its metric."""
    first = static[0].column
    return all((run.column.ids, run.column.metric) == (first.ids, first.metric) for run in own)


def same_labels(own: Sequence[EditionRun], static: Sequence[EditionRun]) -> bool:
    """Whether runs are right and wrong by the labels that the yardstick was scored by, as far as its errors tell these.

    Where they say only right or wrong, a label is known where any run of the yardstick was right.
    """
    if not metrics.get(static[0].column.metric).right_or_wrong:
        labels = _labels(static[0].column)
        close = 1e-6 * max(1.0, float(np.abs(labels).max()))
        return all(np.allclose(_labels(run.column), labels, rtol=1e-6, atol=close) for run in own)
    known = np.full(len(static[0].column.value), np.nan)
    for run in static:
        right = run.column.error == 0
        known[right] = run.column.value[right]
    told = ~np.isnan(known)
    return all(np.array_equal((run.column.error == 0)[told], (run.column.value == known)[told]) for run in own)


def _labels(column: Column) -> Array:
    labels: Array = column.value - column.error
    return labels
