"""Networks of experts under several rules, as packs run them and as plain loops do."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elue.modeling.backbone import learn_wordpiece
from elue.modeling.experts.choices import above, best, fixed, over, ranked, shares
from elue.modeling.experts.layers import ExpertLayer
from elue.modeling.experts.look import Choice, Look
from elue.modeling.experts.model import ExpertsModel
from elue.modeling.experts.network import ExpertsNetwork, ExpertsOptions
from elue.modeling.experts.seats import capacity
from elue.modeling.text import TextEncoder
from elue.protocol import Sample, TaskInfo
from tests import small

THREE = TaskInfo("three", "classification", ("a", "b", "c"))
WORDS = "paper door hill rain bread red orange blue green slow quick".split()  # noqa: SIM905
TEXT = TextEncoder(learn_wordpiece([" ".join(WORDS)] * 3, 50), 40)
EXPERTS, HIDDEN, INNER = 4, 16, 32
DRAW = random.Random(0)
SAMPLES = [Sample(str(i), " ".join(DRAW.choices(WORDS, k=DRAW.choice([1, 2, 3, 5, 8, 13, 34])))) for i in range(40)]

Pair = tuple[int, int, float]
Plain = Callable[[list[list[float]], list[int]], list[Pair]]
"""A rule in plain Python: from probabilities of one sample's rows and their ids to (row, expert, weight)."""


class Network(ExpertsNetwork):
    """The small encoder with experts in its layers 2 and 4, a rule that is put in, and a limit."""

    rule: Any
    factor = math.inf

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        assert scores is not None
        return self.rule(look, scores.softmax(-1))

    def room(self, tokens: np.ndarray) -> np.ndarray | None:
        return None if self.factor == math.inf else capacity(tokens, EXPERTS, self.factor)


@dataclass(frozen=True)
class Rule:
    """A choice, the room there is, and the same in plain Python."""

    choose: Callable[[Look, Tensor], Choice]
    plain: Plain
    factor: float = math.inf


def few(count: int, factor: float = math.inf, weigh: Any = None) -> Rule:
    """The most probable experts of each row, while they have room: all first choices, then all second ones."""

    def plain(rows: list[list[float]], ids: list[int]) -> list[Pair]:
        room = [min(math.ceil(len(rows) * min(factor, EXPERTS) / EXPERTS - 1e-9), len(rows) * count)] * EXPERTS
        pairs = []
        for choice in range(count):
            for row, p in enumerate(rows):
                order = sorted(range(EXPERTS), key=lambda e: -p[e])
                total = sum(p[e] for e in order[:count]) if weigh else 1.0
                if room[order[choice]]:
                    room[order[choice]] -= 1
                    pairs.append((row, order[choice], p[order[choice]] / total))
        return pairs

    return Rule(lambda look, p: best(p, count, weigh), plain, factor)


def plain_ranked(rows: list[list[float]], ids: list[int]) -> list[Pair]:
    pairs = []
    for e in range(EXPERTS):
        liked = sorted(range(len(rows)), key=lambda row: -rows[row][e])
        pairs += [(row, e, rows[row][e]) for row in liked[: (len(rows) + 1) // 2]]
    return pairs


def sure_second(look: Look, p: Tensor) -> Choice:
    return over(best(p, 2, shares), 0.3, from_choice=1)


def plain_sure_second(rows: list[list[float]], ids: list[int]) -> list[Pair]:
    return [pair for pair in few(2, weigh=shares).plain(rows, ids) if pair[2] > 0.3]


RULES: dict[str, Rule] = {
    "the best": few(1),
    "two without limit": few(2),
    "two with capacity": few(2, 1.0),
    "two with hardly any room": few(2, 0.3),
    "no room at all": few(2, 0.0),
    "three, shares": few(3, weigh=shares),
    "a second that is sure": Rule(sure_second, plain_sure_second),
    "all above a threshold": Rule(
        lambda look, p: above(p, 0.2),
        lambda rows, ids: [(row, e, p[e]) for row, p in enumerate(rows) for e in range(EXPERTS) if p[e] > 0.2],
    ),
    "none above a threshold": Rule(lambda look, p: above(p, 1.0), lambda rows, ids: []),
    "experts choose rows": Rule(lambda look, p: ranked(p, look, (look.lengths + 1) // 2), plain_ranked),
    "by the token": Rule(
        lambda look, p: fixed(look.ids % EXPERTS),
        lambda rows, ids: [(row, i % EXPERTS, 1.0) for row, i in enumerate(ids)],
    ),
}


def network_of(name: str) -> Network:
    """A network of large random weights under a rule; the same weights for every rule."""
    made = Network(small.encoder(), THREE, ExpertsOptions(experts=EXPERTS))
    small.stir(made).requires_grad_(False)
    made.rule, made.factor, made.weighted = RULES[name].choose, RULES[name].factor, name != "by the token"
    return made


def model_of(name: str) -> ExpertsModel:
    return ExpertsModel(network_of(name), TEXT, THREE)


def halves(network: Any) -> list[ExpertLayer]:
    return [layer.feed_forward for layer in network.encoder.layers if isinstance(layer.feed_forward, ExpertLayer)]


@torch.no_grad()
def plainly(network: Any, sample: Sample, rule: Plain) -> tuple[list[float], dict[int, list[Pair]]]:
    """Probabilities of the classes, row by row and expert by expert, and the pairs of each layer with experts."""
    ids, segments = TEXT.tensors(sample)
    hidden, taken = network.encoder.embed(ids, segments), {}
    for number, layer in enumerate(network.encoder.layers, start=1):
        hidden = layer.attention(hidden)
        if number % 2:
            hidden = layer.feed_forward(hidden)
            continue
        experts = layer.feed_forward
        rows = hidden[0]
        pairs = rule([(experts.router.weight @ x).softmax(-1).tolist() for x in rows], ids[0].tolist())
        total = [x.clone() for x in rows]
        for row, expert, weight in pairs:
            total[row] = total[row] + weight * experts.experts[expert](rows[row])
        hidden = torch.stack([experts.norm(x) for x in total])[None]
        taken[number] = pairs
    return network.head(hidden)[0].softmax(-1).tolist(), taken


def counts(pairs: list[Pair], of: int) -> dict[int, int]:
    """How many pairs each row (of = 0) or expert (of = 1) has."""
    counted: dict[int, int] = {}
    for pair in pairs:
        counted[int(pair[of])] = counted.get(int(pair[of]), 0) + 1
    return counted
