"""RouteLLM: the threshold by hand, against a plain implementation, and what the router learns from."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling import router
from elue.modeling.method import Training
from elue.modeling.router import Router, wins
from elue.modeling.saving import read_note
from elue.modeling.signals import Signals
from elue.plugins.cascade.routellm import RouteLlm
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import cascades
from tests.plugins.scoring_exits import SAMPLES, TEXT, THREE


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("routed")
    RouteLlm().train(small.job(folder, held_out="0.25"))
    return folder


@pytest.mark.parametrize(("score", "strong"), [(0.12, True), (0.11, False)])
def test_the_threshold_by_hand(score: float, strong: bool) -> None:
    """At .116 a score of .12 goes to the strong model."""
    seen = Signals(1, None, torch.tensor([[score]]))
    leaves, _ = RouteLlm().rule({"threshold": 0.116}, small.CLASSES).decide(seen)
    assert leaves[0] == (not strong)


@pytest.mark.parametrize("task", [small.CLASSES, THREE], ids=lambda task: task.name)
def test_answers_as_a_plain_implementation_does(task: TaskInfo) -> None:
    model: Any = cascades.routed(task, TEXT)
    sent = []
    for threshold in (0.0, 0.3, 0.5, 0.7, 1.1):
        model.configure({"threshold": threshold})
        sent.append(0)
        for sample, answer in zip(SAMPLES, model.predict(SAMPLES), strict=True):
            tensors = TEXT.tensors(sample)
            score = 1 / (1 + (-model.network["router"].logits(*tensors)).exp().item())
            name, layers = ("full", 4) if score >= threshold else ("shallow", 2)
            expected = model.network[name].logits(*tensors)[0].softmax(-1)
            assert answer.scores == pytest.approx(expected.tolist(), abs=1e-5)
            assert answer.value == expected.argmax()
            parts = [step.unit.partition(".")[0] for step in answer.trace if ".ffn." in step.unit]
            assert parts == ["router"] + [name] * layers
            sent[-1] += name == "full"
    assert sent == sorted(sent, reverse=True)
    assert (sent[0], sent[-1]) == (len(SAMPLES), 0)
    assert len(set(sent)) == len(sent)


def test_the_router_is_paid_for_beside_the_model_that_runs() -> None:
    model: Any = cascades.routed(small.CLASSES, TEXT)
    sample = SAMPLES[0]
    for threshold, name in ((0.0, "full"), (1.1, "shallow")):
        model.configure({"threshold": threshold})
        with Meter(modules=[model.network]) as whole:
            model.predict([sample])
        with torch.inference_mode(), Meter(modules=[model.network]) as parts:
            for part in ("router", name):
                model.network[part].logits(*TEXT.tensors(sample))
        assert whole.matmul_flops == parts.matmul_flops


def test_only_the_chosen_model_is_shown() -> None:
    model: Any = cascades.routed(small.CLASSES, TEXT)
    model.configure({"threshold": 0.5})
    stages = set()
    for answer, shown in zip(model.predict(SAMPLES), model.explain(SAMPLES), strict=True):
        assert shown.exits == (pytest.approx(answer.scores, abs=1e-4),)
        assert shown.stage == any(step.unit.startswith("full.") for step in answer.trace)
        stages.add(shown.stage)
    assert stages == {0, 1}


def test_the_strong_model_wins_where_it_alone_is_right(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = small.job(tmp_path, train=6)
    labels = [int(example.label) for example in job.train]
    asked = [5, 1, 2, 0]
    right: dict[nn.Module, list[bool]] = {nn.Identity(): [True, False, False, True]}
    right[nn.ReLU()] = [True, True, False, False]

    def told(module: nn.Module, examples: list[Any], text: Any) -> Tensor:
        assert [example.sample.id for example in examples] == [job.train[place].sample.id for place in asked]
        says = [labels[place] if good else 1 - labels[place] for place, good in zip(asked, right[module], strict=True)]
        return torch.eye(2)[says]

    monkeypatch.setattr(router, "batched_logits", told)
    training = Training(job, None, small.encoder(), TEXT)
    assert wins(training, *right, asked) == [0, 1, 0, 0, 0, 0]


def test_the_router_learns_by_cross_entropy() -> None:
    network = Router(small.encoder(), "mean").eval()
    batch = small.batch([4, 7, 3])
    score = network(batch)["scores"]
    loss = network({**batch, "wins": torch.tensor([1.0, 0.0, 1.0])})["loss"]
    expected = -(score[0].log() + (1 - score[1]).log() + score[2].log()) / 3
    assert loss.item() == pytest.approx(expected.item(), abs=1e-6)


def test_the_router_learns_from_what_the_models_did_not_see(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: dict[str, list[int]] = {}
    monkeypatch.setattr(
        "elue.modeling.training.fit", lambda *_, phase, subset, **__: learned.update({phase: list(subset)})
    )
    RouteLlm().train(small.job(tmp_path, train=40))
    assert learned["shallow"] == learned["full"]
    assert sorted(learned["shallow"] + learned["router"]) == list(range(40))
    assert len(learned["router"]) == 8


def test_its_sweep_goes_from_the_small_model_to_the_full_one(out: Path) -> None:
    note = read_note(out)["validation"]
    sent_on = [point["sent_on"] for point in note["points"]]
    assert (sent_on[0], sent_on[-1]) == (0, 1)
    assert all(low < high for low, high in pairwise(sent_on))
    assert (note["points"][0]["score"], note["points"][-1]["score"]) == (note["shallow"], note["full"])
    model: Any = RouteLlm().load(small.CLASSES, out, 0)
    assert [len(model.network[name].encoder.layers) for name in ("router", "shallow", "full")] == [1, 1, 3]
    samples = [example.sample for example in small.examples(40, seed=1)]
    for point, expected in zip(note["points"], sent_on, strict=True):
        model.configure(point["point"])
        answers = model.predict(samples)
        sent = [any(step.unit.startswith("full.") for step in answer.trace) for answer in answers]
        assert sum(sent) / len(sent) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"router_layers": "4"}, "router_layers is 4"),
        ({"held_out": "1"}, "held_out 1"),
        ({"held_out": "0"}, "held_out 0"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, str], says: str, tmp_path: Path) -> None:
    with pytest.raises(ElueError, match=says) as caught:
        RouteLlm().train(small.job(tmp_path, **options))
    assert caught.value.code == "bad_option"


def test_a_regression_is_refused() -> None:
    assert "neither right nor wrong" in str(RouteLlm().supports(small.SCORE))
