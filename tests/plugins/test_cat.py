"""CAT: exits and costs against plain words, a training in parts and its sweep."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling import method, training
from elue.modeling.rules.registry import CONFORMAL
from elue.modeling.saving import read_note
from elue.plugins.early_exit.cat import Cat
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import scoring_exits
from tests.plugins.scoring_exits import SAMPLES, TASKS, THREE


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
    fit, trained, states = training.fit, {}, {}

    def watched(network: torch.nn.Module, job: object, *rest: object, phase: str, **settings: object) -> None:
        fit(network, job, *rest, phase=phase, **settings)
        trained[phase] = set(settings["subset"] or range(320)), {id(example) for example in job.validation}
        states[phase] = {name: tensor.clone() for name, tensor in network.state_dict().items()}

    calibrated = []
    outputs = method.Training.outputs

    def seen(training: method.Training, module: torch.nn.Module) -> object:
        calibrated.append({id(example) for example in training.job.validation})
        return outputs(training, module)

    monkeypatch.setattr(training, "fit", watched)
    monkeypatch.setattr(method.Training, "outputs", seen)
    job = small.job(tmp_path, task, train=320, epochs="5", head_epochs="4", meta_epochs="4", learning_rate="1e-2")
    Cat().train(job)
    (heads, chosen), (meta, _) = trained["heads"], trained["meta"]
    assert not heads & meta
    assert (len(heads), len(meta)) == (224, 96)
    assert len(calibrated) == 3
    assert not calibrated[0] & chosen, "calibration sees what nothing is chosen on by score"
    assert calibrated[1] == calibrated[0] | chosen, "what settings cost is told by all"
    assert calibrated[2] == chosen, "scores are not"
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


@pytest.mark.thorough
def test_a_score_that_turns_with_the_answer_is_left_to_the_sample_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where an exit's two classes are all but equal, noise decides what its meta-classifier sees."""
    model, again = scoring_exits.made(Cat(), small.CLASSES), []
    output = model.network.heads.output["1"]
    output.weight[1], output.bias[1] = output.weight[0], output.bias[0]
    rerun = model.by_itself
    monkeypatch.setattr(
        model, "by_itself", lambda request, *rest: (again.append(request.place), rerun(request, *rest))[1]
    )
    point = {"rule": "score", "threshold": 1e-6}
    model.configure(point)
    alone = [model.predict([sample])[0] for sample in SAMPLES]
    again.clear()
    assert [answer.trace for answer in model.predict(SAMPLES)] == [answer.trace for answer in alone]
    assert sorted(again) == list(range(len(SAMPLES)))
    again.clear()
    (swept,) = model.predict_sweep(SAMPLES, [point])
    assert [answer.trace for answer in swept] == [answer.trace for answer in alone]
    assert sorted(set(again)) == list(range(len(SAMPLES)))
    again.clear()
    model.configure({"rule": "entropy", "threshold": 0.0})
    model.predict(SAMPLES)
    assert not again
