"""CAT: meta loss and calibration by hand, exits against plain words, the guarantee, a training and its sweep."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling import method
from elue.modeling.exits.conformal import conformal_scores, parts
from elue.modeling.exits.network import Lesson
from elue.modeling.exits.score_losses import agreement, score_of_disagreement
from elue.modeling.ladder import simulate
from elue.modeling.rules.registry import CONFORMAL, Ladder, rule_at
from elue.modeling.saving import read_note
from elue.modeling.signals import LOGITS, SCORES, Signals
from elue.plugins.early_exit.cat import Cat
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import scoring_exits
from tests.plugins.scoring_exits import SAMPLES, TASKS, THREE

A, B = [1.0, 0.0], [0.0, 1.0]


def test_calibration_takes_the_surest_exit_that_does_not_agree() -> None:
    """Sureness .95 where the exit agrees, .6 and .8 where not: .8. Samples that always agree don't count."""
    logits = torch.tensor([[A, B, B, A], [A, B, A, A], [A, A, A, A]])
    sure = torch.tensor([[0.95, 0.6, 0.8], [0.9, 0.2, 0.9], [0.99, 0.99, 0.99]])
    assert agreement(logits, small.CLASSES).tolist() == [[True, False, False], [True, False, True], [True] * 3]
    assert conformal_scores(logits, 1 - sure, small.CLASSES).tolist() == pytest.approx([0.2, 0.8])
    assert conformal_scores(logits[2:], 1 - sure[2:], small.CLASSES).shape == (0,)


def test_numbers_agree_within_half_a_unit_of_stars() -> None:
    task = TaskInfo("stars", "regression", low=0.0, high=5.0)
    logits = torch.tensor([[[0.49], [0.51], [0.71], [0.6]]])
    assert agreement(logits, task).tolist() == [[False, True, False]]


def test_both_sides_of_a_batch_weigh_the_same() -> None:
    """Three agree at the exit and one doesn't; at the other exit all agree."""
    logits = torch.tensor([[A, A, A], [A, A, A], [B, B, B], [B, A, A]])
    scores = torch.tensor([[0.1, 0.2], [0.2, 0.2], [0.3, 0.4], [0.6, 0.4]])
    loss = score_of_disagreement(Lesson(small.CLASSES, logits, torch.zeros(4), scores))["score"].item()
    agreeing = -(math.log(0.9) + math.log(0.8) + math.log(0.7)) / 3
    one_sided = -(2 * math.log(0.8) + 2 * math.log(0.6)) / 4
    assert loss == pytest.approx(((agreeing - math.log(0.6)) / 2 + one_sided) / 2, rel=1e-5)


@pytest.mark.parametrize("risk", [0.05, 0.1, 0.3])
def test_answers_differ_from_the_full_models_no_more_often_than_the_risk(risk: float) -> None:
    """Over 400 draws of calibration and test samples, of exits that agree with probability as sure as they are."""
    generator = torch.Generator().manual_seed(0)
    sure = torch.rand(400, 101, 3, generator=generator)
    agree = torch.rand(400, 101, 3, generator=generator) < sure
    classes = torch.cat([agree.long(), torch.ones(400, 101, 1, dtype=torch.long)], 2)
    logits = torch.nn.functional.one_hot(classes, 2).float()
    wrong, left = [], []
    for draw in range(400):
        table = conformal_scores(logits[draw, :100], 1 - sure[draw, :100], small.CLASSES)
        ladder = Ladder(small.CLASSES, 4, (LOGITS, SCORES), {CONFORMAL: table})
        scores = torch.nn.functional.pad(1 - sure[draw, 100:], (0, 1))
        exit = simulate(Signals.whole(logits[draw, 100:], scores), rule_at({"rule": "conformal", "risk": risk}, ladder))
        wrong.append(classes[draw, 100, exit - 1].item() != 1)
        left.append(exit.item() < 4)
    spread = 3 * math.sqrt(risk * (1 - risk) / 400)
    assert sum(wrong) / 400 <= risk + spread
    assert any(left)


def test_parts_share_no_example() -> None:
    first, second = parts(101, 0.3, seed=4)
    assert (len(second), sorted(first + second)) == (30, list(range(101)))
    assert parts(101, 0.3, seed=5) != (first, second)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_exits_as_a_plain_implementation_does(task: TaskInfo) -> None:
    table = torch.linspace(0.05, 0.95, 9)
    model = scoring_exits.made(Cat(), task, {CONFORMAL: table})
    heads, scorer = model.network.heads, model.network.scorer
    told = []
    for sample in SAMPLES:
        ways: list[tuple[float, list[float]]] = []
        for number, mean in enumerate(scoring_exits.pooled(model, sample), 1):
            feature = torch.tanh(heads.dense[str(number)](mean))
            said = scoring_exits.answer(heads.output[str(number)](feature))
            sure = 0.0
            if number < 4:
                if task.outputs > 1:
                    first, second = sorted(said, reverse=True)[:2]
                    best = said.index(first)
                    shown = [float(place == best) for place in range(len(said))] + feature[0].tolist()
                    shown += [first, first - second] + [earlier[best] for _, earlier in reversed(ways)]
                else:
                    shown = feature[0].tolist() + [earlier[0] for _, earlier in reversed(ways)]
                shown += [0.0] * (3 - number) + [number / 3]
                inner = torch.tanh(scorer.dense[str(number)](torch.tensor([shown])))
                sure = scorer.output[str(number)](inner).softmax(-1)[0, 1].item()
            ways.append((sure, said))
        told.append(ways)
    ranked, seen = [*table.tolist(), math.inf], set()
    for risk in (0.05, 0.12, 0.3, 0.5, 0.8, 0.95):
        answered = scoring_exits.taken(model, {"rule": "conformal", "risk": risk})
        quantile = ranked[math.ceil(9 * (1 - risk))]
        for ways, (exit, said) in zip(told, answered, strict=True):
            early = [number for number, (sure, _) in enumerate(ways[:-1], 1) if sure > quantile]
            assert exit == (early[0] if early else 4)
            assert said == pytest.approx(ways[exit - 1][1], abs=1e-4)
        layers = {exit for exit, _ in answered}
        assert layers == {4} if quantile == math.inf else layers
        seen |= layers
    assert len(seen) > 2


@pytest.mark.parametrize("task", [THREE, small.SCORE], ids=lambda task: task.name)
def test_what_a_score_costs_in_closed_form(task: TaskInfo) -> None:
    """Products of a head, 2 · H · 32 + 64 · C, and of its meta-classifier, 2 · (C + 32 + 2 + L - 1) · 32 + 128."""
    model = scoring_exits.made(Cat(), task)
    said = task.outputs + 2 if task.outputs > 1 else 0
    wanted = {"pool.2": 2 * 16 * 32, "exit.2": 64 * task.outputs, "score.2": 2 * (said + 32 + 3) * 32 + 128}
    for unit, products in wanted.items():
        with Meter(modules=[model.network]) as meter:
            model.rehearse(unit, (5,) if unit.startswith("pool") else (1,))
        assert meter.matmul_flops == products


@pytest.mark.parametrize("task", [small.CLASSES, small.SCORE], ids=lambda task: task.name)
def test_training_in_parts_and_the_sweep(task: TaskInfo, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fit, trained, states = method.fit, {}, {}

    def watched(network: torch.nn.Module, job: object, *rest: object, phase: str, **settings: object) -> None:
        fit(network, job, *rest, phase=phase, **settings)
        trained[phase] = set(settings["subset"] or range(320)), {id(example) for example in job.validation}
        states[phase] = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    calibrated = []
    outputs = method.Training.outputs

    def seen(training: method.Training, module: torch.nn.Module) -> object:
        calibrated.append({id(example) for example in training.job.validation})
        return outputs(training, module)

    monkeypatch.setattr(method, "fit", watched)
    monkeypatch.setattr(method.Training, "outputs", seen)
    job = small.job(tmp_path, task, train=320, epochs="5", head_epochs="4", meta_epochs="4", learning_rate="1e-2")
    Cat().train(job)
    (heads, chosen), (meta, _) = trained["heads"], trained["meta"]
    assert not heads & meta
    assert (len(heads), len(meta)) == (224, 96)
    assert len(calibrated) == 2
    assert not calibrated[0] & chosen, "calibration sees what nothing is chosen on"
    assert calibrated[1] == chosen, "the sweep does not"
    for phase, earlier, parts_moved in (("heads", "trunk", {"heads"}), ("meta", "heads", {"scorer"})):
        moved = {name for name, tensor in states[phase].items() if not tensor.equal(states[earlier][name])}
        assert {name.partition(".")[0] for name in moved} == parts_moved
        assert not any(".3." in name for name in moved)
    model = Cat().load(task, tmp_path, 0)
    assert CONFORMAL in model.network.tables.named()
    noted = read_note(tmp_path)["validation"]["points"]
    assert {point["point"]["rule"] for point in noted} <= {"conformal", "score"}
    depths = [point["exit"] for point in noted if point["point"]["rule"] == "score"]
    assert (min(depths), max(point["exit"] for point in noted)) == (1.0, 3.0)
    assert max(point["score"] for point in noted) > 80


def test_too_few_validation_samples_are_said(tmp_path: Path) -> None:
    job = small.job(tmp_path)
    with pytest.raises(ElueError, match="brings 1 validation samples, too few"):
        Cat().train(replace(job, validation=job.validation[:1]))
