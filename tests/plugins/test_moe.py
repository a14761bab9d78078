"""Methods with experts against plain loops over tokens on random weights; the same alone, among others and priced."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from elue.meter import Meter
from elue.modeling.text import pad_batch
from elue.protocol import Point, Sample, TaskInfo
from tests import small
from tests.modeling.experts.plain import SAMPLES, TEXT, THREE, WORDS
from tests.plugins import plain_moe
from tests.plugins.plain_moe import Pair
from tests.plugins.sweeping import around

pytestmark = pytest.mark.usefixtures("one_thread")


@dataclass(frozen=True)
class Case:
    """A method, its options, points, and its rule in plain Python, from a layer's rows, ids and a point to pairs."""

    method: Any
    plain: Callable[..., list[Pair]]
    points: Sequence[Point]
    options: dict[str, Any] = field(default_factory=dict)


CASES: dict[str, Case] = {name: Case(*case) for name, case in plain_moe.CASES.items()}
QUICK = ("switch", "gshard", "expert_choice", "deepseek_moe")
"""One of each kind; the others have a test of their definition in any case."""
ANY = pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.thorough) for name in CASES]
)
ONE = [Sample("one", WORDS[0])]


def made(name: str) -> tuple[Any, Any]:
    """A network of large random weights, and its model."""
    case = CASES[name]
    method = case.method()
    network = method.network(small.encoder(), THREE, method.options(**case.options))
    small.stir(network).requires_grad_(False)
    plain_moe.prepare(network)
    return network, method.model(network, TEXT, THREE)


@torch.no_grad()
def plainly(network: Any, rule: Callable[..., list[Pair]], point: Point, sample: Sample) -> Tensor:
    """Probabilities of the classes, row by row and expert by expert."""
    ids, segments = TEXT.tensors(sample)
    hidden = network.encoder.embed(ids, segments)
    for number, layer in enumerate(network.encoder.layers, start=1):
        hidden, half = layer.attention(hidden), layer.feed_forward
        if not hasattr(half, "experts"):
            hidden = half(hidden)
            continue
        rows = hidden[0]
        total = [x.clone() for x in rows]
        if half.shared is not None:
            total = [x + half.shared(row) for x, row in zip(total, rows, strict=True)]
        for row, expert, weight in rule(network, number, half, rows, ids[0].tolist(), point):
            total[row] = total[row] + weight * half.experts[expert](rows[row])
        hidden = torch.stack([half.norm(x) for x in total])[None]
    return network.head(hidden)[0].softmax(-1)


@ANY
def test_answers_are_those_of_plain_loops(name: str):
    network, model = made(name)
    for point in CASES[name].points:
        model.configure(point)
        for sample, answer in zip(SAMPLES[:4], model.predict(SAMPLES), strict=False):
            expected = plainly(network, CASES[name].plain, point, sample)
            assert answer.scores == pytest.approx(expected.tolist(), abs=1e-5)


@ANY
def test_a_sample_alone_is_the_sample_among_others_and_costs_what_its_trace_says(name: str):
    _, model = made(name)
    prices: dict[Any, int] = {}
    for point in CASES[name].points:
        model.configure(point)
        some = SAMPLES[:3] + ONE
        for sample, packed in zip(some, model.predict(some), strict=True):
            with Meter(modules=model.modules()) as meter:
                (alone,) = model.predict([sample])
            assert packed.trace == alone.trace
            assert packed.scores == pytest.approx(alone.scores, abs=1e-5)
            for step in alone.trace:
                if (step.unit, step.shape) not in prices:
                    with Meter(modules=model.modules()) as priced:
                        model.rehearse(step.unit, step.shape)
                    prices[step.unit, step.shape] = priced.flops
            assert (meter.complete, meter.flops) == (True, sum(prices[s.unit, s.shape] * s.times for s in alone.trace))


@ANY
@torch.no_grad()
def test_a_padded_batch_answers_as_packs_do(name: str):
    network, model = made(name)
    for point in CASES[name].points:
        model.configure(point)
        outputs = network(pad_batch(TEXT.encode_all(SAMPLES), TEXT.pad))
        for answer, logits in zip(model.predict(SAMPLES), outputs["logits"], strict=True):
            assert answer.scores == pytest.approx(
                logits.softmax(-1).tolist(), abs=1e-4 if name != "dselect_k" else 1e-3
            )


@ANY
def test_points_cost_more_or_less(name: str):
    """The points are given from the cheapest to the costliest."""
    _, model = made(name)
    costs = []
    for point in CASES[name].points:
        model.configure(point)
        rows = [sum(s.shape[-1] for s in a.trace if s.unit.startswith("expert")) for a in model.predict(SAMPLES)]
        costs.append(sum(rows))
    assert costs == sorted(costs)
    assert len(set(costs)) == len(costs)


@ANY
def test_losses_are_finite_and_gradients_reach_routers_and_experts(name: str):
    case = CASES[name]
    method = case.method()
    torch.manual_seed(0)
    network = method.network(small.encoder(), THREE, method.options(**case.options)).train()
    plain_moe.prepare(network)
    batch = pad_batch(TEXT.encode_all(SAMPLES[:8]), TEXT.pad)
    loss = network({**batch, "labels": torch.arange(8) % 3, "step": 0, "total": 10})["loss"]
    loss.backward()
    assert torch.isfinite(loss)
    learning = [n for n, p in network.named_parameters() if p.grad is not None and p.grad.abs().sum() > 0]
    assert [n for n in learning if "experts" in n]
    routers = [n for n, _ in network.named_parameters() if "router" in n]
    assert not routers or [n for n in learning if "router" in n]


@ANY
@torch.no_grad()
def test_no_setting_runs_fewer_or_more_experts_than_the_ends_of_the_sweep(name: str):
    network, _ = made(name)
    method: Any = CASES[name].method()
    batch = pad_batch(TEXT.encode_all(SAMPLES), TEXT.pad)

    def ran(point: Point) -> float:
        network.at(point)
        return float(network(batch)["ran"].sum())

    ends = [{**network.trained, **method.along(network, place)} for place in method.ends(network)]
    shares = [ran(point) for point in ends]
    assert min(shares) < max(shares)
    for point in around(method.knobs, ends, tries=20):
        assert 0.98 * min(shares) - 1e-3 <= ran(point) <= max(shares) + 1e-3, point


@pytest.mark.slow
@pytest.mark.parametrize("task", [small.CLASSES, small.SCORE], ids=["classification", "regression"])
@ANY
def test_trains_saves_loads_and_answers_at_every_point_of_its_sweep(name: str, task: TaskInfo, tmp_path: Path):
    method = CASES[name].method()
    job = small.job(tmp_path, task=task, epochs="2", experts="4")
    method.train(job)
    model, points = method.load(task, tmp_path, seed=0), method.points(task, tmp_path)
    assert points
    assert all(point.keys() <= method.knobs.keys() for point in points)
    for point in points:
        model.configure(point)
        answers = model.predict([example.sample for example in job.validation])
        alone = [model.predict([example.sample])[0] for example in job.validation[:4]]
        assert [a.value for a in answers[:4]] == pytest.approx([a.value for a in alone], abs=1e-4)


@pytest.mark.slow
@ANY
def test_one_token_and_very_many(name: str):
    """At every point the same alone and in company, padded and packed."""
    case = CASES[name]
    method = case.method()
    long = replace(small.CONFIG, positions=520)
    network = method.network(small.encoder(config=long), THREE, method.options(**case.options))
    small.stir(network).requires_grad_(False)
    plain_moe.prepare(network)
    text = type(TEXT)(TEXT.tokenizer, 512)
    model = method.model(network, text, THREE)
    samples = [Sample("long", " ".join(WORDS * 60)), *ONE, *SAMPLES[:2]]
    for point in case.points:
        model.configure(point)
        for sample, answer in zip(samples, model.predict(samples), strict=True):
            (alone,) = model.predict([sample])
            assert alone.trace == answer.trace
            assert alone.scores == pytest.approx(answer.scores, abs=1e-4)
    assert model.predict(samples)[0].trace[0].shape[0] == 512
