"""An edition's methods on one task, measured by its yardstick."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from elue.scores.edition import Edition
from elue.scores.edition_runs import (
    EditionRun,
    Entered,
    Gathered,
    Validation,
    cheapest,
    corners_of,
    entered,
    kept_from_test,
    sampled,
)
from elue.scores.families import HOUSE, Families
from elue.scores.folds import Folds, folds_of
from elue.scores.leads import Lead, Sampled, Scale, lead_of, scale_of
from elue.scores.originals import Originals
from elue.scores.reasons import announced_by, comparable, without_rank, without_yardstick
from elue.scores.spread import Known


@dataclass(slots=True)
class Measured:
    """A task's methods, why each has no rank (empty where it may have one), and their leads over the yardstick.

    Without a yardstick there are no leads, for the reason `why`. `static` are the yardstick's runs at hand.
    """

    methods: dict[str, Entered]
    reasons: dict[str, str]
    why: str
    static: Entered
    validation: Validation
    yardstick: Sequence[Sampled] = ()
    folds: Folds | None = None
    budgets: tuple[float, float] = (0.0, 0.0)
    known: Sequence[Known] = ()
    scales: dict[int, Scale] = field(default_factory=dict)
    leads: dict[str, Lead] = field(default_factory=dict)

    def lead(self, own: Entered, draws: int) -> Lead:
        """The lead of a method's trainings, with an error from so many draws of the samples."""
        assert self.folds is not None
        if draws not in self.scales:
            known = self.known
            self.scales[draws] = scale_of(self.yardstick, self.folds, *self.budgets, draws, seed=0, known=known)
        corners = corners_of(own.trainings, self.validation)
        of = [sampled(runs, at) for runs, at in zip(own.trainings, corners, strict=True)]
        return lead_of(of, self.scales[draws])


def measured(
    edition: Edition, families: Families, announced: Mapping[str, int], draws: int, of: tuple[str, Gathered]
) -> Measured:
    """All methods of a task of an edition, by its name and runs; `announced` says how many trainings some announced."""
    name, runs = of
    rules = edition.tasks[name]
    pinned = set(rules.yardstick.runs)
    own = runs.runs.get(name, ())
    static = entered([run for run in own if run.content in pinned])
    by_name: dict[str, list[EditionRun]] = defaultdict(list)
    for run in own:
        if run.content not in pinned:
            by_name[run.curve.method].append(run)
    free = cheapest(static)
    methods = {method: entered(by_name[method], free) for method in sorted(by_name)}
    house = [method for method in methods if families.of[method] == HOUSE]
    originals = Originals([*static.runs, *(run for method in house for run in methods[method].runs)])
    reasons = {
        method: without_rank(edition, rules, of, static, announced.get(method) or announced_by(of.runs))
        or _dropped(of, runs.validation.get(name, {}))
        or ("" if method in house else originals.copied(of.runs))
        for method, of in methods.items()
    }
    why = without_yardstick(rules, static.runs)
    task = Measured(methods, reasons, why, static, runs.validation.get(name, {}))
    if not task.why and rules.yardstick.range:
        task.yardstick = [sampled(training) for training in static.trainings]
        task.folds = folds_of(runs.ids[static.runs[0].column.ids], rules.clusters)
        task.budgets = rules.yardstick.range
        task.known = rules.trainings.known if rules.trainings else ()
        fit = {method: of for method, of in methods.items() if comparable(of.runs, static.runs)}
        task.leads = {method: task.lead(of, draws) for method, of in fit.items()}
    return task


def _dropped(own: Entered, validation: Validation) -> str:
    missing = kept_from_test(own.trainings, validation)
    return f"these weights: without {missing} of the corners that validation chooses" if missing else ""
