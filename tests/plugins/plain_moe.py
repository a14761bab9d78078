"""Methods with experts in plain Python: from a layer's rows, their ids and a point to (row, expert, weight)."""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from elue.plugins.moe.expert_choice import ExpertChoice
from elue.plugins.moe.gshard import GShard
from elue.plugins.moe.sparsely_gated import SparselyGated
from elue.plugins.moe.st_moe import StMoe
from elue.plugins.moe.switch import Switch

Pair = tuple[int, int, float]


def soft(scores: list[float]) -> list[float]:
    powers = [math.exp(z - max(scores)) for z in scores]
    return [power / sum(powers) for power in powers]


def falling(values: list[float]) -> list[int]:
    """Places by value, the highest first, of equals the first."""
    return sorted(range(len(values)), key=lambda place: -values[place])


def probabilities(half: Any, rows: Tensor) -> list[list[float]]:
    return [soft((half.router.weight @ x).tolist()) for x in rows]


def seated(wishes: list[Pair], room: float) -> list[Pair]:
    """Those who find an expert with a seat left, in the order in which they come."""
    used: dict[int, int] = {}
    kept = []
    for pair in wishes:
        if used.get(pair[1], 0) < room:
            used[pair[1]] = used.get(pair[1], 0) + 1
            kept.append(pair)
    return kept


def switch(network: Any, number: int, half: Any, rows: Tensor, ids: list[int], point: Any) -> list[Pair]:
    p = probabilities(half, rows)
    wishes = [(row, falling(q)[0], max(q)) for row, q in enumerate(p)]
    return seated(wishes, math.ceil(len(rows) * point["capacity_factor"] / len(half.experts)))


def sparsely_gated(network: Any, number: int, half: Any, rows: Tensor, ids: list[int], point: Any) -> list[Pair]:
    pairs = []
    for row, x in enumerate(rows):
        z = (half.router.gate @ x).tolist()
        chosen = falling(z)[: point["chosen"]]
        weights = soft([z[e] for e in chosen])
        for place, (e, weight) in enumerate(zip(chosen, weights, strict=True)):
            if place == 0 or weight > point.get("second_above", 0.0):
                pairs.append((row, e, weight))
    return pairs


def gshard(network: Any, number: int, half: Any, rows: Tensor, ids: list[int], point: Any) -> list[Pair]:
    first, second = [], []
    for row, q in enumerate(probabilities(half, rows)):
        one, two = falling(q)[:2]
        total = q[one] + q[two]
        first.append((row, one, q[one] / total))
        if q[two] / total > point["second_above"]:
            second.append((row, two, q[two] / total))
    return seated(first + second, math.ceil(2 * len(rows) * point["capacity_factor"] / len(half.experts)))


def expert_choice(network: Any, number: int, half: Any, rows: Tensor, ids: list[int], point: Any) -> list[Pair]:
    p, experts = probabilities(half, rows), len(half.experts)
    room = math.ceil(len(rows) * point["per_token"] / experts)
    return [(row, e, p[row][e]) for e in range(experts) for row in falling([q[e] for q in p])[:room]]


def prepare(network: Any) -> None:
    """What training would have set beside weights."""


SECOND = [
    {"second_above": 0.5, "capacity_factor": 0.5},
    {"second_above": 0.5, "capacity_factor": 2.0},
    {"second_above": 0.2, "capacity_factor": 2.0},
    {"second_above": 0.0, "capacity_factor": 2.0},
]
CASES: dict[str, tuple[Any, ...]] = {
    "switch": (Switch, switch, [{"capacity_factor": factor} for factor in (0.0, 0.25, 1.0, 4.0)]),
    "sparsely_gated": (
        SparselyGated,
        sparsely_gated,
        [{"chosen": 1}, {"chosen": 2, "second_above": 0.2}, {"chosen": 2}, {"chosen": 4, "second_above": 0.01}],
    ),
    "gshard": (GShard, gshard, SECOND),
    "st_moe": (StMoe, gshard, SECOND[2:]),
    "expert_choice": (ExpertChoice, expert_choice, [{"per_token": share} for share in (0.0, 0.5, 1.0, 2.0, 4.0)]),
}
"""Each with its rule and points from the cheapest on, and options."""
