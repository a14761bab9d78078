"""Of several epochs the best is kept, whatever comes after it and whatever cuts the training short."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import pearsonr, spearmanr
from torch import Tensor, nn

from elue.modeling import trainer, training
from elue.modeling.backbone import load_backbone
from elue.modeling.encoder import Encoder
from elue.modeling.heads import EncoderWithHead
from elue.modeling.inference import Appraisal, answers, appraisal, batched_logits
from elue.modeling.options import TrainingOptions, parse_options
from elue.modeling.text import TextEncoder
from elue.modeling.training import fit
from elue.protocol import Example, Sample, TrainingJob
from elue.tasks import metrics
from tests import small

State = dict[str, Tensor]
EPOCH = 6
"""Steps an epoch of `small.job` takes."""


class Judge:
    """Gives epochs their worth in turn, and keeps the weights that it saw; where it has no worths, the real one."""

    def __init__(self, *worths: float, fail_at: int = -1) -> None:
        self.worths, self.fail_at = worths, fail_at
        self.seen: list[State] = []
        self.said: list[float] = []

    def __call__(self, module: nn.Module, job: TrainingJob, text: TextEncoder, judged: Any = None) -> Appraisal:
        if len(self.seen) == self.fail_at:
            raise KeyboardInterrupt
        self.said.append(self.worths[len(self.seen)] if self.worths else appraisal(module, job, text).worth)
        self.seen.append({name: tensor.clone() for name, tensor in module.state_dict().items()})
        return Appraisal(self.said[-1], 0.0)


class Counted(EncoderWithHead):
    """Counts its steps of training, and is cut short at one if asked to."""

    steps = 0
    fail_at = -1

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        if self.training:
            if self.steps == self.fail_at:
                raise KeyboardInterrupt
            self.steps += 1
        return super().forward(batch)


def trained(job: TrainingJob, fail_at: int = -1, shared: bool = False) -> tuple[Counted, TextEncoder]:
    options = parse_options(TrainingOptions, job)
    encoder, text, _ = load_backbone(job, options)
    if shared:
        encoder = Encoder(replace(encoder.config, weights_of=(0, 0, 0)))
    network = Counted(encoder, job.task)
    network.fail_at = fail_at
    fit(network, job, options, text)
    return network, text


def contrary(job: TrainingJob) -> TrainingJob:
    """The job with validation labels turned round: the more is learned, the worse it does on them."""
    low, high = (0.0, 1.0) if job.task.kind == "classification" else (job.task.low, job.task.high)
    return replace(job, validation=[Example(one.sample, low + high - one.label) for one in job.validation])


def same(module: nn.Module, state: State) -> bool:
    return all(torch.equal(tensor, state[name]) for name, tensor in module.state_dict().items())


@pytest.mark.parametrize(
    ("worths", "kept"),
    [
        ((-5, -3, -4), 1),
        ((5, 4, 3), 0),
        ((4, 4, 4), 0),
        ((5, math.nan, 4), 0),
        ((math.nan,) * 3, 2),
    ],
)
def test_the_best_epoch_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, worths: tuple[float, ...], kept: int
) -> None:
    judge = Judge(*worths)
    monkeypatch.setattr(training, "appraisal", judge)
    network, _ = trained(small.job(tmp_path, train=32, epochs="3", tiny_layers="1"))
    assert [same(network, state) for state in judge.seen] == [place == kept for place in range(3)]
    assert [path.name for path in (tmp_path / "checkpoints" / "joint").iterdir()] == ["finished.safetensors"]
    assert not network.training


def test_the_best_epoch_of_layers_that_share_weights_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge(5, 4)
    monkeypatch.setattr(training, "appraisal", judge)
    network, _ = trained(small.job(tmp_path), shared=True)
    assert [same(network, state) for state in judge.seen] == [True, False]
    assert network.encoder.layers[0] is network.encoder.layers[2]


def test_part_of_an_epoch_at_the_end_is_judged_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    judge = Judge(3, 4, 5)
    monkeypatch.setattr(training, "appraisal", judge)
    network, _ = trained(small.job(tmp_path, epochs="2.5"))
    assert same(network, judge.seen[2])
    assert network.steps == 2.5 * EPOCH


def correlations(labels: Any, said: Any) -> float:
    return float(pearsonr(labels, said)[0] + spearmanr(labels, said)[0])


def negative_squares(labels: Any, said: Any) -> float:
    return -float(np.mean((labels - said) ** 2))


@pytest.mark.parametrize(
    ("task", "metric", "plain", "turned"),
    [
        (small.CLASSES, "accuracy", lambda labels, said: np.mean(labels == said), True),
        (small.SCORE, "pearson_spearman", correlations, True),
        (small.SCORE, "mean_squared_error", negative_squares, True),
        (small.SCORE, "mean_squared_error", negative_squares, False),
    ],
)
def test_best_is_by_the_metric_of_the_task_whichever_way_it_points(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, task: Any, metric: str, plain: Any, turned: bool
) -> None:
    judge = Judge()
    monkeypatch.setattr(training, "appraisal", judge)
    job = small.job(tmp_path, task, epochs="4", learning_rate="1e-2", tiny_layers="1")
    job = replace(contrary(job) if turned else job, measure=partial(metrics.score, metric))
    network, text = trained(job)
    kept = [same(network, state) for state in judge.seen].index(True)
    labels, values = np.array([example.label for example in job.validation]), []
    for state in judge.seen:
        network.load_state_dict(state)
        said = answers(batched_logits(network, job.validation, text), task)
        values.append(round(float(plain(labels, np.array(said))), 9))
    assert kept == int(np.argmax(values))
    assert len(set(values)) > 1
    assert (kept < 3) == turned


CUTS = ["between epochs", "in an epoch", "writing a checkpoint", "after the last epoch"]


@pytest.mark.parametrize(
    "cut", [pytest.param(cut, marks=() if cut == "in an epoch" else pytest.mark.thorough) for cut in CUTS]
)
def test_the_best_epoch_outlives_a_kill(tmp_path: Path, cut: str) -> None:
    shared = cut == "in an epoch"
    whole = Judge()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "appraisal", whole)
        expected, _ = trained(contrary(small.job(tmp_path / "whole", epochs="4")), shared=shared)
    assert same(expected, whole.seen[int(np.argmax(whole.said))])
    assert np.argmax(whole.said) < 3

    job, fail_at, writes = contrary(small.job(tmp_path / "cut", epochs="4")), -1, []

    def half_written(module: nn.Module, file: str) -> None:
        writes.append(file)
        if len(writes) == 3:
            Path(file).write_bytes(b"half")
            raise KeyboardInterrupt
        save(module, file)

    save = trainer.save_model
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "STEPS_BETWEEN_CHECKPOINTS", 4)
        if cut == "between epochs":
            patch.setattr(training, "appraisal", Judge(fail_at=2))
        elif cut == "in an epoch":
            fail_at = 2 * EPOCH + 5
        elif cut == "writing a checkpoint":
            patch.setattr(trainer, "save_model", half_written)
        else:
            patch.setattr(training, "save_model", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            trained(job, fail_at, shared)
        (tmp_path / "cut").rename(tmp_path / "moved")
    again, _ = trained(replace(job, out=tmp_path / "moved"), shared=shared)
    assert same(again, expected.state_dict())
    assert (
        again.steps
        == {"between epochs": 8, "in an epoch": 8, "writing a checkpoint": 18, "after the last epoch": 0}[cut]
    )
    assert [path.name for path in (tmp_path / "moved" / "checkpoints" / "joint").iterdir()] == ["finished.safetensors"]


def test_a_single_epoch_is_not_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "appraisal", lambda *_: pytest.fail("judged"))
    trained(small.job(tmp_path, epochs="1"))


def test_without_validation_data_the_last_epoch_is_kept_and_that_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(training, "appraisal", Judge(1, 2))
    last, _ = trained(small.job(tmp_path / "rising"))
    assert "no validation data" not in capsys.readouterr().err
    without, _ = trained(replace(small.job(tmp_path / "none"), validation=[]))
    assert same(without, last.state_dict())
    assert "joint: no validation data tell which epoch is best, so the last is kept" in capsys.readouterr().err


def test_validation_data_decide_which_epoch_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = []
    for name, words in (("a", "red paper"), ("b", "words that no training text has")):
        judge = Judge(1, 2)
        monkeypatch.setattr(training, "appraisal", judge)
        job = small.job(tmp_path / name, tiny_dropout="0.1")
        network, _ = trained(replace(job, validation=[Example(Sample("v", words), 1.0)] * 9))
        weights.append(network.state_dict())
        assert len(judge.seen) == 2
    assert all(torch.equal(tensor, weights[1][name]) for name, tensor in weights[0].items())


class Said(nn.Module):
    """Says fixed logits, and pays a price."""

    def __init__(self, **outputs: Tensor) -> None:
        super().__init__()
        self.outputs, self.device = outputs, nn.Parameter(torch.zeros(1))

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        return {name: tensor.expand(len(batch["ids"]), *tensor.shape) for name, tensor in self.outputs.items()}


def test_worth_is_the_mean_over_ways_out_less_the_price(tmp_path: Path) -> None:
    job = small.job(tmp_path)
    _, text, _ = load_backbone(job, parse_options(TrainingOptions, job))
    warm = 100 * sum(example.label for example in job.validation) / len(job.validation)
    one = Said(logits=torch.tensor([0.0, 1.0]), price=torch.tensor(0.02))
    assert appraisal(one, job, text).worth == pytest.approx(warm - 2, abs=1e-4)
    ways = Said(logits=torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    assert appraisal(ways, job, text).worth == pytest.approx(50)


def test_what_all_samples_pay_together_counts_and_ways_out_may_be_judged_in_place_of_the_answer(tmp_path: Path) -> None:
    job = small.job(tmp_path)
    _, text, _ = load_backbone(job, parse_options(TrainingOptions, job))
    warm = 100 * sum(example.label for example in job.validation) / len(job.validation)
    one = Said(logits=torch.tensor([0.0, 1.0]), price=torch.tensor(0.02))
    one.common_price = lambda outputs: outputs["price"].sum()  # type: ignore[method-assign, assignment]
    assert appraisal(one, job, text).worth == pytest.approx(warm - 2 - 2 * len(job.validation), rel=1e-5)
    both = Said(logits=torch.tensor([0.0, 1.0]), judged=torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
    assert appraisal(both, job, text).worth == pytest.approx(50)
