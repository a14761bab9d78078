"""What pages show of a model's experts: how many a token takes, how tokens spread over them, and their words."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from elue.leaderboard.text import clean
from elue.record.schema import Explained

RARE = 5
"""A word has to occur so often in the explained samples to be named."""
NAMED = 4
"""So many words are named of each expert."""

Place = tuple[int, int]
"""A layer and one of its experts, both from 1, as in the names of units."""


@dataclass(frozen=True, slots=True)
class Use:
    """Mean rows a sample, and the share of the samples that ran it, of one unit."""

    kind: str
    place: Place
    rows: float
    share: float


@dataclass(frozen=True, slots=True)
class Word:
    """A word and the share of its occurrences that one expert takes, above that expert's share of all tokens."""

    text: str
    share: float
    count: int


@dataclass(frozen=True, slots=True)
class Spread:
    """Experts at one point: pairs with a token, rows in a call when a sample is alone, and the load of each.

    `load` is an expert's share of its layer's pairs, 1 over the number of experts at balance; one that ran nowhere is
    not in it.
    """

    per_token: float
    per_call: float
    load: Mapping[Place, float]


def spread_of(uses: Iterable[Use]) -> Spread | None:
    """The spread of tokens over experts; None where no unit is an expert."""
    layers: dict[int, dict[Place, Use]] = defaultdict(dict)
    tokens: dict[int, float] = {}
    for use in uses:
        if use.kind == "expert":
            layers[use.place[0]][use.place] = use
        elif use.kind == "combine":
            tokens[use.place[0]] = use.rows
    if not layers:
        return None
    pairs = {layer: sum(use.rows for use in experts.values()) for layer, experts in layers.items()}
    calls = sum(use.share for experts in layers.values() for use in experts.values())
    known = [layer for layer in tokens if tokens[layer]]
    return Spread(
        per_token=sum(pairs.get(layer, 0.0) / tokens[layer] for layer in known) / len(known) if known else 0.0,
        per_call=sum(pairs.values()) / calls if calls else 0.0,
        load={place: use.rows / pairs[layer] for layer, experts in layers.items() for place, use in experts.items()},
    )


def words_of(samples: Sequence[Explained]) -> dict[Place, tuple[Word, ...]]:
    """For each expert the words that go there more than others do, the most telling first.

    Pieces count as they stand. A word tells by the share of its occurrences that the expert takes, less the expert's
    share of all tokens, times the root of how often it occurs.
    """
    all_of: dict[int, Counter[str]] = defaultdict(Counter)
    taken: dict[Place, Counter[str]] = defaultdict(Counter)
    for sample in samples:
        for name, chosen in sample.experts.items():
            head, _, further = name.partition(".")
            if not head.isdecimal() or len(chosen) != len(sample.tokens):
                continue
            for token, expert in zip(sample.tokens, chosen, strict=True):
                if not further:
                    all_of[int(head)][token] += 1
                if expert >= 0:
                    taken[int(head), expert + 1][token] += 1
    named = {}
    for place, own in sorted(taken.items()):
        total = all_of[place[0]]
        usual = own.total() / max(1, total.total())
        words = [
            (
                Word(clean(token), count / total[token], total[token]),
                (count / total[token] - usual) * total[token] ** 0.5,
            )
            for token, count in own.items()
            if total[token] >= RARE and count / total[token] > usual
        ]
        named[place] = tuple(word for word, _ in sorted(words, key=lambda told: (-told[1], told[0].text))[:NAMED])
    return named
