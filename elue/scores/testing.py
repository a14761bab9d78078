"""Each method against the yardstick: declared beforehand, at its own part of the level, ranks by verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence

import numpy as np

from elue.scores.families import HALF, Families
from elue.scores.intervals import LEVEL
from elue.scores.standing import Tested, Verdict
from elue.scores.trainings import Difference

MANY = 10_000
"""Draws where a p is near its limit."""
DOUBT = 3.0
"""Standard errors of a standard error, by which a p is near its limit. Of so many draws it is 1 / sqrt(2 draws)."""
FAR = 100
"""Factor between a p and its limit beyond which no doubt about an error brings one to the other."""
RANKS: Mapping[Verdict, int] = {"above": 1, "level": 2, "below": 3}
"""The rank that each verdict has, whoever else is on the board."""


def judged(
    leads: Mapping[str, Difference], draws: int, again: Callable[[str], Difference], families: Families
) -> dict[str, Tested]:
    """The tests of all methods that may be ranked, with ranks. None of them hangs on another one.

    `draws` are those behind the leads' errors; `again` gives a method's lead from `MANY` draws, and is asked where that
    could matter.
    """
    tests = {}
    for method, lead in leads.items():
        level = LEVEL * families.part(method)
        if draws < MANY and _near(lead, draws, level):
            lead = again(method)
        near = _near(lead, max(draws, MANY), level)
        p = lead.p()
        adjusted = None if p is None else families.adjusted({method: p})[method]
        apart = adjusted is not None and adjusted <= LEVEL and not near
        verdict: Verdict = "level" if not apart else "above" if lead.value > 0 else "below"
        tests[method] = Tested(lead, p, adjusted, near, verdict, RANKS[verdict])
    return tests


def smallest_lead(leads: Sequence[Difference], places: int) -> float | None:
    """The lead by which a submission's one method is just told from 0, in the middle of what some leads would take;
    None where none has spread."""
    level = LEVEL * (1 - HALF) / places
    least = [lead.least(level) for lead in leads if lead.error > 0]
    middle = float(np.median(least)) if least else math.inf
    return middle if math.isfinite(middle) else None


def mean_of(leads: Sequence[Difference]) -> Difference:
    """The mean of leads on several tasks, whose samples and trainings are independent of one another's."""
    count = len(leads)
    parts = np.array([lead.error**2 for lead in leads]) / count**2
    variance = float(parts.sum())
    value = sum(lead.value for lead in leads) / count
    general = all(lead.general for lead in leads)
    if variance == 0:
        return Difference(value, 0.0, leads[0].degrees, (), general)
    degrees = np.array([lead.degrees for lead in leads])
    return Difference(
        value,
        math.sqrt(variance),
        variance**2 / float((parts**2 / degrees).sum()),
        tuple((error / count, of) for lead in leads for error, of in lead.parts),
        general,
    )


def _near(lead: Difference, draws: int, level: float) -> bool:
    """Whether a verdict hangs on the chance of the draws: its error a little off, either way."""
    p = lead.p()
    if p is None or not level / FAR <= p <= level * FAR:
        return False
    doubt = DOUBT / math.sqrt(2 * draws)
    both = [lead.p(1 + sign * doubt) for sign in (-1, 1)]
    return len({moved is not None and moved <= level for moved in both}) > 1
