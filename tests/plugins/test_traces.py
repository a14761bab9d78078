"""Every baseline: what a trace costs is what runs, and company, order and shared passes change nothing."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from elue.errors import ElueError
from elue.meter import Meter, profile
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.cascade import StagedModel
from elue.modeling.exits.heads import SharedPoolerHeads
from elue.modeling.exits.model import ExitModel
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.scores import LinearScorer
from elue.modeling.experts.model import ExpertsModel
from elue.modeling.heads import EncoderWithHead
from elue.modeling.keeping.thresholds import ScaledPruning
from elue.modeling.text import TextEncoder
from elue.plugins.cascade.cascadebert import CascadeBert, CascadeBertOptions, cascade_of
from elue.plugins.moe.switch import SwitchNetwork, SwitchOptions
from elue.plugins.skimming.ltp import LtpNetwork, LtpOptions
from elue.plugins.static import StaticModel, networks_of
from elue.protocol import Point, Prediction, Sample, TaskInfo
from elue.worker.inside.pricing import Pricer
from tests import small

pytestmark = pytest.mark.usefixtures("one_thread")
THREE = TaskInfo("three", "classification", ("a", "b", "c"))
WORDS = "paper door hill rain bread red orange blue green slow quick".split()  # noqa: SIM905


def texts(count: int, seed: int = 0) -> list[Sample]:
    """Samples of all lengths the encoder takes, with and without a pair."""
    draw = random.Random(seed)
    made = []
    for index in range(count):
        words = draw.choices(WORDS, k=draw.choice([1, 1, 2, 3, 5, 8, 13, 21, 34, 60]))
        pair = " ".join(draw.choices(WORDS, k=4)) if index % 3 == 0 else None
        made.append(Sample(str(index), " ".join(words), pair))
    return made


SAMPLES = texts(60)
TEXT = TextEncoder(learn_wordpiece([" ".join(WORDS)] * 3, 50), 40)


def stirred(network: Any) -> Any:
    """Random weights that part the samples, for inference."""
    return small.stir(network).requires_grad_(False)


def static(task: TaskInfo) -> tuple[Any, list[Point]]:
    networks = {k: stirred(one) for k, one in networks_of(small.encoder(), task, "mean", [1, 3, 4]).items()}
    return StaticModel(networks, TEXT, task), [{"layers": 1}, {"layers": 4}, {"layers": 3}]


def elasticbert(task: TaskInfo) -> tuple[Any, list[Point]]:
    model = ExitModel(stirred(small.exit_network(task)), TEXT, task)
    tolerance = {"tolerance": 0.5} if task.kind == "regression" else {}
    points: list[Point] = [{"rule": "patience", "patience": t, **tolerance} for t in (1, 2, 3)]
    if task.kind == "classification":
        points += [{"rule": "entropy", "threshold": t} for t in (0.0, 0.2, 0.5, 0.9, math.inf)]
    return model, points


def crossings(task: TaskInfo) -> tuple[Any, list[Point]]:
    """Every rule that looks at logits, whatever weights were trained for."""
    points: list[Point] = [{"rule": "fixed", "exit": exit} for exit in (1, 3)]
    if task.kind == "classification":
        points += [{"rule": "votes", "threshold": t, "exponent": e} for t, e in ((2, 0), (1.1, 0.5))]
        points += [{"rule": "mean_probability", "threshold": value} for value in (0.4, 0.6, 0.8)]
        points += [{"rule": "any_of", "of": "entropy+patience", "threshold": 0.3, "patience": 2}]
        points += [{"rule": "confident_patience", "threshold": value, "patience": 2} for value in (0.3, 0.7)]
        points += [{"rule": "divergence_patience", "threshold": value, "patience": 1} for value in (0.05, 0.2)]
        points += [{"rule": name, "threshold": 0.5} for name in ("gap", "normalised_entropy", "normalised_energy")]
        points += [{"rule": "energy", "energy": 1.5}]
    return ExitModel(stirred(small.exit_network(task)), TEXT, task), points


def scored(task: TaskInfo) -> tuple[Any, list[Point]]:
    """A learned score at every exit, and heads after some layers alone."""
    encoder = small.encoder()
    heads = SharedPoolerHeads(encoder.config, task, "mean", layers=(1, 2, 4))
    network = stirred(ExitNetwork(encoder, task, heads, LinearScorer(encoder.config.hidden)))
    points: list[Point] = [{"rule": "score", "threshold": value} for value in (0.0, 0.3, 0.5, 0.8, 1.1)]
    points += [{"rule": "halting", "threshold": value} for value in (0.0, 0.5, 0.8)]
    return ExitModel(network, TEXT, task), points


def ltp(task: TaskInfo) -> tuple[Any, list[Point]]:
    network = LtpNetwork(small.encoder(), task, LtpOptions(threshold=0.05))
    with torch.no_grad():
        network.thresholds[1] = -0.1
    model = ScaledPruning(network.eval().requires_grad_(False), TEXT, task)
    return model, [{"threshold_scale": scale} for scale in (0.0, 0.5, 1.0, 3.0, 100.0)]


def switch(task: TaskInfo) -> tuple[Any, list[Point]]:
    network = stirred(SwitchNetwork(small.encoder(), task, SwitchOptions(experts=3)))
    points: list[Point] = [{"capacity_factor": factor} for factor in (0.0, 0.3, 1.0, 3.0)]
    return ExpertsModel(network, TEXT, task), points


def cascadebert(task: TaskInfo) -> tuple[Any, list[Point]]:
    cascade = stirred(cascade_of(small.encoder(), task, CascadeBertOptions(shallow_layers=1)))
    model = StagedModel(cascade, dict(cascade.items()), TEXT, task, CascadeBert().rule)
    return model, [{"threshold": value} for value in (0.0, 0.5, 0.7, 0.99, 1.0)]


MADE = [
    pytest.param(make, task, id=f"{make.__name__}-{task.kind}")
    for make in (static, elasticbert, crossings, scored, ltp, switch, cascadebert)
    for task in (THREE, small.SCORE)
    if not (make is cascadebert and task.kind == "regression")
]
FEW = ("elasticbert-classification", "ltp-classification", "ltp-regression", "switch-classification")
"""One of each family where every sample runs alone at every point, which is what takes long."""
MANY = [one if one.id in FEW else pytest.param(*one.values, id=one.id, marks=pytest.mark.thorough) for one in MADE]
SWEPT = [one for one in MANY if one.values[0] in (elasticbert, crossings, scored, cascadebert)]
Make = Callable[[TaskInfo], tuple[Any, list[Point]]]


def same(ours: Prediction, theirs: Prediction) -> None:
    assert ours.trace == theirs.trace
    assert ours.value == pytest.approx(theirs.value, abs=1e-4)
    assert ours.scores == pytest.approx(theirs.scores, abs=1e-4)
    if ours.scores:
        assert ours.value == theirs.value


def counted(meter: Meter) -> tuple[int, int, int]:
    assert meter.complete, meter.unknown
    return meter.flops, meter.matmul_flops, meter.params_touched


@pytest.mark.parametrize(("make", "task"), MADE)
def test_the_priced_trace_is_what_runs(make: Make, task: TaskInfo):
    model, points = make(task)
    pricer, totals = Pricer(profile.load("elue-1")), set()
    for point in points:
        model.configure(point)
        for sample in SAMPLES[:20]:
            with Meter(modules=model.modules()) as meter:
                (answer,) = model.predict([sample])
            priced, _ = pricer.price(model, list(model.modules()), answer.trace)
            taken = priced.flops, priced.matmul_flops, priced.params_touched
            assert taken == counted(meter), (point, answer.trace)
            totals.add(meter.flops)
    assert len(totals) > 12


@pytest.mark.parametrize(("make", "task"), MADE)
def test_prices_do_not_depend_on_the_point_in_force(make: Make, task: TaskInfo):
    model, points = make(task)
    model.configure(points[0])
    first = model.predict(SAMPLES[:3])

    def prices() -> list[tuple[int, int, int]]:
        found = []
        for step in {step for answer in first for step in answer.trace}:
            with Meter(modules=[model.network]) as meter:
                model.rehearse(step.unit, step.shape)
            found.append(counted(meter)[:2])
        return sorted(found)

    before = prices()
    for point in points[1:]:
        model.configure(point)
        assert prices() == before


@pytest.mark.parametrize(("make", "task"), MANY)
@pytest.mark.parametrize("budget", [100, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 4096))])
def test_company_and_order_change_nothing(make: Make, task: TaskInfo, budget: int):
    model, points = make(task)
    shuffled = random.Random(budget).sample(SAMPLES, len(SAMPLES))
    traces = set()
    for point in points:
        model.configure(point)
        model.budget = 4096
        alone = {sample.id: model.predict([sample])[0] for sample in SAMPLES}
        model.budget = budget
        for some in (SAMPLES, shuffled, SAMPLES[7:30]):
            for sample, answer in zip(some, model.predict(some), strict=True):
                same(answer, alone[sample.id])
        traces |= {answer.trace for answer in alone.values()}
    assert len(traces) > len(points)


@pytest.mark.parametrize(("make", "task"), SWEPT)
def test_one_pass_over_all_points_answers_as_each_would(make: Make, task: TaskInfo):
    model, points = make(task)
    swept = model.predict_sweep(SAMPLES, points)
    for point, together in zip(points, swept, strict=True):
        model.configure(point)
        for one, other in zip(together, model.predict(SAMPLES), strict=True):
            same(one, other)
    assert len({answer.trace for answers in swept for answer in answers}) > len(points)


@pytest.mark.parametrize(("make", "task"), SWEPT)
def test_the_ladder_has_what_is_answered_on_the_rung_that_is_taken(make: Make, task: TaskInfo):
    model, points = make(task)
    for point in points:
        model.configure(point)
        for answer, rungs in zip(model.predict(SAMPLES), model.ladder(SAMPLES), strict=True):
            assert len(rungs) == len(model.ways)
            (taken,) = [rung for rung in rungs if rung.trace == answer.trace]
            same(answer, taken)


@pytest.mark.parametrize(("make", "task"), SWEPT)
def test_a_survey_is_the_sweep_and_the_ladder_at_its_first_point(make: Make, task: TaskInfo):
    model, points = make(task)
    for first in points:
        asked = [first, *points]
        swept, climbed = model.survey(SAMPLES, asked)
        for together, answers in zip(swept, model.predict_sweep(SAMPLES, asked), strict=True):
            for one, other in zip(together, answers, strict=True):
                same(one, other)
        model.configure(first)
        for rungs, ladder in zip(climbed, model.ladder(SAMPLES), strict=True):
            for one, other in zip(rungs, ladder, strict=True):
                same(one, other)


@pytest.mark.parametrize(("make", "task"), MADE)
def test_explanations_fit_the_answers(make: Make, task: TaskInfo):
    model, points = make(task)
    if not hasattr(model, "explain"):
        pytest.skip("it decides nothing that could be explained")
    model.configure(points[1])
    for sample, answer, shown in zip(SAMPLES, model.predict(SAMPLES), model.explain(SAMPLES), strict=True):
        units = [step.unit for step in answer.trace]
        assert len(shown.tokens) == answer.trace[0].shape[0]
        assert shown.tokens == TEXT.tokens(sample)
        if make is elasticbert:
            assert len(shown.exits) == sum(unit.startswith("exit") for unit in units)
            assert shown.exits[-1] == pytest.approx(answer.scores or (answer.value,), abs=1e-4)
        elif make is cascadebert:
            assert shown.stage == ("full.head" in units)
            assert shown.exits[-1] == pytest.approx(answer.scores, abs=1e-4)
        elif make is ltp:
            assert [len(kept) for kept in shown.kept] == [s.shape[0] for s in answer.trace if s.unit.startswith("ffn")]
            assert all(kept == tuple(sorted(kept)) and kept[0] == 0 for kept in shown.kept)
        elif make is switch:
            for layer, went in shown.experts.items():
                rows = {expert: went.count(expert) for expert in set(went) - {-1}}
                steps = {s.unit: s.shape[0] for s in answer.trace if s.unit.startswith(f"expert.{layer}.")}
                assert steps == {f"expert.{layer}.{expert + 1}": count for expert, count in rows.items()}
            assert set(shown.experts) == {"2", "4"}


def test_a_decision_that_noise_could_turn_is_left_to_the_sample_alone(monkeypatch: pytest.MonkeyPatch):
    """With the threshold at a sample's own entropy, it must leave or stay as it does by itself."""
    model, _ = elasticbert(THREE)
    again: list[int] = []
    run = model.by_itself
    monkeypatch.setattr(model, "by_itself", lambda request, *to: (again.append(request.place), run(request, *to))[1])
    ladder = model.ladder(SAMPLES)
    again.clear()
    for place in range(0, len(SAMPLES), 10):
        scores = ladder[place][0].scores
        for threshold in (-sum(p * math.log(p) for p in scores) * (1 + shift) for shift in (-1e-6, 0, 1e-6)):
            model.configure({"rule": "entropy", "threshold": threshold})
            (alone,) = model.predict([SAMPLES[place]])
            same(model.predict(SAMPLES)[place], alone)
            assert place in again
            again.clear()


def test_an_unknown_unit_is_named():
    model, _ = static(THREE)
    with pytest.raises(ElueError, match=r"attention\.9"):
        model.rehearse("attention.9", (4,))


def test_what_a_static_network_answers_is_what_its_modules_compute():
    network: nn.Module = stirred(EncoderWithHead(small.encoder(), THREE))
    model = StaticModel({"4": network}, TEXT, THREE)  # type: ignore[dict-item]
    for sample, answer in zip(SAMPLES, model.predict(SAMPLES), strict=True):
        expected = network.logits(*TEXT.tensors(sample)).softmax(-1)[0].tolist()
        assert answer.scores == pytest.approx(expected, abs=1e-5)


CHECKS = [
    test_the_priced_trace_is_what_runs,
    test_prices_do_not_depend_on_the_point_in_force,
    test_one_pass_over_all_points_answers_as_each_would,
    test_the_ladder_has_what_is_answered_on_the_rung_that_is_taken,
    test_a_survey_is_the_sweep_and_the_ladder_at_its_first_point,
]
"""What holds of every model with several ways out, for the methods that other modules make."""
