"""Who shares the level of a board's tests with whom, so that nobody can take evidence from anybody else.

Under a correction over all methods of a board each one more, a copy or not, would cost all others some of their
evidence, and no measure of likeness could tell copies from methods: a little noise makes a copy unlike. So the level
is parted beforehand (Bonferroni, weighted), one part a family: the house, whose submissions an edition takes its
yardsticks from, has one half, and every other submission one of so many equal `places` of the other. Within its part
a submission stands against itself alone, by Holm (1979): whoever hands in more pays for it. The parts never add up to
more than 1, so the chance of any wrong verdict on a board is at most the level.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from elue.scores.intervals import holm

HOUSE = "the house"
"""The family of an edition's own submissions; no slug has a blank."""
HALF = 0.5
"""The part of the level that the house has."""


@dataclass(frozen=True, slots=True)
class Families:
    """An edition's families: that of each method, and how many places there are for all but the house."""

    of: Mapping[str, str]
    places: int

    def parts(self, methods: Iterable[str]) -> dict[str, float]:
        """The part of the level of each family of some methods; where these are of more than `places` families, all
        have less alike."""
        families = {self.of[method] for method in methods}
        other = (1 - HALF) / max(self.places, len(families - {HOUSE}))
        return {family: HALF if family == HOUSE else other for family in families}

    def adjusted(self, p: Mapping[str, float]) -> dict[str, float]:
        """p-values of methods, made comparable with the whole level: Holm's within each family, over its part."""
        parts = self.parts(p)
        within: dict[str, list[str]] = {}
        for method in p:
            within.setdefault(self.of[method], []).append(method)
        return {
            method: min(1.0, value / parts[family])
            for family, methods in within.items()
            for method, value in zip(methods, holm([p[method] for method in methods]), strict=True)
        }


def family_of(method: str, slugs: Iterable[str], house: Iterable[str]) -> str:
    """The family of a method that came with these submissions: the first of them by name, or the method's own."""
    slug = min(slugs, default=None)
    if slug is None:
        return f"method {method}"
    return HOUSE if slug in house else slug
