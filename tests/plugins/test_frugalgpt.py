"""FrugalGPT: thresholds by hand, against a plain implementation, what is paid, and what the scorer learns from."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.ladder import simulate
from elue.modeling.saving import read_note
from elue.modeling.signals import Signals
from elue.plugins.cascade.frugalgpt import FrugalGpt
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import cascades
from tests.plugins.scoring_exits import SAMPLES, TEXT, THREE

CUTS = [(1.1, 0.0), (0.0, 1.1), (0.0, 0.0), (0.5, 0.97), (0.3, 0.9), (0.01, 0.95), (0.7, 0.99)]


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("chained")
    FrugalGpt().train(small.job(folder, held_out="0.25", epochs="3"))
    return folder


@pytest.mark.parametrize(("right", "delta", "kept"), [(0.8, 0.3, True), (0.7, 0.3, False), (0.5, 0.6, True)])
def test_a_threshold_by_hand(right: float, delta: float, kept: bool) -> None:
    """An answer stands where its chance to be right is above 1 - δ: .8 is above .7."""
    seen = Signals(1, None, torch.tensor([[1 - right]]).double())
    leaves, _ = FrugalGpt().rule({"threshold_1": delta, "threshold_2": 0.0}, small.CLASSES).decide(seen)
    assert leaves[0] == kept


def test_each_model_has_a_threshold_of_its_own() -> None:
    logits = torch.zeros(4, 3, 2)
    scores = torch.tensor([[0.2, 0.9, 0], [0.5, 0.5, 0], [0.5, 0.1, 0], [0.29, 0.1, 0]])
    rule = FrugalGpt().rule({"threshold_1": 0.3, "threshold_2": 0.4}, small.CLASSES)
    assert simulate(Signals.whole(logits, scores), rule).tolist() == [1, 3, 2, 1]


@pytest.mark.parametrize("task", [small.CLASSES, THREE], ids=lambda task: task.name)
def test_answers_as_a_plain_implementation_does(task: TaskInfo) -> None:
    model: Any = cascades.chained(task, TEXT)
    scorer, *models = model.network.values()
    asked_at = []
    for cuts in CUTS:
        model.configure({"threshold_1": cuts[0], "threshold_2": cuts[1]})
        asked_at.append([])
        for sample, answer in zip(SAMPLES, model.predict(SAMPLES), strict=True):
            tensors = TEXT.tensors(sample)
            text = scorer.encoder(*tensors)[-1][0].mean(0)
            for number, one in enumerate(models, start=1):
                says = one.logits(*tensors)[0].softmax(-1)
                if number == len(models):
                    break
                inner = torch.tanh(scorer.dense[str(number)](torch.cat([text, says])))
                if torch.sigmoid(scorer.output[str(number)](inner)).item() < cuts[number - 1]:
                    break
            assert answer.scores == pytest.approx(says.tolist(), abs=1e-5)
            assert answer.value == says.argmax()
            units = [step.unit for step in answer.trace]
            assert [unit for unit in units if unit.endswith(".head")] == [f"depth-{k}.head" for k in (1, 2, 4)[:number]]
            assert units.count("scorer.attention.1") == 1
            assert sum(unit.startswith("score.") for unit in units) == min(number, 2)
            asked_at[-1].append(number)
    assert [set(numbers) for numbers in asked_at[:3]] == [{1}, {2}, {3}]
    assert all(len(set(numbers)) > 1 for numbers in asked_at[3:])
    assert any(set(numbers) == {1, 2, 3} for numbers in asked_at[3:])


@pytest.mark.parametrize("sample", [SAMPLES[0], SAMPLES[1]], ids=["pair", "text"])
def test_all_models_asked_and_the_scorer_are_paid_for_in_closed_form(sample: Any) -> None:
    """Of H = 16, I = 32, C = 3: 8nH² + 4n²H + 4nHI a layer, 2H² + 2HC a head, 2(H + C)H + 2H a score."""
    model: Any = cascades.chained(THREE, TEXT)
    n = TEXT.tensors(sample)[0].shape[1]
    layer = 8 * n * 16 * 16 + 4 * n * n * 16 + 4 * n * 16 * 32
    head, score = 2 * 16 * 16 + 2 * 16 * 3, 2 * (16 + 3) * 16 + 2 * 16
    for cuts, layers, heads, scores in (((1.1, 0.0), 1, 1, 1), ((0.0, 1.1), 3, 2, 2), ((0.0, 0.0), 7, 3, 2)):
        model.configure({"threshold_1": cuts[0], "threshold_2": cuts[1]})
        with Meter(modules=[model.network]) as meter:
            model.predict([sample])
        assert meter.matmul_flops == (1 + layers) * layer + heads * head + scores * score


def test_models_and_scorer_learn_apart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    learned: dict[str, list[int]] = {}
    monkeypatch.setattr(
        "elue.modeling.training.fit", lambda *_, phase, subset, **__: learned.update({phase: list(subset)})
    )
    FrugalGpt().train(small.job(tmp_path, train=40, depths="1,3"))
    assert learned["depth-1"] == learned["depth-3"]
    assert sorted(learned["depth-1"] + learned["scorer"]) == list(range(40))
    assert len(learned["scorer"]) == 8


def test_its_sweep_goes_from_the_first_model_to_all(out: Path) -> None:
    note = read_note(out)["validation"]
    sent_on = [point["sent_on"] for point in note["points"]]
    assert (sent_on[0], sent_on[-1]) == (0, 1), "a backbone of three layers has a quarter and a half of one layer each"
    assert all(low < high for low, high in pairwise(sent_on))
    assert (note["points"][0]["score"], note["points"][-1]["score"]) == (note["depth-1"], note["depth-3"])
    model: Any = FrugalGpt().load(small.CLASSES, out, 0)
    samples = [example.sample for example in small.examples(40, seed=1)]
    for point, expected in zip(note["points"], sent_on, strict=True):
        model.configure(point["point"])
        sent = [any(step.unit == "depth-3.head" for step in answer.trace) for answer in model.predict(samples)]
        assert sum(sent) / len(sent) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"scorer_layers": "4"}, "scorer_layers is 4"),
        ({"held_out": "1"}, "held_out 1 leaves nothing to the scorer"),
        ({"depths": "2"}, "is no chain"),
        ({"depths": "1,7"}, "Depth 7 was asked for"),
        ({"depths": "1,2,3,4,5", "tiny_layers": "5"}, "chain of 5 models"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, str], says: str, tmp_path: Path) -> None:
    with pytest.raises(ElueError, match=says) as caught:
        FrugalGpt().train(small.job(tmp_path, **options))
    assert caught.value.code == "bad_option"


@pytest.mark.parametrize(
    "point",
    [{"threshold_1": 0.5}, {"threshold_2": 0.5}, {"threshold_1": 0.5, "threshold_2": 0.5, "threshold_3": 0.5}],
    ids=str,
)
def test_points_with_too_few_or_too_many_thresholds_are_refused(point: Any) -> None:
    with pytest.raises(ElueError) as caught:
        cascades.chained(THREE, TEXT).configure(point)
    assert caught.value.code == "bad_point"


def test_a_regression_is_refused() -> None:
    assert "neither right nor wrong" in str(FrugalGpt().supports(small.SCORE))
