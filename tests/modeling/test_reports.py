"""What a training reports: its steps, its validation passes, its end, and what of that is shown and kept."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from elue import api
from elue.methods.trained import reports
from elue.modeling.backbone import load_backbone
from elue.modeling.heads import EncoderWithHead
from elue.modeling.inference import appraisal
from elue.modeling.options import TrainingOptions, parse_options
from elue.modeling.trainer_reports import Pace, Reports
from elue.modeling.training import fit
from elue.protocol import TrainingJob, TrainingReport
from elue.worker.frames import TRAINING_LOG
from elue.worker.inside.reporting import sentence
from tests import small
from tests.commanding import elue

EPOCH = 6
"""Steps an epoch of `small.job` takes."""


def reported(job: TrainingJob) -> tuple[list[TrainingReport], float]:
    """What a training reports, and the score of what it leaves."""
    told: list[TrainingReport] = []
    job = replace(job, report=told.append)
    options = parse_options(TrainingOptions, job)
    encoder, text, _ = load_backbone(job, options)
    network = EncoderWithHead(encoder, job.task)
    fit(network, job, options, text)
    return told, appraisal(network, job, text).score


def test_a_pass_over_validation_data_is_a_report(tmp_path: Path) -> None:
    told, left = reported(small.job(tmp_path, epochs="3", tiny_layers="1"))
    passes = [report for report in told if report.moment == "validation"]
    assert [(report.step, report.epoch, report.phase) for report in passes] == [
        (EPOCH * number, number, "joint") for number in (1, 2, 3)
    ]
    assert max(report.score for report in passes) == left
    assert [report.step for report in told if report.moment == "step"] == [10]
    assert 0 < passes[0].loss < 5
    assert all(report.rate > 0 and report.seconds > 0 for report in passes)
    assert [report.seconds for report in passes] == sorted(report.seconds for report in passes)


def test_a_phase_without_validation_reports_its_end(tmp_path: Path) -> None:
    told, _ = reported(small.job(tmp_path, epochs="1", tiny_layers="1"))
    (end,) = [report for report in told if report.moment != "step"]
    assert (end.moment, end.step, end.score) == ("end", EPOCH, None)


def test_losses_and_texts_are_of_the_steps_since(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = [0.0]
    monkeypatch.setattr("elue.modeling.trainer_reports.time.monotonic", lambda: clock[0])
    pace, told = Pace(), list[TrainingReport]()
    callback = Reports("joint", told.append, pace)
    state = type("State", (), {"global_step": 2, "epoch": 1.0})
    callback.on_train_begin(None, state, None)
    for loss in (1.0, 3.0):
        clock[0] += 2
        pace.add(torch.tensor(loss), 10)
    with pace.paused():
        clock[0] += 100
    said = {"eval_score": 80.0, "eval_price": 2.0, "eval_ways": 3}
    callback.on_evaluate(None, state, None, said)
    clock[0] += 5
    pace.add(torch.tensor(0.5), 10)
    callback.on_evaluate(None, state, None, said)
    assert [(report.loss, report.rate, report.seconds) for report in told] == [(2.0, 5.0, 104.0), (0.5, 2.0, 109.0)]
    assert (told[0].score, told[0].price, told[0].ways) == (80.0, 2.0, 3)


def test_a_report_is_one_line() -> None:
    report = TrainingReport("joint", "validation", 188, 1.0, 0.4123, 12.34, 1845.2, 83.204, 1.5, 6)
    assert sentence(report, "accuracy") == (
        "joint, epoch 1, step 188: validation accuracy 83.20 (mean of 6 ways out), less 1.50 for compute, "
        "loss 0.4123, 12.3 s, 1,845 texts a second"
    )
    assert sentence(replace(report, ways=1, price=0.0), "f1", tasks=2).startswith(
        "joint, epoch 1, step 188: validation f1 83.20 (mean of 2 tasks), loss"
    )
    end = replace(report, moment="end", score=None, loss=math.nan)
    assert sentence(end, "accuracy") == "joint, epoch 1, step 188: loss nan, 12.3 s, 1,845 texts a second"


def test_what_was_done_twice_is_told_once(tmp_path: Path) -> None:
    lines = [
        {"job": "a"},
        *({"phase": "joint", "step": step, "score": score} for step, score in ((6, 1), (12, 2), (6, 3))),
    ]
    (tmp_path / TRAINING_LOG).write_text("\n".join(map(json.dumps, lines)) + '\n{"phase": "jo')
    assert [(report["step"], report["score"]) for report in reports(tmp_path)] == [(12, 2), (6, 3)]
    assert reports(tmp_path / "nowhere") == []


def in_process(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A command in a process of its own, with what its own processes print."""
    return subprocess.run([sys.executable, "-m", "elue", *words], cwd=cwd, capture_output=True, text=True, check=False)


QUICK = ("train", "static", "--set", "epochs=2", "--set", "tiny_layers=1", "--max-train-samples", "64")


def test_without_tensorboard_one_line_names_the_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("elue.methods.train.find_spec", lambda name: None)
    ended = elue(*QUICK, "--out", "w", "--tensorboard", "board", cwd=tmp_path)
    assert ended.returncode == 2
    assert "pip install tensorboard" in ended.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.thorough
def test_lines_are_shown_and_kept_unless_quiet(tmp_path: Path) -> None:
    said = in_process(*QUICK, "--out", "w", cwd=tmp_path)
    assert said.returncode == 0, said.stderr
    log = api.training_log(tmp_path / "w")
    assert list(log["step"]) == [2, 4]
    assert list(log["metric"]) == ["accuracy", "accuracy"]
    for row in log.itertuples():
        assert f"step {row.step}: validation accuracy {row.score:.2f}" in said.stderr
    quiet = in_process(*QUICK, "--out", "q", "--quiet", cwd=tmp_path)
    assert quiet.stderr.splitlines() == ["weights are in q"]
    again = api.training_log(tmp_path / "q")
    assert list(again["score"]) == list(log["score"])


@pytest.mark.thorough
def test_tensorboard_has_what_the_log_has(tmp_path: Path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    api.train(
        "static",
        tmp_path / "w",
        options={"epochs": 2, "tiny_layers": 1},
        max_train_samples=64,
        label="first",
        quiet=True,
        tensorboard=tmp_path / "board",
    )
    drawn = EventAccumulator(str(tmp_path / "board")).Reload()
    (tag,) = [name for name in drawn.Tags()["scalars"] if name.endswith("validation accuracy")]
    log = api.training_log(tmp_path / "w")
    assert [(event.step, event.value) for event in drawn.Scalars(tag)] == [
        (row.step, pytest.approx(row.score)) for row in log.itertuples()
    ]
    assert json.loads((tmp_path / "w" / "elue-train.json").read_text())["label"] == "first"
