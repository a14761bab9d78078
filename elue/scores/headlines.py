"""A method's headline on an edition's task: how much less it computes at no more than a point of loss, and how sure.

Of each training the point is taken that is cheapest on the validation split among those that lose no more there than
`ALLOWED`; what is told of it is what it does on the test split. So nothing is chosen on the numbers that are told, and
the loss on test may be larger or smaller than what was allowed.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, geometric_mean

import numpy as np

from elue.record.schema import Record
from elue.scores.edition import Edition, EditionTask
from elue.scores.edition_runs import EditionRun, Entered, Gathered, Validation, entered, gathered
from elue.scores.intervals import Estimate
from elue.scores.paper_counts import Counted, Executed, counted, executed
from elue.scores.resampling import Array, resample, side_by_side
from elue.scores.trainings import difference

ALLOWED = 1.0
"""The points of quality that a headline may cost."""
STATIC = "static"
"""The method of the full model, where an edition has no yardstick yet."""
DRAWS = 1000
SEED = 0


@dataclass(frozen=True, slots=True)
class Headline:
    """What a method does on a task's test split at the points that validation chose, over its trainings.

    `speedup` is the full model's FLOPs over the method's, the geometric mean over trainings; `loss` what it scores less
    than the full model, in points. `within` of the `trainings` had a point within `ALLOWED` on validation; of another
    the best one there is taken. `papers` is the speed-up as papers count, where all runs have traces.
    """

    task: str
    method: str
    trainings: int
    within: int
    speedup: Estimate
    loss: Estimate
    papers: Counted | None
    keys: tuple[str, ...]


def headlines(
    edition: Edition, records: Iterable[Record], methods: Iterable[str], alone: Collection[str] = ()
) -> list[Headline]:
    """The headlines of those of these methods that have all their points on both splits, by task and method.

    The full model of those that stand `alone` is their own dearest point, of each training.
    Whole records may come one by one, none is kept. The yardstick's are told from others' by the edition where it
    names them; before that they are those of `static`.
    """
    wanted = set(methods)
    ran: dict[str, Executed] = {}
    return headlines_of(edition, gathered(edition, watched(edition, records, wanted, ran)), wanted, ran, alone)


def watched(
    edition: Edition, records: Iterable[Record], methods: Collection[str], ran: dict[str, Executed]
) -> Iterator[Record]:
    """The records as they pass; `ran` is told, by key, what those of these methods and of the full model executed."""
    for record in records:
        told = record.method.name in methods or record.method.name == STATIC
        if told and record.task.split == edition.split and (own := executed(record)):
            ran[record.key] = own
        yield record


def is_of_the_full_model(rules: EditionTask, run: EditionRun) -> bool:
    """Whether a run is of a task's yardstick; of `static`, where the edition names none yet."""
    pinned = rules.yardstick.runs
    return run.content in pinned if pinned else run.curve.method == STATIC


def headlines_of(
    edition: Edition,
    runs: Gathered,
    methods: Collection[str],
    ran: Mapping[str, Executed],
    alone: Collection[str] = (),
) -> list[Headline]:
    """The same from runs that were gathered while their records were `watched`."""
    return [headline for task in edition.tasks for headline in _of_task(edition, task, runs, set(methods), ran, alone)]


def _of_task(
    edition: Edition,
    task: str,
    runs: Gathered,
    wanted: set[str],
    ran: Mapping[str, Executed],
    alone: Collection[str],
) -> Iterator[Headline]:
    rules, validation = edition.tasks[task], runs.validation.get(task, {})
    by_method: dict[str, list[EditionRun]] = defaultdict(list)
    for run in runs.runs.get(task, ()):
        by_method["" if is_of_the_full_model(rules, run) else run.curve.method].append(run)
    full = _dearest(entered(by_method.pop("", [])))
    if not full or not all((run.curve, run.point) in validation for run in full):
        return
    for method in sorted(wanted & set(by_method)):
        own = entered(by_method[method])
        if all((run.curve, run.point) in validation for training in own.trainings for run in training):
            whole = _dearest(own) if method in alone else full
            asked = fmean(validation[run.curve, run.point][1] for run in whole) - ALLOWED
            yield _headline(task, method, own, whole, validation, asked, rules.clusters, ran)


def _dearest(of: Entered) -> list[EditionRun]:
    """The dearest point of each training."""
    return [max(training, key=lambda run: run.at) for training in of.trainings]


def _headline(
    task: str,
    method: str,
    own: Entered,
    full: Sequence[EditionRun],
    validation: Validation,
    asked: float,
    clusters: Sequence[int],
    ran: Mapping[str, Executed],
) -> Headline:
    chosen, within = [], 0
    for training in own.trainings:
        told = [(*validation[run.curve, run.point], run) for run in training]
        enough = [(cost, -score, run) for cost, score, run in told if score >= asked]
        within += bool(enough)
        chosen.append(min(enough, key=lambda of: of[:2])[2] if enough else max(told, key=lambda of: (of[1], -of[0]))[2])
    answered = side_by_side([run.column for run in (*chosen, *full)])
    drawn = resample(answered, DRAWS, SEED, clusters)
    count = len(chosen)

    def apart(values: Array, draws: Array) -> Estimate:
        return difference(
            values[:count], draws[:, :count], values[count:], draws[:, count:], len(answered.value)
        ).estimate

    costs = np.log([run.at[0] for run in (*chosen, *full)])
    scores = np.array([run.score for run in (*chosen, *full)])
    return Headline(
        task=task,
        method=method,
        trainings=count,
        within=within,
        speedup=_exp(apart(-costs, -np.log(drawn.flops))),
        loss=apart(-scores, -drawn.scores),
        papers=_papers([ran.get(run.key) for run in chosen], [ran.get(run.key) for run in full]),
        keys=tuple(run.key for run in chosen),
    )


def _exp(of: Estimate) -> Estimate:
    """A ratio from its logarithm."""
    ends = [None if end is None else math.exp(end) for end in (of.low, of.high)]
    return Estimate(math.exp(of.value), ends[0], ends[1], None)


def _papers(own: Sequence[Executed | None], full: Sequence[Executed | None]) -> Counted | None:
    """The geometric mean over trainings; the full model's trainings all run the same, so the first stands for them."""
    whole = [of for of in own if of is not None]
    if len(whole) < len(own) or full[0] is None:
        return None
    ways = [counted(of, full[0]) for of in whole]
    padded = [way.padded for way in ways if way.padded is not None]
    return Counted(
        flops=geometric_mean([way.flops for way in ways]),
        layers=geometric_mean([way.layers for way in ways]),
        tokens=geometric_mean([way.tokens for way in ways]),
        padded=geometric_mean(padded) if len(padded) == len(ways) else None,
    )
