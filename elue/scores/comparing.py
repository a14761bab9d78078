"""A board without ranks: every score, point and front with its interval, and what pairs of curves are apart.

A board holds the runs that compare: one task, split, revision, limit and profile digest. A curve is all points of one
method with one source, one set of weights and one seed. All intervals are 95 % and come from one paired bootstrap.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from elue import tasks
from elue.record.board import PUBLISHED, CurveKey, board_of, measure_of, published_reference
from elue.record.schema import Record, TaskRef
from elue.scores import curve as score
from elue.scores.entries import Entry, chance_of, gathered, points_of
from elue.scores.hulls import Points, hull_means, means_above
from elue.scores.intervals import Estimate, estimate, from_error, normal_interval, p_value
from elue.scores.pareto import CostScore, front
from elue.scores.resampling import Array, Resampled, fronts, resample, side_by_side
from elue.scores.results import BoardScores, CurveScore, Pair, PointScore
from elue.scores.tracks import Track
from elue.tasks import metrics
from elue.tasks.drawing import RESAMPLES

FEWEST = 30
"""Samples, or clusters of them, below which nothing is tested."""
TRUST = ("self_reported", "reproduced", "verified")


def scores_on(split: str) -> bool:
    """Whether curves are scored on a split: operating points are chosen on the others, so nothing is there."""
    return split in ("test", tasks.PRIVATE)


@dataclass(frozen=True, slots=True)
class _Scale:
    """What curves are measured by: the reference's points, and on each resample its points and its mean hull."""

    anchors: tuple[CostScore, ...]
    resampled: Points | None
    low: float
    high: float
    floor: float
    level: float
    level_samples: Array | None


@dataclass(frozen=True, slots=True)
class _Draft:
    """A curve, and its `elue_1` on each resample."""

    curve: CurveScore
    lead_samples: Array | None


def compare(
    records: Iterable[Record],
    reference: str | CurveKey | None = None,
    resamples: int = RESAMPLES,
    seed: int = 0,
    track: Track | None = None,
    clusters: Sequence[int] = (),
) -> BoardScores:
    """Score the runs of one board, whole records in any order; they may come one by one.

    `reference` is the curve all are scored against, or names its method; of several curves of that the one with the
    highest trust, most points, lowest seed and first digests is taken. Where there is no such curve, a board of
    published points has the reference that they name, and any other has none: no scores then, but all intervals. Runs
    that failed or are incomplete are passed over. In a `track` only runs within its cap take part. The reference stays
    whole, so a score means the same on every track; only a cap on FLOPs ends its curve and the range of budgets
    there, too. `clusters` are those of samples that belong together (`elue.scores.edition.clusters_at`): they are drawn
    together.
    Raises ElueError `no_runs`, `mixed_boards`, `samples_differ`, `bad_range`, `bad_clusters`.
    """
    runs, columns, head = gathered(records)
    runs.sort(key=lambda run: (run.at, run.key))
    resampled = resample(side_by_side(columns), resamples, seed, clusters) if columns else None
    named = published_reference(head.environment) if measure_of(head) == PUBLISHED else None
    yardstick = _reference(runs, reference) or _reference(runs, named)
    floor = chance_of(head, [columns[run.column] for run in yardstick if run.column is not None])
    budgets = score.budget_range([run.at for run in yardstick]) if yardstick else None
    if track:
        runs = [run for run in runs if run.within(track)]
        if budgets and track.kind == "flops":
            budgets = budgets[0], min(budgets[1], track.cap)
            yardstick = [run for run in yardstick if run.within(track)]
    scale = _scale(yardstick, resampled, floor, budgets) if budgets and yardstick else None
    drafts = [_draft(key, group, resampled, scale) for key, group in _curves(runs).items()]
    drafts.sort(key=lambda draft: _order(draft.curve))
    curves = tuple(draft.curve for draft in drafts)
    places = {CurveKey(c.method, c.source_digest, c.weights_digest, c.seed): i for i, c in enumerate(curves)}
    return BoardScores(
        **board_of(head)._asdict(),
        profile=head.profile.name,
        metric=head.task.metric,
        samples=head.task.size,
        track=str(track) if track else None,
        reference=places.get(yardstick[0].curve) if yardstick else None,
        yardstick=tuple(run.at for run in yardstick),
        low=scale.low if scale else None,
        high=scale.high if scale else None,
        floor=floor,
        resamples=resamples,
        seed=seed,
        curves=curves,
        points=_points(runs, resampled, head.task, len(set(clusters))),
        pairs=tuple(_pairs(drafts)) if (len(set(clusters)) or head.task.size) >= FEWEST else (),
    )


def _curves(runs: Sequence[Entry]) -> dict[CurveKey, list[Entry]]:
    groups: dict[CurveKey, list[Entry]] = defaultdict(list)
    for run in runs:
        groups[run.curve].append(run)
    return groups


def _reference(runs: Sequence[Entry], reference: str | CurveKey | None) -> list[Entry]:
    """The points of the reference curve, none where there is no such curve."""

    def preference(item: tuple[CurveKey, list[Entry]]) -> tuple[Any, ...]:
        key, group = item
        trust = min(TRUST.index(run.trust) for run in group)
        return -trust, -len(group), key.seed, key.source_digest, key.weights_digest or ""

    curves = [item for item in _curves(runs).items() if reference in (item[0], item[0].method)]
    return min(curves, key=preference)[1] if curves else []


def _scale(
    yardstick: Sequence[Entry], resampled: Resampled | None, floor: float, budgets: tuple[float, float]
) -> _Scale:
    anchors = tuple(run.at for run in yardstick)
    points = points_of(yardstick, resampled)
    level_samples = None if points is None else hull_means(points, *budgets, floor)
    return _Scale(anchors, points, *budgets, floor, score.hull_mean(anchors, *budgets, floor), level_samples)


def _draft(key: CurveKey, runs: Sequence[Entry], resampled: Resampled | None, scale: _Scale | None) -> _Draft:
    points = [run.at for run in runs]
    new, old, lead_samples = None, None, None
    if scale:
        own, olds = points_of(runs, resampled), None
        if own and scale.resampled and scale.level_samples is not None:
            lead_samples = hull_means(own, scale.low, scale.high, scale.floor) - scale.level_samples
            olds = means_above(own, scale.resampled)
        new = normal_interval(score.hull_mean(points, scale.low, scale.high, scale.floor) - scale.level, lead_samples)
        old = normal_interval(score.elue_2022(points, scale.anchors), olds)
    params = [run.params for run in runs if run.params is not None]
    touched = [run.touched for run in runs if run.touched is not None]
    curve = CurveScore(
        **key._asdict(),
        elue_1=new,
        elue_2022=old,
        points=len(runs),
        best=max(at[1] for at in points),
        params=max(params, default=None),
        touched=max(touched, default=None),
        keys=tuple(run.key for run in runs),
    )
    return _Draft(curve, lead_samples)


def _order(curve: CurveScore) -> tuple[Any, ...]:
    """Best `elue_1` first, then what has none; of equal ones the better point."""
    lead = curve.elue_1.value if curve.elue_1 else -math.inf
    return -lead, -curve.best, curve.method, curve.seed, curve.keys


def _pairs(drafts: Sequence[_Draft]) -> Iterator[Pair]:
    """What each curve has over each after it, of all that can be tested; one against all others at once."""
    tested = [
        (place, draft.curve.elue_1.value, draft.lead_samples)
        for place, draft in enumerate(drafts)
        if draft.curve.elue_1 and draft.lead_samples is not None
    ]
    if not tested:
        return
    lead_samples = np.stack([own for _, _, own in tested])
    for index, (a, value, own) in enumerate(tested):
        errors = np.std(own - lead_samples[index + 1 :], axis=1).tolist()
        for (b, other, _), error in zip(tested[index + 1 :], errors, strict=True):
            difference = from_error(value - other, error)
            yield Pair(a, b, difference, p_value(difference))


def _points(runs: Sequence[Entry], resampled: Resampled | None, task: TaskRef, clusters: int) -> tuple[PointScore, ...]:
    """Every run with its intervals. Runs without samples stand where they are in every resample's front."""
    chosen = set(front([run.at for run in runs]))
    if not runs or resampled is None:
        return tuple(
            PointScore(r.key, Estimate(r.at[1]), Estimate(r.at[0]), i in chosen, None) for i, r in enumerate(runs)
        )
    shape = (len(resampled.flops), len(runs))
    flops, scores = np.empty(shape), np.empty(shape)
    for i, run in enumerate(runs):
        known = run.column is not None
        flops[:, i] = resampled.flops[:, run.column] if known else run.at[0]
        scores[:, i] = resampled.scores[:, run.column] if known else run.at[1]
    often = fronts(flops, scores).mean(axis=0)
    return tuple(
        PointScore(
            run.key,
            _quality(run.at[1], scores[:, i] if run.column is not None else None, task, clusters),
            estimate(run.at[0], flops[:, i] if run.column is not None else None),
            i in chosen,
            float(often[i]) if run.column is not None else None,
        )
        for i, run in enumerate(runs)
    )


def _quality(value: float, replicates: Array | None, task: TaskRef, clusters: int) -> Estimate:
    """A score with its interval: Wilson's of a share of right answers, and where no resample differs.

    Wilson's is of independent samples. Of some in clusters (0 where they are none) it is not taken unless no resample
    differs, and knows no more then than that many samples would tell.
    """
    spread = estimate(value, replicates)
    wilson = bool(metrics.get(task.metric).right) and not clusters
    if replicates is None or (not wilson and spread.low != spread.high):
        return spread
    return Estimate(value, *metrics.known_interval(task.metric, value, clusters or task.size), spread.error)
