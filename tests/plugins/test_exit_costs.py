"""What leaving costs by exit methods and cascades, in closed form: every layer, head, score and decision on the way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch

from elue.meter import Meter
from elue.modeling.cascade import StagedModel
from elue.modeling.rules.registry import CONFORMAL
from elue.plugins.cascade.cascadebert import CascadeBert, CascadeBertOptions, cascade_of
from elue.plugins.early_exit.berxit import Berxit
from elue.plugins.early_exit.cat import Cat
from elue.plugins.early_exit.consistentee import ConsistentEE
from elue.plugins.early_exit.cosee import Cosee
from elue.plugins.early_exit.deebert import DeeBert
from elue.plugins.early_exit.distilled_exits import DistilledExits
from elue.plugins.early_exit.elasticbert import ElasticBert
from elue.plugins.early_exit.f_pabee import FPabee
from elue.plugins.early_exit.fastbert import FastBert
from elue.plugins.early_exit.gaml_bert import GamlBert
from elue.plugins.early_exit.leebert import LeeBert
from elue.plugins.early_exit.pabee import Pabee
from elue.plugins.early_exit.palbert import Palbert
from elue.plugins.early_exit.past_future import PastFuture
from elue.plugins.early_exit.pcee_bert import PceeBert
from elue.plugins.early_exit.righttool import RightTool
from elue.plugins.early_exit.romebert import RomeBert
from elue.plugins.early_exit.voting import Voting
from elue.protocol import Point, Step
from tests import small
from tests.plugins import cascades, costs, scoring_exits
from tests.plugins.scoring_exits import SAMPLES, TEXT, THREE

pytestmark = pytest.mark.usefixtures("one_thread")
H, INNER, HEADS, L, C = 16, 32, 4, 4, 3
Price = Callable[[int, tuple[int, ...]], int]
"""FLOPs by the layer and the shape."""


def own(layer: int, shape: tuple[int, ...]) -> int:
    return shape[0] * H + costs.product(1, H, H) + H


def attending(layer: int, shape: tuple[int, ...], width: int = 8) -> int:
    """Down to a width, keys and values of all tokens, one query, and three maps of its answer."""
    tokens = shape[0]
    maps = costs.product(tokens, H, width) + tokens * width + 2 * costs.product(tokens, width, width)
    return maps + 3 * costs.product(1, width, width) + costs.attended(1, tokens, width, 2) + width


def narrow(layer: int, shape: tuple[int, ...]) -> int:
    return own(layer, shape) if layer == L else shape[0] * H + costs.product(1, H, 32) + 32


def past(layer: int, shape: tuple[int, ...]) -> int:
    return own(layer, shape) + costs.product(1, H, 2 * C) + 2 * C


def linear(width: int) -> Price:
    return lambda layer, shape: costs.product(1, width, C)


def future(layer: int, shape: tuple[int, ...]) -> int:
    """The gate, both shares, and what each layer to come is imagined to say."""
    later = L - layer
    gate = C + C + costs.product(1, C, C) + C + 2 * C
    return gate + (later * (costs.product(1, H, H) + H + costs.product(1, H, C) + C) + 4 * C if later else 0)


def mixed(layer: int, shape: tuple[int, ...]) -> int:
    """Weights over their norm, a root of a sum of squares, and the sum of vectors by them; of one it is no sum."""
    summed = H if layer == 1 else costs.product(1, layer, H)
    return 2 * layer + 1 + layer + summed + costs.product(1, H, C)


def pair(layer: int, shape: tuple[int, ...]) -> int:
    return 3 * (costs.product(1, 2 * H, 2 * H) + 2 * H) + costs.product(1, 2 * H, 1) + 1


def meta(layer: int, shape: tuple[int, ...]) -> int:
    """Probabilities of all exits so far, the best two and what those before gave the best, and a small network."""
    seen = costs.SOFTMAX * layer * C + 3 * C + 1 + 2 * (layer - 1) * C
    return seen + costs.product(1, C + 32 + 2 + L - 2 + 1, 32) + 32 + costs.product(1, 32, 2) + 2 * costs.SOFTMAX


def policy(layer: int, shape: tuple[int, ...]) -> int:
    return costs.product(1, H, 32) + 32 + costs.product(1, 32, 1) + 1


def apart() -> int:
    """Divergence of two distributions: both by log-softmax, how far apart classes are, and what that adds up to."""
    away, terms, mean = 4, 9, 2 * costs.EXPONENTIAL + 1
    return (2 * costs.SOFTMAX + away + terms + mean + 2) * C + 1


DECISIONS: dict[str, Callable[[int], int]] = {
    "entropy": lambda ways: costs.by_entropy(C),
    "normalised_entropy": lambda ways: costs.by_entropy(C) + 1,
    "confidence": lambda ways: (costs.SOFTMAX + 1) * C + 1 + costs.DECISION,
    "normalised_energy": lambda ways: costs.SOFTMAX * C + 1 + 2,
    "energy": lambda ways: costs.SOFTMAX * C + 1 + 2,
    "patience": lambda ways: ways * C + 4 * ways + 3,
    "confident_patience": lambda ways: ways * (costs.by_entropy(C) + 1) + 1,
    "divergence_patience": lambda ways: (ways - 1) * (apart() + 6) + 1,
    "votes": lambda ways: 4 * ways * C + C + 2 * ways + 4,
    "votes.answer": lambda ways: 9 * ways * C + 3 * C,
    "mean_probability": lambda ways: 6 * ways * C + C + 1 + costs.DECISION,
    "mean_probability.answer": lambda ways: 6 * ways * C + C,
    "score": lambda ways: 2 + costs.DECISION,
    "conformal": lambda ways: 2 + costs.DECISION,
    "halting": lambda ways: ways + costs.DECISION,
}
"""FLOPs of rules by how many ways out they look at."""


def price_of(step: Step, parts: dict[str, Price]) -> int:
    """What a step costs, by the kind of its unit."""
    kind, _, layer = (
        step.unit.split(".", 1)[-1].partition(".") if step.unit.count(".") > 1 else step.unit.partition(".")
    )
    tokens = step.shape[0]
    if step.unit in DECISIONS:
        return DECISIONS[step.unit](step.shape[0])
    if kind == "embed" or step.unit.endswith(".embed"):
        return costs.embedded(tokens, H)
    if kind == "attention":
        return 3 * costs.product(tokens, H, H) + costs.attended(tokens, tokens, H, HEADS) + costs.merged(tokens, H)
    if kind == "ffn":
        return costs.fed_forward(tokens, H, INNER)
    if step.unit == "router.score":
        return costs.headed(tokens, H, 1) + 1
    if step.unit == "scorer.text":
        return costs.pooled(tokens, H)
    if layer == "head":
        return costs.headed(tokens, H, C)
    return costs.answered(C) if kind == "answer" else parts[kind](int(layer), step.shape)


def at(rule: str, knob: str, *values: float, **more: Any) -> list[Point]:
    return [{"rule": rule, knob: value, **more} for value in values]


POOLER: dict[str, Price] = {"pool": own, "exit": linear(H)}
NUMBERS = (0.2, 0.5, 0.8)
METHODS: dict[str, tuple[Any, dict[str, Any], dict[str, Price], Sequence[Point]]] = {
    "elasticbert": (
        ElasticBert,
        {},
        POOLER,
        [*at("entropy", "threshold", *NUMBERS), *at("patience", "patience", 1, 2)],
    ),
    "distilled_exits": (
        DistilledExits,
        {"kept_layers": 3},
        POOLER,
        [*at("entropy", "threshold", *NUMBERS), *at("patience", "patience", 1, 2)],
    ),
    "deebert": (DeeBert, {}, POOLER, at("entropy", "threshold", *NUMBERS)),
    "romebert": (RomeBert, {}, POOLER, at("entropy", "threshold", *NUMBERS)),
    "fastbert": (
        FastBert,
        {"head_width": 8},
        {"pool": attending, "exit": linear(8)},
        at("normalised_entropy", "threshold", *NUMBERS),
    ),
    "righttool": (
        RightTool,
        {"exits": (1, 2, 4)},
        {"pool": own, "exit": mixed},
        at("confidence", "threshold", 0.5, 0.8, 0.95),
    ),
    "pabee": (Pabee, {}, POOLER, at("patience", "patience", 1, 2, 3)),
    "gaml_bert": (GamlBert, {}, POOLER, at("patience", "patience", 1, 2, 3)),
    "leebert": (LeeBert, {}, POOLER, at("patience", "patience", 1, 2, 3)),
    "pcee_bert": (PceeBert, {}, POOLER, at("confident_patience", "threshold", *NUMBERS, patience=2)),
    "f_pabee": (FPabee, {}, POOLER, at("divergence_patience", "threshold", 0.05, 0.2, 0.4, patience=1)),
    "voting": (
        Voting,
        {},
        POOLER,
        [*at("votes", "threshold", 2, 3, exponent=0), *at("votes", "threshold", 1.2, exponent=0.5)],
    ),
    "cosee": (Cosee, {}, POOLER, at("normalised_energy", "threshold", 0.1, 0.2, 0.4)),
    "past_future": (PastFuture, {}, {"pool": past, "exit": future}, at("entropy", "threshold", *NUMBERS)),
    "berxit": (
        Berxit,
        {},
        POOLER | {"score": lambda *_: costs.product(1, H, 1) + 1},
        at("score", "threshold", *NUMBERS),
    ),
    "palbert": (Palbert, {}, POOLER | {"score": pair}, at("halting", "threshold", *NUMBERS)),
    "consistentee": (ConsistentEE, {}, POOLER | {"score": policy}, at("score", "threshold", 0.0, 0.01, 0.1, 1.1)),
    "cat": (
        Cat,
        {},
        {"pool": narrow, "exit": lambda layer, _: costs.product(1, H if layer == L else 32, C), "score": meta},
        [*at("conformal", "risk", 0.3, 0.6), *at("score", "threshold", *NUMBERS)],
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_what_a_sample_costs_by_exits(name: str) -> None:
    kind, options, parts, points = METHODS[name]
    tables = {CONFORMAL: torch.linspace(0.05, 0.95, 9)} if kind is Cat else {}
    costs_as_told(scoring_exits.made(kind(), THREE, tables, **options), parts, points, 2)


def cascadebert() -> StagedModel:
    cascade = cascades.stirred(cascade_of(small.encoder(), THREE, CascadeBertOptions(shallow_layers=1)))
    return StagedModel(cascade, dict(cascade.items()), TEXT, THREE, CascadeBert().rule)


def scorer(layer: int, shape: tuple[int, ...]) -> int:
    """Probabilities of the model's answer, and two maps of them beside the text, with tanh and a sigmoid."""
    return costs.SOFTMAX * C + costs.product(1, H + C, H) + H + costs.product(1, H, 1) + 1


@pytest.mark.parametrize(
    ("make", "knob", "values"),
    [
        (cascadebert, "threshold", (0.5, 0.6, 0.8)),
        (lambda: cascades.committee(THREE, TEXT), "threshold", (0.5, 0.6, 0.8)),
        (lambda: cascades.elang(THREE, TEXT), "energy", (0.5, 1.0, 1.5)),
        (lambda: cascades.routed(THREE, TEXT), "threshold", (0.3, 0.5, 0.7)),
    ],
    ids=["cascadebert", "committees", "elang", "routellm"],
)
def test_what_a_sample_costs_by_cascades(make: Callable[[], Any], knob: str, values: Sequence[float]) -> None:
    costs_as_told(make(), {}, [{knob: value} for value in values], 2)


def test_what_a_sample_costs_by_a_scored_chain() -> None:
    cuts = [(1.1, 0.0), (0.0, 1.1), (0.0, 0.0), (0.5, 0.97), (0.3, 0.9)]
    points: list[Point] = [{"threshold_1": one, "threshold_2": other} for one, other in cuts]
    costs_as_told(cascades.chained(THREE, TEXT), {"score": scorer}, points, 3)


def costs_as_told(model: Any, parts: dict[str, Price], points: Sequence[Point], least: int) -> None:
    """Each sample's FLOPs, alone, are the sum of its steps', and samples leave by several ways."""
    ways = set()
    for point in points:
        model.configure(point)
        for sample in SAMPLES[:12]:
            with Meter(modules=model.modules()) as meter:
                (answer,) = model.predict([sample])
            told = {step: price_of(step, parts) * step.times for step in answer.trace}
            assert meter.flops == sum(told[step] for step in answer.trace), told
            ways.add(len(answer.trace))
    assert len(ways) >= least
