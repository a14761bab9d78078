"""Stretches of parameters, and how many elements they have together. No torch in here."""

from __future__ import annotations

from collections.abc import Iterable

Interval = tuple[int, int, int, int]
"""A parameter's memory (a number of its own), elements of it from (inclusive) and to (exclusive), and 1."""


def merged(intervals: Iterable[Interval]) -> list[Interval]:
    """The same stretches, in order and none touching another."""
    together: list[Interval] = []
    for place, start, end, width in sorted(intervals):
        if together and together[-1][0] == place and start <= together[-1][2]:
            together[-1] = place, together[-1][1], max(end, together[-1][2]), width
        else:
            together.append((place, start, end, width))
    return together


def count_elements(intervals: Iterable[Interval]) -> int:
    """Number of elements in the union of intervals."""
    return sum((end - start) // width for _, start, end, width in merged(intervals))
