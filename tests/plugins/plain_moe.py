"""Methods with experts in plain Python: from a layer's rows, their ids and a point to (row, expert, weight)."""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elue.plugins.moe.base import Base
from elue.plugins.moe.deepseek_moe import DeepSeekMoe
from elue.plugins.moe.dselect_k import DSelectK
from elue.plugins.moe.evomoe import EvoMoe
from elue.plugins.moe.expert_choice import ExpertChoice
from elue.plugins.moe.gshard import GShard
from elue.plugins.moe.hash_layers import HashLayers
from elue.plugins.moe.m6_t import M6T
from elue.plugins.moe.sparsely_gated import SparselyGated
from elue.plugins.moe.st_moe import StMoe
from elue.plugins.moe.stablemoe import StableMoe
from elue.plugins.moe.switch import Switch
from elue.plugins.moe.thor import Thor

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


def m6_t(network: Any, number: int, half: Any, rows: Tensor, ids: list[int], point: Any) -> list[Pair]:
    groups, experts = 2, len(half.experts)
    width, used, pairs = experts // groups, point.get("prototypes", groups), []
    for row, x in enumerate(rows):
        z = (half.router.weight @ x).tolist()
        for group in range(used):
            p = soft(z[group * width : (group + 1) * width])
            pairs.append((row, group * width + falling(p)[0], max(p) * groups / used))
    return seated(pairs, math.ceil(len(rows) * min(point["capacity_factor"], experts) / experts))


def dselect_k(network: Any, number: int, half: Any, rows: Tensor, ids: list[int], point: Any) -> list[Pair]:
    gamma, experts, pairs = point["gamma"], len(half.experts), []

    def step(z: float) -> float:
        if abs(z) >= gamma / 2:
            return float(z > 0)
        return -2 * z**3 / gamma**3 + 1.5 * z / gamma + 0.5

    for row, x in enumerate(rows):
        z, v = half.router.digits(x).view(2, 2).tolist(), soft(half.router.mixing(x).tolist())
        for e in range(experts):
            weight = 0.0
            for selector in range(2):
                bits = [step(z[selector][b]) if e >> (1 - b) & 1 else 1 - step(z[selector][b]) for b in range(2)]
                weight += v[selector] * bits[0] * bits[1]
            if weight > 0:
                pairs.append((row, e, weight))
    return pairs


def mixed(expert: int, half: Any, x: Tensor) -> float:
    return 1 / (1 + math.exp(-(half.router.weight[expert] @ x).item()))


def base(network: Any, number: int, half: Any, rows: Tensor, ids: list[int], point: Any) -> list[Pair]:
    pairs = [(row, falling((half.router.weight @ x).tolist())[0], x) for row, x in enumerate(rows)]
    return [(row, e, a) for row, e, x in pairs if (a := mixed(e, half, x)) > point["mixed_above"]]


def stablemoe(network: Any, number: int, half: Any, rows: Tensor, ids: list[int], point: Any) -> list[Pair]:
    table = network.told[number]
    pairs = [(row, falling(table[ids[row]].tolist())[0], x) for row, x in enumerate(rows)]
    return [(row, e, a) for row, e, x in pairs if (a := mixed(e, half, x)) > point["mixed_above"]]


def hash_layers(network: Any, number: int, half: Any, rows: Tensor, ids: list[int], point: Any) -> list[Pair]:
    table, mass = network.table.tolist(), network.mass.tolist()
    return [(row, table[i], 1.0) for row, i in enumerate(ids) if mass[i] > point["skipped"]]


def thor(network: Any, number: int, half: Any, rows: Tensor, ids: list[int], point: Any) -> list[Pair]:
    key = hashlib.blake2b(np.array(ids, dtype="<i8").tobytes() + bytes([number, 0]), digest_size=16).digest()
    draw = np.random.Generator(np.random.Philox(key=int.from_bytes(key, "little")))
    return [(row, e, 1.0) for row, e in enumerate(draw.integers(len(half.experts), size=len(ids)).tolist())]


def deepseek_moe(network: Any, number: int, half: Any, rows: Tensor, ids: list[int], point: Any) -> list[Pair]:
    pairs = []
    for row, x in enumerate(rows):
        s = [1 / (1 + math.exp(-z)) for z in (half.router.weight @ x).tolist()]
        chosen = falling([a + b for a, b in zip(s, half.router.bias.tolist(), strict=True)])[: point["chosen"]]
        total = sum(s[e] for e in chosen)
        pairs += [(row, e, 2.5 * s[e] / total) for e in chosen]
    return pairs


def evomoe(network: Any, number: int, half: Any, rows: Tensor, ids: list[int], point: Any) -> list[Pair]:
    pairs = []
    for row, x in enumerate(rows):
        w = soft([z / point["temperature"] for z in (half.router.weight @ x).tolist()])
        pairs += [(row, e, w[e]) for e in range(len(w)) if w[e] > point["threshold"] or e == falling(w)[0]]
    return pairs


def prepare(network: Any) -> None:
    """What training would have set beside weights."""
    with torch.no_grad():
        if isinstance(network, HashLayers.network_type):
            network.read({id: 60 - id for id in range(5, 45)}, {1, 2})
        if isinstance(network, StableMoe.network_type):
            network.begin()
            words, centroids = network.router_words, network.router_centroids
            network.told = {int(place): words[place] @ centroids[place].T for place in words}
            network.freeze()
        if isinstance(network, DeepSeekMoe.network_type):
            for number, half in network.numbered().items():
                half.router.bias.copy_(torch.linspace(-0.5, 0.5, len(half.experts)) * (-1) ** number)


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
    "m6_t": (
        M6T,
        m6_t,
        [
            {"capacity_factor": 0.0},
            {"capacity_factor": 0.5},
            {"capacity_factor": math.inf, "prototypes": 1},
            {"capacity_factor": 4.0},
        ],
    ),
    "dselect_k": (DSelectK, dselect_k, [{"gamma": gamma} for gamma in (0.001, 1.0, 5.0)]),
    "base": (Base, base, [{"mixed_above": share} for share in (1.0, 0.9, 0.5, 0.0)]),
    "stablemoe": (StableMoe, stablemoe, [{"mixed_above": share} for share in (1.0, 0.7, 0.0)]),
    "hash_layers": (HashLayers, hash_layers, [{"skipped": share} for share in (0.9, 0.4, 0.0)]),
    "thor": (Thor, thor, [{}]),
    "deepseek_moe": (DeepSeekMoe, deepseek_moe, [{"chosen": number} for number in (0, 1, 3)]),
    "evomoe": (
        EvoMoe,
        evomoe,
        [
            {"threshold": 1.0, "temperature": 1.0},
            {"threshold": 0.3, "temperature": 1.0},
            {"threshold": 0.001, "temperature": 0.3},
            {"threshold": 0.001, "temperature": 3.0},
        ],
    ),
    "expert_choice": (ExpertChoice, expert_choice, [{"per_token": share} for share in (0.0, 0.5, 1.0, 2.0, 4.0)]),
}
"""Each with its rule and points from the cheapest on, and options."""
