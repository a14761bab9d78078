"""How far trainings of a method lie apart: by its own few of them, and by what an edition knows of its task.

Three trainings tell their spread so badly that hardly any lead could be told from none: Student's t has two degrees of
freedom then. But methods of one task spread much alike. So an edition freezes the spread that trainings of the house
have, and a method's own variance is drawn towards it as if so many more degrees of freedom had shown it (moderated t:
Smyth 2004, section 4): (d0 s0^2 + d s^2) / (d0 + d), of d0 + d degrees. Frozen, so that nobody who comes later has a
part in it. A method that spreads more than others must not profit: its own trainings contradict what is known as soon
as they lie farther apart than `DOUBTED` in chance would have it, and d0 falls with that chance.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import chdtrc

MOST = 12
"""The most degrees of freedom that what is known may have: more would outvote what a method's own trainings show."""
DOUBTED = 0.2
"""The chance of a spread like a method's own, or a larger one, below which what is known counts for less."""


@dataclass(frozen=True, slots=True)
class Known:
    """A spread, a standard deviation in points, and its degrees of freedom."""

    spread: float
    degrees: int


def moderated(variance: float, degrees: int, known: Known | None) -> tuple[float, int]:
    """The variance of a method's trainings with its degrees of freedom, its own drawn towards what is known."""
    if known is None:
        return variance, degrees
    chance = float(chdtrc(degrees, degrees * variance / known.spread**2))
    weight = math.floor(known.degrees * min(1.0, chance / DOUBTED))
    total = weight + degrees
    return (weight * known.spread**2 + degrees * variance) / total, total


def pooled(spreads: Sequence[tuple[float, int]]) -> Known | None:
    """What is known from several methods, each a spread and its degrees of freedom; None where nothing differs."""
    degrees = sum(of for _, of in spreads)
    if not any(spread for spread, _ in spreads) or not degrees:
        return None
    variance = sum(of * spread**2 for spread, of in spreads) / degrees
    return Known(round(math.sqrt(variance), 6), min(degrees, MOST))
