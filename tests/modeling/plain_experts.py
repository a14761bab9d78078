"""Networks of experts under several rules, as packs run them and as plain loops do."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elue.modeling.backbone import learn_wordpiece
from elue.modeling.encoder import Encoder
from elue.modeling.experts import Assignment, AssignRule, ExpertsModel, capacity, upcycle, within_capacity
from elue.modeling.heads import Head
from elue.modeling.text import TextEncoder
from elue.protocol import Sample, TaskInfo
from tests import small

THREE = TaskInfo("three", "classification", ("a", "b", "c"))

WORDS = "paper door hill rain bread red orange blue green slow quick".split()  # noqa: SIM905

TEXT = TextEncoder(learn_wordpiece([" ".join(WORDS)] * 3, 50), 40)

EXPERTS, HIDDEN, INNER = 4, 16, 32

DRAW = random.Random(0)

SAMPLES = [Sample(str(i), " ".join(DRAW.choices(WORDS, k=DRAW.choice([1, 2, 3, 5, 8, 13, 34])))) for i in range(40)]


class Network(nn.Module):
    """The small encoder with experts in its layers 2 and 4, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder: Encoder = small.encoder()
        self.head = Head(self.encoder.config, THREE, "mean")
        upcycle(self.encoder, (1, 3), EXPERTS, jitter=0.0, scale=1.0)


NETWORK: Any = small.stir(Network()).requires_grad_(False)

Plain = Callable[[list[list[float]]], list[tuple[int, int, float]]]
"""A rule in plain Python: from the probabilities of one sample's rows to (row, expert, weight)."""


def top2(probabilities: Tensor, mask: Tensor, factor: float) -> Assignment:
    """The two most probable experts of each row, while they have room: all first choices, then all second ones."""
    samples, tokens = mask.shape
    weight, expert = probabilities.topk(2)
    weight, expert = (one.view(samples, tokens, 2).transpose(1, 2).flatten(1) for one in (weight, expert))
    limit = capacity(mask.sum(1), EXPERTS, factor)
    kept = within_capacity(expert, limit, EXPERTS, mask.repeat(1, 2)).flatten()
    row = torch.arange(samples * tokens).view(samples, tokens).repeat(1, 2).flatten()
    place = kept.nonzero().squeeze(-1)
    return Assignment(row[place], expert.flatten()[place], weight.flatten()[place])


def plain_top2(rows: list[list[float]], factor: float) -> list[tuple[int, int, float]]:
    room = [min(math.ceil(len(rows) * min(factor, EXPERTS) / EXPERTS - 1e-9), len(rows))] * EXPERTS
    pairs = []
    for choice in (0, 1):
        for row, p in enumerate(rows):
            expert = sorted(range(EXPERTS), key=lambda e: -p[e])[choice]
            if room[expert]:
                room[expert] -= 1
                pairs.append((row, expert, p[expert]))
    return pairs


def expert_choice(probabilities: Tensor, mask: Tensor) -> Assignment:
    """Each expert takes the half of a sample's rows, rounded up, that like it best."""
    samples, tokens = mask.shape
    weight, taken = probabilities.view(samples, tokens, EXPERTS).topk((tokens + 1) // 2, dim=1)
    row = taken + torch.from_numpy(np.arange(samples) * tokens)[:, None, None]
    return Assignment(row.flatten(), torch.arange(EXPERTS).expand_as(row).flatten(), weight.flatten())


def plain_expert_choice(rows: list[list[float]]) -> list[tuple[int, int, float]]:
    pairs = []
    for e in range(EXPERTS):
        best = sorted(range(len(rows)), key=lambda row: -rows[row][e])
        pairs += [(row, e, rows[row][e]) for row in best[: (len(rows) + 1) // 2]]
    return pairs


def everywhere(probabilities: Tensor, mask: Tensor) -> Assignment:
    """All rows to all experts, and the pairs in an order that is nobody's."""
    pairs = torch.arange(mask.numel() * EXPERTS).flip(0)
    return Assignment(pairs // EXPERTS, pairs % EXPERTS, probabilities.flatten()[pairs])


def plain_everywhere(rows: list[list[float]]) -> list[tuple[int, int, float]]:
    return [(row, e, p[e]) for row, p in enumerate(rows) for e in range(EXPERTS)]


def nowhere(probabilities: Tensor, mask: Tensor) -> Assignment:
    """No row to any expert."""
    none = torch.zeros(0, dtype=torch.long)
    return Assignment(none, none, torch.zeros(0))


RULES: dict[str, tuple[AssignRule, Plain]] = {
    "top-2 without limit": (partial(top2, factor=math.inf), partial(plain_top2, factor=math.inf)),
    "top-2 with capacity": (partial(top2, factor=1.0), partial(plain_top2, factor=1.0)),
    "top-2 with hardly any room": (partial(top2, factor=0.3), partial(plain_top2, factor=0.3)),
    "experts choose rows": (expert_choice, plain_expert_choice),
    "all rows to all experts": (everywhere, plain_everywhere),
    "no row to any expert": (nowhere, lambda rows: []),
}


def model_of(name: str, **given: Any) -> ExpertsModel:
    return ExpertsModel(NETWORK, TEXT, THREE, RULES[name][0], **given)


@torch.no_grad()
def plainly(sample: Sample, rule: Plain) -> tuple[list[float], dict[int, list[tuple[int, int, float]]]]:
    """Probabilities of the classes, row by row and expert by expert, and the pairs of each layer with experts."""
    ids, segments = TEXT.tensors(sample)
    hidden, taken = NETWORK.encoder.embed(ids, segments), {}
    for number, layer in enumerate(NETWORK.encoder.layers, start=1):
        hidden = layer.attention(hidden)
        if number % 2:
            hidden = layer.feed_forward(hidden)
            continue
        experts = layer.feed_forward
        rows = hidden[0]
        pairs = rule([(experts.router.weight @ x).softmax(-1).tolist() for x in rows])
        total = [x.clone() for x in rows]
        for row, expert, weight in pairs:
            total[row] = total[row] + weight * experts.experts[expert](rows[row])
        hidden = torch.stack([experts.norm(x) for x in total])[None]
        taken[number] = pairs
    return NETWORK.head(hidden)[0].softmax(-1).tolist(), taken


def counts(pairs: list[tuple[int, int, float]], of: int) -> dict[int, int]:
    """How many pairs each row (of = 0) or expert (of = 1) has."""
    found: dict[int, int] = {}
    for pair in pairs:
        found[pair[of]] = found.get(pair[of], 0) + 1
    return found
