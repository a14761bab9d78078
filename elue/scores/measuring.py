"""An edition's methods on one task, measured by its yardstick."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from elue.scores.edition import Edition
from elue.scores.edition_runs import (
    EditionRun,
    Gathered,
    Validation,
    announced_by,
    comparable,
    corners_of,
    sampled,
    trainings,
    without_rank,
    without_yardstick,
)
from elue.scores.families import HOUSE, Families
from elue.scores.folds import Folds, folds_of
from elue.scores.leads import Lead, Sampled, Scale, lead_of, scale_of
from elue.scores.originals import Originals
from elue.scores.spread import Known


@dataclass(slots=True)
class Measured:
    """A task's methods, why each has no rank (empty where it may have one), and their leads over the yardstick.

    Without a yardstick there are no leads, for the reason `why`. `static` are the yardstick's runs at hand.
    """

    methods: dict[str, list[EditionRun]]
    reasons: dict[str, str]
    why: str
    static: tuple[EditionRun, ...]
    validation: Validation
    yardstick: Sequence[Sampled] = ()
    folds: Folds | None = None
    budgets: tuple[float, float] = (0.0, 0.0)
    known: Sequence[Known] = ()
    scales: dict[int, Scale] = field(default_factory=dict)
    leads: dict[str, Lead] = field(default_factory=dict)

    def lead(self, own: Sequence[EditionRun], draws: int) -> Lead:
        """The lead of a method's runs, with an error from so many draws of the samples."""
        assert self.folds is not None
        if draws not in self.scales:
            known = self.known
            self.scales[draws] = scale_of(self.yardstick, self.folds, *self.budgets, draws, seed=0, known=known)
        of = trainings(own)
        corners = corners_of(of, self.validation)
        return lead_of([sampled(runs, at) for runs, at in zip(of, corners, strict=True)], self.scales[draws])


def measured(
    edition: Edition, name: str, runs: Gathered, families: Families, announced: Mapping[str, int], draws: int
) -> Measured:
    """All methods of a task of an edition; `announced` says of some how many trainings they announced."""
    rules = edition.tasks[name]
    pinned = set(rules.yardstick.runs)
    own = runs.runs.get(name, ())
    static = [run for run in own if run.content in pinned]
    methods: dict[str, list[EditionRun]] = defaultdict(list)
    for run in own:
        if run.content not in pinned:
            methods[run.curve.method].append(run)
    house = [method for method in methods if families.of[method] == HOUSE]
    originals = Originals([*static, *(run for method in house for run in methods[method])])
    reasons = {
        method: without_rank(edition, rules, of, static, announced.get(method) or announced_by(of))
        or ("" if method in house else originals.copied(of))
        for method, of in methods.items()
    }
    validation = runs.validation.get(name, {})
    task = Measured(dict(sorted(methods.items())), reasons, without_yardstick(rules, static), tuple(static), validation)
    if not task.why and rules.yardstick.range:
        task.yardstick = [sampled(training) for training in trainings(static)]
        task.folds = folds_of(runs.ids[static[0].column.ids], rules.clusters)
        task.budgets = rules.yardstick.range
        task.known = rules.trainings.known if rules.trainings else ()
        task.leads = {method: task.lead(of, draws) for method, of in task.methods.items() if comparable(of, static)}
    return task
