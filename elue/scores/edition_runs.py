"""Which runs take part in an edition, and what a method's trainings are."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from elue.record.board import BoardKey, CurveKey, board_of, curve_of, is_ranked, taken_back
from elue.record.files import canonical
from elue.record.formulas import unproved
from elue.record.index import SubmissionRef
from elue.record.schema import Record
from elue.record.training import training_seed, training_settings
from elue.scores.contributions import contributions
from elue.scores.edition import Edition, content_of
from elue.scores.families import Families, family_of
from elue.scores.leads import Sampled
from elue.scores.pareto import CostScore, mixture_hull
from elue.scores.resampling import Column, column_of, side_by_side
from elue.tasks import metrics

SAME = 0.1
"""Share of what a run gets wrong within which another one's answers are its own."""


@dataclass(frozen=True, slots=True)
class EditionRun:
    """What scoring keeps of a run. `content` is that of `edition.content_of`.

    `point` is its operating point as text. `seed` and `settings` are those of the training, `submission` is what it
    came with, where it came with one. `unproved` says how much of its compute is its author's word.
    """

    key: str
    curve: CurveKey
    family: str
    metric: str
    score: float
    content: str
    column: Column
    point: str = ""
    seed: int = 0
    settings: str = ""
    submission: SubmissionRef | None = None
    unproved: str = ""

    @property
    def at(self) -> CostScore:
        """Mean FLOPs and score."""
        return float(self.column.flops.mean()), self.score


@dataclass(frozen=True, slots=True)
class Entered:
    """A method's runs on a task, and which of them are its trainings."""

    runs: Sequence[EditionRun]
    trainings: Sequence[Sequence[EditionRun]]


Validation = Mapping[tuple[CurveKey, str], CostScore]


@dataclass(frozen=True, slots=True)
class Gathered:
    """An edition's runs by task, the ids of samples by their digest, and what is known from validation.

    `validation` has by task, curve and operating point the mean FLOPs and the score there. `withdrawn` has the methods
    of which a run was taken back, with the submissions these came with.
    """

    runs: Mapping[str, Sequence[EditionRun]]
    ids: Mapping[str, tuple[str, ...]]
    validation: Mapping[str, Validation] = field(default_factory=dict)
    withdrawn: Mapping[str, frozenset[str]] = field(default_factory=dict)

    def of(self, task: str) -> Gathered:
        """What concerns one task."""
        runs = self.runs.get(task, ())
        ids = {run.column.ids: self.ids[run.column.ids] for run in runs}
        return Gathered({task: runs}, ids, {task: self.validation.get(task, {})}, self.withdrawn)


def takes_part(edition: Edition, record: Record) -> bool:
    """Whether a run is of an edition: measured under its profile, on all samples of one of its tasks."""
    return is_ranked(record) and covers(edition, board_of(record))


def covers(edition: Edition, board: BoardKey) -> bool:
    """Whether an edition ranks a board."""
    task = edition.tasks.get(board.task)
    return task is not None and board == _key(edition, board.task, edition.split, task.revision)


def was_withdrawn(edition: Edition, record: Record) -> bool:
    """Whether a run would be of an edition, had it not been taken back."""
    return taken_back(record) and covers(edition, board_of(record))


def chooses_corners(edition: Edition, record: Record) -> bool:
    """Whether a run may choose corners: as one that takes part, but on the validation split that the edition names."""
    task = edition.tasks.get(record.task.name)
    if task is None or task.validation is None or edition.split == "validation":
        return False
    return is_ranked(record) and board_of(record) == _key(edition, record.task.name, "validation", task.validation)


def _key(edition: Edition, task: str, split: str, revision: str) -> BoardKey:
    return BoardKey(task, split, revision, None, edition.profile_digest)


def gathered(edition: Edition, records: Iterable[Record]) -> Gathered:
    """The runs that take part, each once, from whole records, which may come one by one; none of these is kept."""
    runs: dict[str, dict[str, EditionRun]] = defaultdict(dict)
    ids: dict[str, tuple[str, ...]] = {}
    validation: dict[str, dict[tuple[CurveKey, str], CostScore]] = defaultdict(dict)
    withdrawn: dict[str, frozenset[str]] = {}
    for record in records:
        if was_withdrawn(edition, record):
            slugs = {record.submission.slug} if record.submission else set()
            withdrawn[record.method.name] = withdrawn.get(record.method.name, frozenset()) | slugs
            continue
        if chooses_corners(edition, record) and record.score and record.flops:
            at = record.flops.mean, record.score.value
            validation[record.task.name][curve_of(record), canonical(record.point)] = at
            continue
        if not (takes_part(edition, record) and record.samples and record.score):
            continue
        column = column_of(record)
        ids.setdefault(column.ids, record.samples.id)
        run = EditionRun(
            key=record.key,
            curve=curve_of(record),
            family=record.method.family,
            metric=record.task.metric,
            score=record.score.value,
            content=content_of(record),
            column=column,
            point=canonical(record.point),
            seed=training_seed(record),
            settings=canonical(training_settings(record)),
            submission=record.submission,
            unproved=unproved(record),
        )
        runs[record.task.name][run.content] = run
    of_task = {task: [own[content] for content in sorted(own)] for task, own in runs.items()}
    return Gathered(of_task, ids, validation, withdrawn)


def together(parts: Iterable[Gathered]) -> Gathered:
    """What was gathered in parts, no task of an edition in two of them."""
    whole = Gathered({}, {})
    for part in parts:
        withdrawn = {
            method: whole.withdrawn.get(method, frozenset()) | part.withdrawn.get(method, frozenset())
            for method in (*whole.withdrawn, *part.withdrawn)
        }
        whole = Gathered(
            {**whole.runs, **part.runs},
            {**whole.ids, **part.ids},
            {**whole.validation, **part.validation},
            withdrawn,
        )
    return whole


def entered(runs: Sequence[EditionRun], free: CostScore | None = None) -> Entered:
    """A method's runs with its trainings, in a fixed order; `free` is the yardstick's cheapest model.

    A training is a set of weights: the same ones run with another seed, or others that answer all the same but for next
    to nothing, are no further training. Of those the lowest seed stands for all.
    """
    curves: dict[CurveKey, list[EditionRun]] = defaultdict(list)
    for run in runs:
        curves[run.curve].append(run)
    chosen: list[list[EditionRun]] = []
    seen: set[object] = set()
    for key in sorted(curves, key=lambda key: (key.seed, key.weights_digest or "", key.source_digest)):
        weights = (key.source_digest, key.weights_digest)
        again = key.weights_digest is not None and weights in seen
        if not again and not any(one_training(curves[key], other, free) for other in chosen):
            chosen.append(curves[key])
        seen.add(weights)
    return Entered(runs, chosen)


def cheapest(yardstick: Entered) -> CostScore | None:
    """Mean FLOPs and score of the yardstick's cheapest model, over its trainings; None without any."""
    least = [min(run.at for run in training) for training in yardstick.trainings]
    if not least:
        return None
    cost, score = np.mean(least, axis=0).tolist()
    return cost, score


def one_training(own: Sequence[EditionRun], other: Sequence[EditionRun], free: CostScore | None = None) -> bool:
    """Whether of two curves that with fewer corners has most of them, or half and the dearest, from the other one: with
    its answers but for next to nothing.

    Corners alone count, since points that are none can be added at will, and a cheap one may be the same network in
    all trainings. Two trainings of a network differ in a quarter of what either gets wrong, and more; a copy with some
    answers changed in less than `SAME` of that.
    """
    (short, long) = sorted(((corners(own, free), own), (corners(other, free), other)), key=lambda of: len(of[0]))
    same = [any(alike(run.column, beside.column) for beside in long[1]) for run in short[0]]
    return 2 * sum(same) > len(same) - same[-1]


def corners(curve: Sequence[EditionRun], free: CostScore | None) -> Sequence[EditionRun]:
    """The corners of a curve's hull beside the yardstick's cheapest model, by rising cost.

    One constant answer is anybody's, and no corner; all runs, where no other is left.
    """
    runs = [run for run in curve if (run.column.value != run.column.value[0]).any()]
    places = mixture_hull([*(run.at for run in runs), *([free] if free else [])])
    return [runs[place] for place in places if place < len(runs)] or sorted(curve, key=lambda run: run.at)


def alike(own: Column, other: Column, room: float | None = None) -> bool:
    """Whether a run answers what another does, but for next to nothing: no farther apart than its `room_of`."""
    if own.ids != other.ids or own.metric != other.metric:
        return False
    if metrics.get(own.metric).right_or_wrong:
        apart = (own.value != other.value).mean()
    else:
        apart = ((own.value - other.value) ** 2).mean()
    return bool(apart <= (room_of(own) if room is None else room))


def room_of(run: Column) -> float:
    """How far apart answers are that are still this run's: `SAME` of what it gets wrong or, where that is less, of what
    sets it apart from one constant answer. Nearly constant answers of two networks are near each other by nature."""
    if metrics.get(run.metric).right_or_wrong:
        _, often = np.unique(run.value, return_counts=True)
        return SAME * min(float((run.error != 0).mean()), 1 - float(often.max()) / len(run.value))
    return SAME * min(float((run.error**2).mean()), float(run.value.var()))


def sampled(training: Sequence[EditionRun], corners: tuple[int, ...] | None = None) -> Sampled:
    """A training's points, sample by sample. Raises ElueError `samples_differ`."""
    answered = side_by_side([run.column for run in training])
    return Sampled(answered.flops, contributions(answered), corners)


def corners_of(own: Sequence[Sequence[EditionRun]], validation: Validation) -> list[tuple[int, ...] | None]:
    """The corners of each of a method's trainings, as validation has them: places of runs, by rising cost.

    None for all of them unless every point of every training was measured there: nobody drops a point by leaving its
    validation out.
    """
    if not all((run.curve, run.point) in validation for training in own for run in training):
        return [None] * len(own)
    return [tuple(mixture_hull([validation[run.curve, run.point] for run in training])) for training in own]


def kept_from_test(own: Sequence[Sequence[EditionRun]], validation: Validation) -> int:
    """How many corners that validation has of a method's trainings were not measured on the edition's split.

    None, unless a point was dropped for what came out there: who chooses points beforehand chooses corners.
    """
    missing = 0
    for training in own:
        told = [(point, at) for (curve, point), at in validation.items() if curve == training[0].curve]
        chosen = {told[place][0] for place in mixture_hull([at for _, at in told])} if told else set()
        missing += len(chosen - {run.point for run in training})
    return missing


def families_of(edition: Edition, runs: Gathered) -> Families:
    """The families of an edition's methods, ranked or not, the same on all tasks; the yardstick's runs are of none.

    What was taken back counts on: else a submission of many methods could leave its part to the luckiest of them.
    """
    slugs: dict[str, set[str]] = defaultdict(set)
    for method, withdrawn in runs.withdrawn.items():
        slugs[method] |= withdrawn
    for name, of_task in runs.runs.items():
        pinned = set(edition.tasks[name].yardstick.runs)
        for run in (run for run in of_task if run.content not in pinned):
            slugs[run.curve.method] |= {run.submission.slug} if run.submission else set()
    families = {method: family_of(method, of, edition.house) for method, of in slugs.items()}
    return Families(families, edition.methods, edition.places)
