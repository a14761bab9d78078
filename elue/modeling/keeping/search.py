"""An evolutionary search among lists of lengths, on validation data, round by round.

Kim and Cho, "Length-Adaptive Transformer", ACL 2021, section 3.2: from lists that shorten evenly, parents on the front
of compute and score have offspring by mutation and by crossover; whatever no other dominates is the next front.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from elue.modeling.keeping.lengths import FULL, Lengths, parse_lengths
from elue.modeling.sweep import MAX_GAP

Worth = tuple[float, float]
"""The mean compute of a list, in any unit, and its score."""
STARTS = 20
"""Lists that shorten by the same ratio in each layer, with which a search begins."""


@dataclass(frozen=True)
class Search:
    """`rounds` of so many `mutations` and `crossovers` each, between the `smallest` list and all tokens.

    `tell` gives the worth of a round's lists, by their text: by the round's name where it ran before a kill, and else
    of the lists that it is given.
    """

    smallest: Lengths
    rounds: int
    mutations: int
    crossovers: int
    seed: int
    tell: Callable[[str, Callable[[], Sequence[Lengths]]], Mapping[str, Worth]]

    def run(self) -> dict[Lengths, Worth]:
        """All lists that were tried, with their worth; progress goes to the terminal."""
        known = self._round(0, {}, starts(self.smallest))
        for number in range(1, self.rounds + 1):
            known |= self._round(number, known, self._offspring(number, known))
        return known

    def _round(self, number: int, known: Mapping[Lengths, Worth], lists: Iterable[Lengths]) -> dict[Lengths, Worth]:
        fresh = [lengths for lengths in dict.fromkeys(lists) if lengths not in known]
        told = self.tell(f"search-{number}", lambda: fresh)
        layers = len(self.smallest)
        new = {parse_lengths(text, layers, True): (worth[0], worth[1]) for text, worth in told.items()}
        best = front({**known, **new})
        count = len(known) + len(new)
        print(f"search, round {number} of {self.rounds}: {count} lists tried, {len(best)} in front", file=sys.stderr)
        return new

    def _offspring(self, number: int, known: Mapping[Lengths, Worth]) -> list[Lengths]:
        """Mutations and crossovers of what is in front, drawn by the seed and the number of the round."""
        draw, parents = random.Random(f"{self.seed} {number}"), front(known)
        children = [mutated(draw.choice(parents), self.smallest, draw) for _ in range(self.mutations)]
        return children + [crossed(draw.choice(parents), draw.choice(parents)) for _ in range(self.crossovers)]


def starts(smallest: Lengths) -> list[Lengths]:
    """All tokens, the smallest list, and lists of a constant ratio a layer between them, even in Σ l."""
    layers = len(smallest)
    whole = layers * FULL
    lists = [(FULL,) * layers, smallest]
    for step in range(1, STARTS + 1):
        wanted = sum(smallest) + (whole - sum(smallest)) * step / (STARTS + 1)
        low, high = 0.0, 1.0
        for _ in range(40):
            ratio = (low + high) / 2
            total = sum(FULL * ratio**layer for layer in range(1, layers + 1))
            low, high = (ratio, high) if total < wanted else (low, ratio)
        lists.append(tuple(max(1, round(FULL * low**layer)) for layer in range(1, layers + 1)))
    return lists


def mutated(parent: Lengths, smallest: Lengths, draw: random.Random) -> Lengths:
    """Each length with a chance of one half drawn anew, between the parent's next and the child's last one."""
    child: list[int] = []
    for layer, length in enumerate(parent):
        most = child[-1] if child else FULL
        least = parent[layer + 1] if layer + 1 < len(parent) else smallest[-1]
        new = draw.randint(min(least, most), most) if draw.random() < 0.5 else length
        child.append(min(new, most))
    return tuple(child)


def crossed(parent: Lengths, other: Lengths) -> Lengths:
    """The mean of two lists, rounded up."""
    return tuple(-(-(length + its) // 2) for length, its in zip(parent, other, strict=True))


def front(known: Mapping[Lengths, Worth]) -> list[Lengths]:
    """The lists than which no other is better at no more compute, the cheapest first."""
    best: list[Lengths] = []
    for lengths in sorted(known, key=lambda lengths: (known[lengths][0], -known[lengths][1], lengths)):
        if not best or known[lengths][1] > known[best[-1]][1]:
            best.append(lengths)
    return best


def chosen(known: Mapping[Lengths, Worth], ends: Iterable[Lengths], points: int) -> list[Lengths]:
    """A sweep, the cheapest first: the two ends, the front at even steps of compute, and the best in wide gaps."""
    ends, cost = list(ends), {lengths: worth[0] for lengths, worth in known.items()}
    low, high = min(cost[end] for end in ends), max(cost[end] for end in ends)
    good, taken = [lengths for lengths in front(known) if low <= cost[lengths] <= high], set(ends)
    for step in range(1, points - 1):
        target = low + (high - low) * step / (points - 1)
        taken.add(min(good or ends, key=lambda lengths: abs(cost[lengths] - target)))
    while True:
        ordered = sorted(taken, key=lambda lengths: cost[lengths])
        gaps = [(cost[b] - cost[a], cost[a], cost[b]) for a, b in pairwise(ordered)]
        for width, below, above in sorted(gaps, reverse=True):
            room = width / 4
            inside = [lengths for lengths in known if below + room <= cost[lengths] <= above - room]
            if width > MAX_GAP * (high - low) and inside:
                taken.add(max(inside, key=lambda lengths: (known[lengths][1], -cost[lengths])))
                break
        else:
            return list({cost[lengths]: lengths for lengths in ordered}.values())
