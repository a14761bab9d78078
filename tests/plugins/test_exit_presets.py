"""Presets of heads, plan and rules: each trains, and leaves where a plain implementation on random weights does."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from elue.errors import ElueError
from elue.modeling.saving import read_note
from elue.plugins.early_exit.cosee import Cosee
from elue.plugins.early_exit.f_pabee import FPabee
from elue.plugins.early_exit.fastbert import FastBert
from elue.plugins.early_exit.gaml_bert import GamlBert
from elue.plugins.early_exit.leebert import LeeBert
from elue.plugins.early_exit.past_future import PastFuture
from elue.plugins.early_exit.pcee_bert import PceeBert
from elue.plugins.early_exit.righttool import RightTool
from elue.plugins.early_exit.romebert import RomeBert, shared_weights
from elue.plugins.early_exit.voting import Voting
from elue.protocol import Point, Sample, TaskInfo
from tests import small
from tests.tiers import thorough_but

pytestmark = pytest.mark.usefixtures("one_thread")
THREE = TaskInfo("three", "classification", ("a", "b", "c"))
Probabilities = list[list[float]]


def samples(count: int = 200) -> list[Sample]:
    """Texts and pairs of all lengths."""
    draw = random.Random(0)
    words = ["paper", "door", "hill", "rain", "bread", "red", "orange", "blue", "green"]
    made = []
    for place in range(count):
        text = " ".join(draw.choices(words, k=draw.randrange(1, 20)))
        made.append(Sample(str(place), text, " ".join(draw.choices(words, k=3)) if place % 3 == 0 else None))
    return made


SAMPLES = samples()


def share(p: list[float]) -> float:
    return -sum(q * math.log(q) for q in p if q) / math.log(len(p))


def divergence(p: list[float], q: list[float]) -> float:
    means = [(a + b) / 2 for a, b in zip(p, q, strict=True)]
    return sum(a * math.log(a / m) + b * math.log(b / m) for a, b, m in zip(p, q, means, strict=True)) / 2


def energy(logits: list[float]) -> float:
    return 1 / (1 + sum(math.exp(z) for z in logits))


def leave_by(statistic: Callable[[list[float]], float], under: float) -> Callable[..., int]:
    return lambda told, _: next((i for i, p in enumerate(told[:-1], 1) if statistic(p) < under), len(told))


def streak(held: Callable[[list[list[float]], int], bool], length: int) -> Callable[..., int]:
    def exit_of(told: list[list[float]], _: Any) -> int:
        run = 0
        for place in range(len(told) - 1):
            run = run + 1 if held(told, place) else 0
            if run == length:
                return place + 1
        return len(told)

    return exit_of


def votes(threshold: float, exponent: float) -> Callable[..., int]:
    def exit_of(told: list[list[float]], _: Any) -> int:
        for m in range(1, len(told)):
            labels = [p.index(max(p)) for p in told[:m]]
            if max(labels.count(c) for c in set(labels)) / m**exponent >= threshold - 1e-9:
                return m
        return len(told)

    return exit_of


def own(network: Any, states: list[Tensor], layer: int) -> Tensor:
    dense, output = network.heads.dense[str(layer)], network.heads.output[str(layer)]
    return output(torch.tanh(dense(states[layer - 1].mean(1))))


def shared(network: Any, states: list[Tensor], layer: int) -> Tensor:
    return network.heads.output[str(layer)](torch.tanh(network.heads.dense(states[layer - 1].mean(1))))


def attending(network: Any, states: list[Tensor], layer: int) -> Tensor:
    """The whole attention, spelled out, of which the first row is read."""
    part = {name: module[str(layer)] for name, module in network.heads.named_children() if name != "dropout"}
    narrow = torch.tanh(part["down"](states[layer - 1]))
    query, key, value = (part[name](narrow)[0] for name in ("query", "key", "value"))
    half = query.shape[1] // 2
    rows = []
    for head in (slice(0, half), slice(half, None)):
        weights = (query[:, head] @ key[:, head].T / half**0.5).softmax(-1)
        rows.append(weights @ value[:, head])
    first = part["joined"](torch.cat(rows, 1))[:1]
    return part["output"](torch.tanh(part["dense"](first)))


def mixed(network: Any, states: list[Tensor], layer: int) -> Tensor:
    weights = network.heads.mixture[str(layer)]
    unit = weights / weights.square().sum().sqrt()
    pooled = [torch.tanh(network.heads.dense(state.mean(1))) for state in states[:layer]]
    logits = network.heads.output[str(layer)](sum(w * vector for w, vector in zip(unit, pooled, strict=True)))
    return logits / network.tables.named()["temperatures"][network.layers.index(layer)]


def past_and_future(network: Any, states: list[Tensor], layer: int) -> Tensor:
    part = {name: module for name, module in network.heads.named_children() if name != "dropout"}
    pooled = {j: torch.tanh(part["dense"][str(j)](states[j - 1].mean(1))) for j in range(1, layer + 1)}
    past = sum(part["answer"][str(j)](vector) for j, vector in pooled.items())
    gate = torch.sigmoid(part["gate"](torch.tanh(sum(part["weigh"][str(j)](v) for j, v in pooled.items()) / layer)))
    future = torch.zeros_like(past)
    for j in range(layer + 1, len(states) + 1):
        future = future + part["answer"][str(j)](torch.tanh(part["imitate"][str(j)](pooled[layer])))
    return 2 * gate * past + 2 * (1 - gate) * future


def agree(told: list[list[float]], place: int) -> bool:
    return place > 0 and told[place].index(max(told[place])) == told[place - 1].index(max(told[place - 1]))


Rules = list[tuple[Point, Callable[..., int], str]]
PRESETS: list[tuple[Any, Any, dict[str, str], Rules]] = [
    (
        FastBert,
        attending,
        {"student_epochs": "1", "head_width": "8"},
        [({"rule": "normalised_entropy", "threshold": t}, leave_by(share, t), "p") for t in (0.3, 0.6, 0.85)],
    ),
    (
        RomeBert,
        own,
        {},
        [({"rule": "entropy", "threshold": t}, leave_by(share, t / math.log(3)), "p") for t in (0.3, 0.6, 0.9)],
    ),
    (
        PceeBert,
        shared,
        {},
        [
            (
                {"rule": "confident_patience", "threshold": t, "patience": n},
                streak(lambda told, i, t=t: share(told[i]) < t, n),
                "p",
            )
            for t, n in ((0.5, 1), (0.7, 2), (0.9, 3))
        ],
    ),
    (
        FPabee,
        shared,
        {},
        [
            (
                {"rule": "divergence_patience", "threshold": t, "patience": n},
                streak(lambda told, i, t=t: i > 0 and divergence(told[i], told[i - 1]) < t, n),
                "p",
            )
            for t, n in ((0.05, 1), (0.2, 1), (0.3, 2))
        ],
    ),
    (
        Voting,
        own,
        {},
        [
            ({"rule": "votes", "threshold": t, "exponent": e}, votes(t, e), "majority")
            for t, e in ((2, 0), (3, 0), (1.2, 0.5), (0.6, 1))
            if e < 1
        ],
    ),
    (
        Cosee,
        shared,
        {},
        [({"rule": "normalised_energy", "threshold": t}, leave_by(energy, t), "z") for t in (0.1, 0.2, 0.3)],
    ),
    (
        PastFuture,
        past_and_future,
        {},
        [({"rule": "entropy", "threshold": t}, leave_by(share, t / math.log(3)), "p") for t in (0.3, 0.6, 0.9)],
    ),
    (
        GamlBert,
        shared,
        {},
        [({"rule": "patience", "patience": n}, streak(agree, n), "p") for n in (1, 2, 3)],
    ),
    (
        LeeBert,
        shared,
        {},
        [({"rule": "patience", "patience": n}, streak(agree, n), "p") for n in (1, 2, 3)],
    ),
    (
        RightTool,
        mixed,
        {"exits": "1,2,4,5"},
        [({"rule": "confidence", "threshold": t}, leave_by(lambda p: -max(p), -t), "p") for t in (0.5, 0.7, 0.9)],
    ),
]
BY_NAME = {preset[0].name: preset for preset in PRESETS}


@pytest.mark.parametrize("preset", thorough_but(("past_future", "pcee_bert", "righttool", "voting"), BY_NAME))
def test_it_leaves_where_a_plain_implementation_does(preset: Any, tmp_path: Path) -> None:
    kind, logits_of, options, rules = preset
    kind().train(small.job(tmp_path, THREE, train=48, epochs="1", tiny_layers="5", **options))
    model = kind().load(THREE, tmp_path, 0)
    small.stir(model.network, seed=1)
    if kind is RightTool:
        model.network.tables.keep("temperatures", torch.tensor([3.0, 0.7, 2.0, 1.5]))
    exits = set()
    for point, exit_of, told_as in rules:
        model.configure(point)
        for sample, answer in zip(SAMPLES, model.predict(SAMPLES), strict=True):
            ids, segments = model.text.tensors(sample)
            states = model.network.encoder(ids, segments)
            logits = [logits_of(model.network, states, layer)[0] for layer in model.network.layers]
            shares = [exit_logits.softmax(-1).tolist() for exit_logits in logits]
            exit = exit_of(shares if told_as != "z" else [exit_logits.tolist() for exit_logits in logits], None)
            assert sum(step.unit.startswith("ffn") for step in answer.trace) == model.network.layers[exit - 1]
            if told_as == "majority":
                labels = [p.index(max(p)) for p in shares[:exit]]
                mean = [sum(p[c] for p in shares[:exit]) for c in range(3)]
                assert answer.value == max(range(3), key=lambda c: (labels.count(c), mean[c]))
            else:
                assert answer.scores == pytest.approx(shares[exit - 1], abs=1e-4)
            exits.add(exit)
    assert len(exits) > 2


@pytest.mark.parametrize("preset", thorough_but(("righttool",), BY_NAME))
def test_it_learns_and_sweeps_from_its_cheapest_exit_to_full_depth(preset: Any, tmp_path: Path) -> None:
    kind = preset[0]
    slower = (
        {"epochs": "8", "learning_rate": "3e-3"}
        if kind in (FastBert, PastFuture)
        else {"epochs": "4", "learning_rate": "1e-2"}
    )
    kind().train(small.job(tmp_path, train=320, **slower))
    points, note = kind().points(small.CLASSES, tmp_path), read_note(tmp_path)["validation"]
    assert note["exits"][-1] > 90
    assert 2 <= len(points) <= 16
    exits = [noted["exit"] for noted in note["points"]]
    assert exits == sorted(exits)
    assert max(point["score"] for point in note["points"]) > 90
    assert {point["rule"] for point in points} <= set(kind.own_rules)
    assert "class probabilities" in str(kind().supports(small.SCORE))


def test_the_weights_that_all_exits_of_romebert_share() -> None:
    network = small.exit_network(small.CLASSES)
    import re

    inside = {name for name, _ in network.named_parameters() if re.search(shared_weights(4), name)}
    assert len(inside) == 3 * 6
    assert not any("norm" in name or ".3." in name or "bias" in name or "embed" in name for name in inside)


@pytest.mark.parametrize("exits", ["1,2", "1,9", "0,3", "3"])
def test_exits_of_righttool_end_with_the_last_layer(exits: str, tmp_path: Path) -> None:
    with pytest.raises(ElueError, match="exits"):
        RightTool().train(small.job(tmp_path, exits=exits))
