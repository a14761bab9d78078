"""What methods have over the static model at each budget, over several tasks, with a word for how sure that is."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np

from elue.scores.crossfit import Window
from elue.scores.intervals import LEVEL
from elue.scores.leads import STEPS, Lead
from elue.scores.testing import mean_of
from elue.scores.trainings import Difference

Word = Literal["sure", "likely", "level"]


@dataclass(frozen=True, slots=True)
class Ahead:
    """A lead over the static model in points, with its 95 % interval (None without spread).

    `sure` is what is told from 0 though every budget is looked at (Bonferroni 1936), `likely` what is by its own
    interval alone, `level` all else; whoever looks at many methods finds some ahead by chance. `general` says that it
    holds for further trainings, too, and not for these weights alone.
    """

    value: float
    low: float | None
    high: float | None
    word: Word
    general: bool


@dataclass(frozen=True, slots=True)
class Along:
    """Methods' leads budget by budget: `budgets` are shares of full compute, those of a method as many, None where it
    has none there. `looks` are the budgets that a lead is `sure` among."""

    budgets: tuple[Window, ...]
    methods: Mapping[str, tuple[Ahead | None, ...]]
    looks: int

    def at(self, share: float) -> int:
        """The place of the budget that holds this share of full compute; the nearest one of a share beyond all."""
        return next((place for place, (_, high) in enumerate(self.budgets) if share < high), len(self.budgets) - 1)


def along(leads: Mapping[str, Sequence[Lead]]) -> Along:
    """The mean over tasks of each method's leads at each budget, of the leads that it has on any of the tasks.

    Budgets are `STEPS` stretches, even in the logarithm, of the range that all tasks have: of one task they are its
    own. Of a task counts the stretch that holds the middle of a budget.
    """
    known = [lead for own in leads.values() for lead in own if lead.stretches]
    if not known:
        return Along((), {}, 0)
    low = max(lead.stretches[0][0] for lead in known)
    high = min(lead.stretches[-1][1] for lead in known)
    budgets = tuple(pairwise(np.geomspace(low, high, STEPS + 1).tolist()))
    looks = len(budgets)
    return Along(budgets, {method: _ahead(own, budgets, looks) for method, own in leads.items()}, looks)


def _ahead(own: Sequence[Lead], budgets: Sequence[Window], looks: int) -> tuple[Ahead | None, ...]:
    rows: list[Ahead | None] = []
    for low, high in budgets:
        middle = math.sqrt(low * high)
        held = [difference for lead in own for difference in _holding(lead, middle)]
        rows.append(ahead(mean_of(held), looks) if held else None)
    return tuple(rows)


def _holding(lead: Lead, share: float) -> Iterable[Difference]:
    return [of for of, (low, high) in zip(lead.along, lead.stretches, strict=True) if low <= share < high]


def ahead(difference: Difference, looks: int) -> Ahead:
    """A lead as it is told, one of so many that are looked at."""
    estimate, p = difference.estimate, difference.p()
    likely = estimate.low is not None and estimate.high is not None and not estimate.low <= 0 <= estimate.high
    sure = likely and p is not None and p * looks <= LEVEL
    word: Word = "sure" if sure else "likely" if likely else "level"
    return Ahead(estimate.value, estimate.low, estimate.high, word, difference.general)
