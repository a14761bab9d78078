"""Committees: the mean by hand, against a plain implementation, and members that `static` trained."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch

from elue.errors import ElueError
from elue.modeling.saving import read_note
from elue.modeling.signals import Signals
from elue.plugins.cascade.committees import Committees
from elue.plugins.static import Static
from elue.protocol import Prediction
from tests import small
from tests.plugins import cascades
from tests.plugins.scoring_exits import SAMPLES, TEXT, THREE


@pytest.fixture(scope="module")
def static(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("static")
    Static().train(small.job(folder))
    return folder


def taken(answer: Prediction) -> int:
    """How many members were asked."""
    return sum(step.unit.endswith(".head") for step in answer.trace)


@pytest.mark.parametrize(
    ("said", "threshold", "member", "mean"),
    [
        ([(0.6, 0.4), (0.9, 0.1), (0.5, 0.5)], 0.7, 2, (0.75, 0.25)),
        ([(0.55, 0.45), (0.2, 0.8)], 0.7, 2, (0.375, 0.625)),
        ([(0.55, 0.45), (0.2, 0.8)], 0.0, 1, (0.55, 0.45)),
    ],
)
def test_the_mean_by_hand(
    said: list[tuple[float, float]], threshold: float, member: int, mean: tuple[float, float]
) -> None:
    seen, rule = Signals.whole(torch.tensor([said]).log()), Committees().rule({"threshold": threshold}, small.CLASSES)
    asked = [number for number in range(1, len(said)) if rule.decide(seen.up_to(number))[0][0]]
    assert (asked[0] if asked else len(said)) == member
    assert rule.answers is not None
    assert rule.answers(seen.of_logits()[:, :member]).softmax(-1)[0].tolist() == pytest.approx(mean)


@pytest.mark.parametrize("task", [small.CLASSES, THREE], ids=lambda task: task.name)
def test_answers_as_a_plain_implementation_does(task: Any) -> None:
    model: Any = cascades.committee(task, TEXT)
    said = [
        [member.logits(*TEXT.tensors(sample))[0].softmax(-1) for member in model.network.values()] for sample in SAMPLES
    ]
    ways = set()
    for threshold in (0.0, 0.45, 0.55, 0.65, 0.75, 0.9, 1.0):
        model.configure({"threshold": threshold})
        for own, answer in zip(said, model.predict(SAMPLES), strict=True):
            asked, total = 0, torch.zeros(task.outputs)
            for probabilities in own:
                asked, total = asked + 1, total + probabilities
                if (total / asked).max() > threshold:
                    break
            assert taken(answer) == asked
            assert answer.scores == pytest.approx((total / asked).tolist(), abs=1e-5)
            assert answer.value == (total / asked).argmax()
            ways.add((threshold, asked))
    assert {asked for threshold, asked in ways if threshold == 0.0} == {1}
    assert {asked for threshold, asked in ways if threshold == 1.0} == {3}
    assert {asked for threshold, asked in ways if threshold == 0.65} == {1, 2, 3}


def test_all_layers_of_the_members_asked_run() -> None:
    model = cascades.committee(small.CLASSES, TEXT)
    model.configure({"threshold": 0.65})
    for answer in model.predict(SAMPLES):
        layers = sum(".ffn." in step.unit for step in answer.trace)
        assert layers == {1: 1, 2: 1 + 2, 3: 1 + 2 + 4}[taken(answer)]


def test_what_each_member_says_is_shown() -> None:
    model: Any = cascades.committee(small.CLASSES, TEXT)
    model.configure({"threshold": 0.65})
    for sample, answer, shown in zip(SAMPLES, model.predict(SAMPLES), model.explain(SAMPLES), strict=True):
        members = list(model.network.values())[: taken(answer)]
        said = [member.logits(*TEXT.tensors(sample))[0].softmax(-1).tolist() for member in members]
        assert shown.stage == len(said) - 1
        assert shown.exits == tuple(pytest.approx(own, abs=1e-4) for own in said)


def test_members_taken_from_static_are_those_that_training_makes(static: Path, tmp_path: Path) -> None:
    Committees().train(small.job(tmp_path / "made", depths="1,3"))
    job = small.job(tmp_path / "taken", depths="1,3", trained=str(static), **dict.fromkeys(small.OPTIONS))
    Committees().train(job)
    made, reused = (Committees().load(small.CLASSES, tmp_path / name, 0).network for name in ("made", "taken"))
    networks = Static().load(small.CLASSES, static, 0).networks
    assert list(reused) == ["1", "3"]
    for depth, member in reused.items():
        for other in (made[depth], networks[depth]):
            assert all(torch.equal(one, two) for one, two in zip(member.parameters(), other.parameters(), strict=True))
    notes = [read_note(tmp_path / name) for name in ("made", "taken")]
    digest = notes[1]["options"].pop("trained")
    assert len(digest) == 64
    assert notes[0]["options"].pop("trained") == ""
    assert notes[0] == notes[1]
    assert not (tmp_path / "taken" / "checkpoints").exists()


def test_the_sweep_goes_from_the_first_member_to_all(static: Path, tmp_path: Path) -> None:
    job = small.job(tmp_path, trained=str(static), depths="1,2,3", **dict.fromkeys(small.OPTIONS))
    Committees().train(job)
    note = read_note(tmp_path)["validation"]
    sent_on = [one["sent_on"] for one in note["points"]]
    assert (sent_on[0], sent_on[-1]) == (0, 2)
    assert all(low < high for low, high in pairwise(sent_on))
    assert note["points"][0]["score"] == note["depth-1"]
    assert [one["point"] for one in note["points"]] == Committees().points(small.CLASSES, tmp_path)


@pytest.mark.parametrize(
    ("given", "seed", "says"),
    [
        ({"depths": "1,7"}, 0, "Depth 7 was asked for"),
        ({"depths": "2"}, 0, "no committee"),
        ({"epochs": "1"}, 0, "'epochs' does nothing"),
        ({}, 1, "its seed is 0, not 1"),
        ({"train": 90}, 0, "number of training samples is 96, not 90"),
    ],
)
def test_members_that_would_be_told_wrongly_are_refused(
    given: dict[str, Any], seed: int, says: str, static: Path, tmp_path: Path
) -> None:
    job = small.job(tmp_path, **{**dict.fromkeys(small.OPTIONS), "trained": str(static), **given})
    with pytest.raises(ElueError) as caught:
        Committees().train(replace(job, seed=seed))
    assert says in str(caught.value)


def test_a_tokenizer_of_other_texts_is_told_from_ours(static: Path, tmp_path: Path) -> None:
    """Its vocabulary is as large, so that the encoder of the backbone is the same."""
    job = small.job(tmp_path, trained=str(static), **dict.fromkeys(small.OPTIONS))
    turned = str.maketrans("abcdefghijklmnopqrstuvwxyz", "bcdefghijklmnopqrstuvwxyza")
    other = [replace(one, sample=replace(one.sample, text=one.sample.text.translate(turned))) for one in job.train]
    with pytest.raises(ElueError, match="tokenizer's digest is") as caught:
        Committees().train(replace(job, train=other))
    assert caught.value.code == "foreign_weights"


def test_a_depth_that_was_not_trained_is_refused(tmp_path: Path) -> None:
    Static().train(small.job(tmp_path / "static", depths="1,3", epochs="1"))
    job = small.job(tmp_path / "out", trained=str(tmp_path / "static"), depths="1,2", **dict.fromkeys(small.OPTIONS))
    with pytest.raises(ElueError, match="no depth 2"):
        Committees().train(job)


def test_folders_without_networks_of_static_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ElueError) as caught:
        Committees().train(small.job(tmp_path, trained=str(tmp_path), **dict.fromkeys(small.OPTIONS)))
    assert caught.value.code == "no_weights"
    assert Committees().supports(small.SCORE)
