"""Which part of the level of a board's tests each method has, so that nobody can take evidence from anybody else.

Under a correction over all methods of a board (Holm 1979) each one more, a copy or not, would cost all others some of
their evidence, and one less would give it back; no measure of likeness could tell copies from methods, since a little
noise makes a copy unlike. So the level is parted beforehand (Bonferroni, weighted). The house, whose submissions an
edition takes its yardsticks from, has one half, parted evenly among as many `methods` as the edition says. The other
half is parted evenly among `places` submissions of others, and the part of each among all methods that it brings:
whoever hands in more pays for it, and nobody else does. The parts never add up to more than 1, so the chance of any
wrong verdict on a board is at most the level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property

HOUSE = "the house"
"""The family of an edition's own submissions; no slug has a blank."""
HALF = 0.5
"""The part of the level that the house has."""


@dataclass(frozen=True)
class Families:
    """An edition's families: that of each method with any run, ranked or not; for how many methods of the house and
    how many other submissions there is room."""

    of: Mapping[str, str]
    methods: int
    places: int

    @cached_property
    def _sizes(self) -> Counter[str]:
        return Counter(self.of.values())

    def part(self, method: str) -> float:
        """The part of the level that a method has; where more came than there is room for, all alike have less."""
        family = self.of[method]
        size = self._sizes[family]
        if family == HOUSE:
            return HALF / max(self.methods, size)
        return (1 - HALF) / max(self.places, len(self._sizes.keys() - {HOUSE})) / size

    def adjusted(self, p: Mapping[str, float]) -> dict[str, float]:
        """p-values of methods, made comparable with the whole level: each over its own part."""
        return {method: min(1.0, value / self.part(method)) for method, value in p.items()}


def family_of(method: str, slugs: Iterable[str], house: Iterable[str]) -> str:
    """The family of a method that came with these submissions: the first of them by name, or the method's own."""
    slug = min(slugs, default=None)
    if slug is None:
        return f"method {method}"
    return HOUSE if slug in house else slug
