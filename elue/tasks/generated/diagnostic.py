"""The task that needs no download: short reviews, generated from a seed, whose difficulty is known.

Each text is about one of four topics and holds one to three pieces of evidence in filler of very different length.
What it takes to answer:
- difficulty 0, plain evidence: the polarity of a word, which for some words depends on the topic ("dark" suits a film,
  not a room);
- difficulty 1, negation: "not" or "hardly" turns the word it belongs to, while a "not" in the filler means nothing;
- difficulty 2, contrast: after "but in the end" the evidence is the opposite of what came before, and counts alone.
How many pieces stand before and after a contrast varies, so that neither counting nor the marker gives the answer away.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache

SEED = 2022
SIZES = {"train": 6000, "validation": 500, "test": 1000}
SHARES = (0.5, 0.25, 0.25)
"""Share of each difficulty, and of small talk, asides and idle negations in the filler.

With fewer idle negations one layer learns nearly as much as four."""
SHORTEST, MEDIAN, LONGEST = 8, 20, 200
"""Words wanted in a text: a long-tailed draw, held within bounds. Whole sentences make the texts a little longer."""
TOPICAL = 0.2
"""Share of the evidence whose polarity depends on the topic."""

TOPICS = ("phone", "hotel", "film", "meal")
POLARITY = {
    "dark": (0, 0, 1, 0),
    "light": (1, 1, 0, 1),
    "loud": (1, 0, 0, 0),
    "quick": (1, 1, 1, 0),
    "slow": (0, 0, 0, 1),
    "soft": (0, 1, 1, 1),
}
"""Whether a word speaks for (1) or against (0) each of the topics."""
GOOD = ("excellent", "wonderful", "lovely", "superb", "delightful")
BAD = ("awful", "terrible", "dreadful", "poor", "horrible")
ASPECTS = (
    ("screen", "sound", "menu", "case", "camera"),
    ("room", "lobby", "bed", "garden", "pool"),
    ("plot", "ending", "acting", "music", "script"),
    ("soup", "bread", "sauce", "dessert", "salad"),
)
OPENINGS = (
    ("I bought this phone in March", "the phone came in a small box", "my brother gave me this phone"),
    ("we stayed at this hotel for a week", "the hotel stands near the station", "I booked the hotel in spring"),
    ("we saw this film on Friday", "the film runs for two hours", "I watched the film with my sister"),
    ("we had this meal on Sunday", "the meal came in three courses", "I ordered the meal for two"),
)
ASIDES = (
    ("it has two slots for cards", "the cable is in the box", "I charge it at night", "it shows the time on the front"),
    ("breakfast starts at seven", "the keys are kept at the desk", "our floor had ten doors", "the bus stops outside"),
    ("it is set in a town by the sea", "the story starts in winter", "our seats were in the third row"),
    ("the table was by the window", "the waiter took our coats", "we paid by card", "the kitchen closes at ten"),
)
SMALL_TALK = (
    "it was raining that day",
    "we came by train",
    "my parents were there as well",
    "there were four of us",
    "it was the first of May",
    "we talked about it on the way home",
    "I had read about it in the paper",
    "a neighbour told us about it",
    "the street outside was full of people",
    "I wrote this the day after",
)
IDLE_NEGATIONS = (
    "we did not stay until the end of the day",
    "I had not heard of it before",
    "my sister was not with us",
    "I did not take any pictures",
)
PLAIN = ("the {aspect} was {word}", "I found the {aspect} {word}", "for me the {aspect} was {word}")
NEGATED = (
    "the {aspect} was not {word}",
    "the {aspect} was hardly {word}",
    "I found the {aspect} hardly {word}",
    "for me the {aspect} was not {word}",
)
CONTRASTS = ("but in the end {evidence}", "but after a while {evidence}", "but looking back {evidence}")


@dataclass(frozen=True, slots=True)
class DiagnosticText:
    """A generated text with its label (1 positive) and difficulty (0 plain, 1 negation, 2 contrast)."""

    text: str
    label: int
    difficulty: int


def generate(split: str) -> tuple[DiagnosticText, ...]:
    """The rows of a split. The same on every machine; labels are balanced; no text occurs twice, in any split."""
    return _splits()[split]


@cache
def _splits() -> dict[str, tuple[DiagnosticText, ...]]:
    # Only `random()` of random.Random is promised never to change between Python versions.
    draw = random.Random(SEED).random
    rows: dict[str, DiagnosticText] = {}
    while len(rows) < sum(SIZES.values()):
        row = _row(label=len(rows) % 2, draw=draw)
        rows.setdefault(row.text, row)
    remaining = iter(rows.values())
    return {split: tuple(next(remaining) for _ in range(size)) for split, size in SIZES.items()}


def _row(label: int, draw: Callable[[], float]) -> DiagnosticText:
    difficulty = _third(draw())
    topic = int(draw() * len(TOPICS))
    parts = [_pick(OPENINGS[topic], draw), *_evidence(topic, label, difficulty, draw)]
    filler: list[list[str]] = [[] for _ in parts]
    words = sum(len(part.split()) for part in parts)
    wanted = _length(draw)
    while words < wanted:
        source = (SMALL_TALK, ASIDES[topic], IDLE_NEGATIONS)[_third(draw())]
        sentence = _pick(source, draw)
        filler[int(draw() * len(parts))].append(sentence)
        words += len(sentence.split())
    sentences = [sentence for part, more in zip(parts, filler, strict=True) for sentence in (part, *more)]
    return DiagnosticText(" ".join(f"{s[0].upper()}{s[1:]}." for s in sentences), label, difficulty)


def _evidence(topic: int, label: int, difficulty: int, draw: Callable[[], float]) -> list[str]:
    """One to three sentences, in their order."""
    aspects = list(ASPECTS[topic])

    def piece(polarity: int, negated: bool) -> str:
        spoken = polarity != negated
        topical = [word for word, sides in POLARITY.items() if sides[topic] == spoken]
        words = topical if draw() < TOPICAL else (BAD, GOOD)[spoken]
        aspect = aspects.pop(int(draw() * len(aspects)))
        return _pick(NEGATED if negated else PLAIN, draw).format(aspect=aspect, word=_pick(words, draw))

    if difficulty == 2:
        before, after = ((1, 1), (2, 1), (1, 2))[int(draw() * 3)]
        first = [piece(1 - label, False) for _ in range(before)]
        second = [piece(label, False) for _ in range(after)]
        second[0] = _pick(CONTRASTS, draw).format(evidence=second[0])
        return first + second
    count = 1 + int(draw() * 3)
    turned = int(draw() * count)
    return [piece(label, difficulty == 1 and (index == turned or draw() < 0.5)) for index in range(count)]


def _pick(choices: Sequence[str], draw: Callable[[], float]) -> str:
    return choices[int(draw() * len(choices))]


def _third(drawn: float) -> int:
    """0, 1 or 2, by `SHARES`."""
    return 0 if drawn < SHARES[0] else 1 if drawn < SHARES[0] + SHARES[1] else 2


def _length(draw: Callable[[], float]) -> int:
    """Words wanted: log-logistic, of square roots alone, which are the same to the last bit on every machine.

    It stays below the longest text by the longest sentence.
    """
    drawn = draw()
    root = math.sqrt(math.sqrt(drawn / (1 - drawn)))
    return min(LONGEST - 10, max(SHORTEST, round(MEDIAN * root * math.sqrt(root))))
