"""Each method against the yardstick: declared beforehand, at its family's part of the level, ranks by verdict."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from elue.scores.families import HALF, Families
from elue.scores.intervals import LEVEL
from elue.scores.standing import Tested
from elue.scores.trainings import Difference

MANY = 10_000
"""Draws where a p is near its limit."""
DOUBT = 3.0
"""Standard errors of a standard error, by which a p is near its limit. Of so many draws it is 1 / sqrt(2 draws)."""


def judged(
    leads: Mapping[str, Difference], draws: int, again: Callable[[str], Difference], families: Families
) -> dict[str, Tested]:
    """The tests of all methods that may be ranked, with ranks: 1 is above the yardstick, then level, then below.

    `draws` are those behind the leads' errors; `again` gives a method's lead from `MANY` draws, and is asked where that
    could matter.
    """
    leads = dict(leads)
    for method in [name for name, near in _near(leads, draws, families).items() if near] if draws < MANY else []:
        leads[method] = again(method)
    near = _near(leads, max(draws, MANY), families)
    adjusted = _adjusted({method: lead.p() for method, lead in leads.items()}, families)
    tests = {}
    for method, lead in leads.items():
        p = adjusted[method]
        apart = p is not None and p <= LEVEL and not near[method]
        verdict = "level" if not apart else "above" if lead.value > 0 else "below"
        tests[method] = Tested(lead, lead.p(), p, near[method], verdict)  # type: ignore[arg-type]
    return ranked(tests)


def ranked(tests: Mapping[str, Tested]) -> dict[str, Tested]:
    """Ranks by verdict, shared by all of one: 1 + how many better verdicts there are, not how many methods have one."""
    verdicts = {test.verdict for test in tests.values()}
    order = [verdict for verdict in ("above", "level", "below") if verdict in verdicts]
    return {
        method: replace(test, rank=1 + order.index(test.verdict)) if test.verdict else test
        for method, test in tests.items()
    }


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


def _adjusted(p: Mapping[str, float | None], families: Families) -> dict[str, float | None]:
    """The adjusted p of each method, None without spread."""
    known = families.adjusted({method: value for method, value in p.items() if value is not None})
    return {method: known.get(method) for method in p}


def _near(leads: Mapping[str, Difference], draws: int, families: Families) -> dict[str, bool]:
    """Whether a verdict hangs on the chance of the draws: others' errors as they are, its own a little off."""
    doubt = DOUBT / math.sqrt(2 * draws)
    p = {method: lead.p() for method, lead in leads.items()}
    near = {}
    for method, lead in leads.items():
        both = [_adjusted({**p, method: lead.p(1 + sign * doubt)}, families)[method] for sign in (-1, 1)]
        near[method] = len({value is not None and value <= LEVEL for value in both}) > 1
    return near
