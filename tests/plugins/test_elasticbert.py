"""ElasticBERT's rules by hand and against plain re-implementations; layers after the exit really don't run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from elue.errors import ElueError
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.exits.model import ExitModel
from elue.modeling.ladder import simulate
from elue.modeling.rules.agreement import patience as patience_rule
from elue.modeling.rules.registry import Ladder
from elue.modeling.saving import read_note
from elue.modeling.signals import Signals
from elue.modeling.text import TextEncoder
from elue.plugins.early_exit.elasticbert import ElasticBert, ElasticBertOptions
from elue.protocol import Sample, TaskInfo
from tests import small

THREE = TaskInfo("three", "classification", ("a", "b", "c"))
SAMPLES = [example.sample for example in small.examples(40)]


def build(task: TaskInfo = THREE, seed: int = 0) -> ExitModel:
    text = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 50), 40)
    network = small.stir(small.exit_network(task), seed)
    return ExitModel(network.requires_grad_(False), text, task)


def all_logits(model: ExitModel, sample: Sample) -> list[list[float]]:
    """The logits of all exits, computed without leaving."""
    ids, _ = model.text.tensors(sample)
    states = model.network.encoder(ids)
    heads, told = model.network.heads, []
    for layer, state in enumerate(states, 1):
        feature = heads.feature(layer, heads.gather(layer, state, None))
        told.append(heads.classify(layer, feature, None)[0].tolist())
    return told


def plain_entropy_exit(logits: Sequence[Sequence[float]], threshold: float) -> int:
    for layer, one in enumerate(logits, 1):
        total = sum(math.exp(value) for value in one)
        shares = [math.exp(value) / total for value in one]
        if -sum(share * math.log(share) for share in shares if share) < threshold:
            return layer
    return len(logits)


def plain_patience_exit(answers: Sequence[float], patience: int, tolerance: float) -> int:
    for layer in range(patience + 1, len(answers) + 1):
        recent = answers[layer - patience - 1 : layer]
        if all(abs(one - other) < tolerance for one, other in pairwise(recent)):
            return layer
    return len(answers)


def layers_run(model: ExitModel) -> Counter[int]:
    """Counts, as the model runs, how many tokens each layer and (negative) how many samples each head saw."""
    ran: Counter[int] = Counter()
    for index, layer in enumerate(model.network.encoder.layers, 1):
        watch(layer.attention.query, index, ran)
        watch(model.network.heads.dense[str(index)], -index, ran)
    return ran


def watch(module: torch.nn.Module, key: int, ran: Counter[int]) -> None:
    module.register_forward_pre_hook(lambda _, args: ran.update({key: args[0].shape[0]}))


@pytest.mark.parametrize(("threshold", "seed"), [(0.2, 0), (0.4, 0), (0.6, 0), (0.9, 2), (1.05, 2)])
def test_entropy_leaves_where_a_plain_implementation_does(threshold: float, seed: int):
    model = build(seed=seed)
    ran = layers_run(model)
    model.configure({"rule": "entropy", "threshold": threshold})
    depths = set()
    for sample in SAMPLES:
        ran.clear()
        (answer,) = model.predict([sample])
        depth = max(ran)
        logits = all_logits(model, sample)
        assert depth == plain_entropy_exit(logits, threshold)
        assert answer.value == max(range(3), key=logits[depth - 1].__getitem__)
        depths.add(depth)
    assert len(depths) > 1


@pytest.mark.parametrize("patience", [1, 2, 3])
def test_patience_leaves_where_a_plain_implementation_does(patience: int):
    model = build()
    ran = layers_run(model)
    model.configure({"rule": "patience", "patience": patience})
    for sample in SAMPLES:
        ran.clear()
        model.predict([sample])
        depth = max(ran)
        answers = [one.index(max(one)) for one in all_logits(model, sample)]
        assert depth == plain_patience_exit(answers, patience, 0.5)


@pytest.mark.parametrize("tolerance", [0.05, 0.3, 2.0])
def test_patience_on_a_regression_compares_numbers(tolerance: float):
    model = build(small.SCORE)
    ran = layers_run(model)
    model.configure({"rule": "patience", "patience": 1, "tolerance": tolerance})
    for sample in SAMPLES:
        ran.clear()
        model.predict([sample])
        depth = max(ran)
        assert depth == plain_patience_exit([one[0] for one in all_logits(model, sample)], 1, tolerance)


@pytest.mark.parametrize(
    ("answers", "patience", "layer"),
    [
        ([0, 0, 1, 1, 1, 0], 1, 2),
        ([0, 0, 1, 1, 1, 0], 2, 5),
        ([0, 0, 1, 1, 1, 0], 3, 6),
        ([0, 1, 0, 1, 0, 1], 1, 6),
        ([1, 1, 1, 1, 1, 1], 4, 5),
    ],
)
def test_patience_by_hand(answers: list[int], patience: int, layer: int):
    logits = torch.nn.functional.one_hot(torch.tensor([answers]), 2).float()
    assert simulate(Signals.whole(logits), patience_rule(patience)).tolist() == [layer]


@pytest.mark.parametrize(("threshold", "depth"), [(0.0, 4), (math.inf, 1)])
def test_threshold_0_never_leaves_and_infinity_at_once(threshold: float, depth: int):
    model = build()
    ran = layers_run(model)
    model.configure({"rule": "entropy", "threshold": threshold})
    model.predict(SAMPLES)
    tokens = sum(len(one.ids) for one in model.text.encode_all(SAMPLES))
    assert ran == {
        sign * index: tokens if sign > 0 else len(SAMPLES) for index in range(1, depth + 1) for sign in (1, -1)
    }


def test_compute_falls_as_the_threshold_rises():
    model, total = build(), []
    ran = layers_run(model)
    tokens = sum(len(one.ids) for one in model.text.encode_all(SAMPLES))
    for threshold in (0.0, 0.2, 0.5, 0.8, 1.05, math.inf):
        ran.clear()
        model.configure({"rule": "entropy", "threshold": threshold})
        model.predict(SAMPLES)
        total.append(sum(ran.values()))
    assert total == sorted(total, reverse=True)
    assert total[0] == 4 * (tokens + len(SAMPLES))
    assert total[-1] == tokens + len(SAMPLES)


def test_until_a_point_is_set_all_layers_and_the_last_head_alone_run():
    model = build()
    ran = layers_run(model)
    model.predict(SAMPLES[:1])
    (tokens,) = {count for layer, count in ran.items() if layer > 0}
    assert ran == {1: tokens, 2: tokens, 3: tokens, 4: tokens, -4: 1}


def test_entropy_is_refused_on_a_regression_and_not_in_its_sweep():
    with pytest.raises(ElueError, match="entropy rule needs class probabilities") as caught:
        build(small.SCORE).configure({"rule": "entropy", "threshold": 0.3})
    assert caught.value.code == "bad_point"
    seen = Signals.whole(torch.randn(30, 4, 1))
    points = ElasticBert().default_points(seen, Ladder(small.SCORE, 4), ElasticBertOptions())
    assert points[0] == {"rule": "fixed", "exit": 1}
    assert {point["rule"] for point in points[1:]} == {"patience"}
    assert all(point["tolerance"] > 0 for point in points[1:])
    assert ElasticBert().supports(small.SCORE) is None


@pytest.mark.parametrize("point", [{}, {"rule": "entropi"}, {"rule": "entropy"}, {"rule": "patience", "threshold": 1}])
def test_a_point_without_rule_or_knob_is_refused(point: dict):
    with pytest.raises(ElueError) as caught:
        build().configure(point)
    assert caught.value.code == "bad_point"


def test_exits_can_have_a_learning_rate_of_their_own(tmp_path: Path):
    """At a rate of 0 the encoder stays as it began, whatever the exits do, and the other way round."""
    rates = {"still": ("0", None), "heads": ("0", "1e-2"), "encoder": ("1e-2", "0")}
    weights = {}
    for name, (encoder, heads) in rates.items():
        own = {} if heads is None else {"head_learning_rate": heads}
        ElasticBert().train(small.job(tmp_path / name, epochs="1", learning_rate=encoder, **own))
        weights[name] = load_file(tmp_path / name / "model.safetensors")
    for name in ("heads", "encoder"):
        moved = {key.split(".")[0] for key, value in weights[name].items() if not value.equal(weights["still"][key])}
        assert moved == {name}


@pytest.mark.parametrize("task", [small.CLASSES, small.SCORE], ids=["classification", "regression"])
def test_training_leaves_a_model_and_its_sweep(tmp_path: Path, task: TaskInfo):
    job = small.job(tmp_path, task, train=320, thresholds="3", epochs="2", learning_rate="1e-2")
    ElasticBert().train(job)
    points = ElasticBert().points(task, tmp_path)
    model = ElasticBert().load(task, tmp_path, 0)
    note = read_note(tmp_path)["validation"]
    assert len(note["exits"]) == 3
    assert [one["point"] for one in note["points"]] == points
    if task is small.CLASSES:
        assert {"rule": "entropy", "threshold": 0.0} in points
        assert points[0] == {"rule": "entropy", "threshold": 0.7}
    assert {noted["exit"] for noted in note["points"]} >= {1.0, 3.0}
    for point, noted in zip(points, note["points"], strict=True):
        model.configure(point)
        answers = model.predict([example.sample for example in job.validation])
        layers = [sum(step.unit.startswith("ffn") for step in answer.trace) for answer in answers]
        assert sum(layers) / len(layers) == pytest.approx(noted["exit"])
        if task is small.CLASSES:
            right = [answer.value == one.label for answer, one in zip(answers, job.validation, strict=True)]
            assert 100 * sum(right) / len(right) == pytest.approx(noted["score"])
    if task is small.CLASSES:
        assert note["exits"][-1] > 90
