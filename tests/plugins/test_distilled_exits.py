"""Static and dynamic combined: the student, who teaches it, and exits on it against a plain implementation."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.exits.model import ExitModel
from elue.modeling.saving import read_note
from elue.plugins.early_exit.distilled_exits import DistilledExits, DistilledExitsOptions, places
from elue.plugins.static import StaticModel, networks_of
from elue.protocol import TaskInfo
from tests import small
from tests.plugins import costs
from tests.plugins.scoring_exits import SAMPLES, TASKS, TEXT, made, unit

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize(
    ("layers", "kept", "keep", "chosen"),
    [
        (6, 3, "first", [0, 1, 2]),
        (6, 3, "spread", [0, 2, 4]),
        (12, 5, "spread", [0, 2, 4, 7, 9]),
        (3, 3, "spread", [0, 1, 2]),
    ],
)
def test_which_layers_are_kept(layers: int, kept: int, keep: str, chosen: list[int]) -> None:
    assert places(layers, kept, keep) == chosen


@pytest.mark.parametrize("keep", ["first", "spread"])
def test_the_student_starts_from_layers_of_the_backbone(keep: str) -> None:
    encoder = small.encoder()
    network = DistilledExits().network(encoder, small.CLASSES, DistilledExitsOptions(kept_layers=2, keep=keep))
    assert len(network.encoder.layers) == len(network.layers) == 2
    ids = small.batch([7])["ids"]
    hidden = encoder.embed(ids)
    for place in places(4, 2, keep):
        hidden = encoder.layers[place](hidden)
    assert torch.equal(network.eval().encoder(ids)[-1], hidden)


@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.name)
def test_exits_on_the_student_leave_where_a_plain_implementation_does(task: TaskInfo) -> None:
    model = made(DistilledExits(), task, kept_layers=3, keep="spread")
    encoder, heads = model.network.encoder, model.network.heads
    exits: dict[float, list[int]] = {}
    for cut in (0.0, 0.3, 0.5, 0.65, 5.0):
        numeric = task.kind == "regression"
        model.configure(
            {"rule": "patience", "patience": 1, "tolerance": cut} if numeric else {"rule": "entropy", "threshold": cut}
        )
        exits[cut] = []
        for sample, answer in zip(SAMPLES, model.predict(SAMPLES), strict=True):
            said: list[list[float]] = []
            for layer, state in enumerate(encoder(*TEXT.tensors(sample)), start=1):
                pooled = torch.tanh(heads.dense[str(layer)](state[0].mean(0)))
                logits = heads.output[str(layer)](pooled)
                said.append((logits if numeric else logits.softmax(-1)).tolist())
                if numeric:
                    leaves = layer > 1 and abs(said[-1][0] - said[-2][0]) < cut
                else:
                    leaves = -sum(p * math.log(p) for p in said[-1] if p) < cut
                if leaves:
                    break
            assert sum(step.unit.startswith("ffn") for step in answer.trace) == layer
            told = [unit(answer.value, task)] if numeric else list(answer.scores)
            assert told == pytest.approx(said[-1], abs=1e-4)
            exits[cut].append(layer)
    first = 2 if task.kind == "regression" else 1
    assert (set(exits[0.0]), set(exits[5.0])) == ({3}, {first})
    assert {layer for cut in (0.3, 0.5, 0.65) for layer in exits[cut]} == set(range(first, 4))


def test_compute_in_closed_form() -> None:
    """Of H = 16, I = 32, C = 3: 8nH² + 4n²H + 4nHI a layer, 2H² + 2HC an exit."""
    three = TASKS[1]
    model: ExitModel = made(DistilledExits(), three, kept_layers=3)
    for sample in SAMPLES[:2]:
        n = TEXT.tensors(sample)[0].shape[1]
        layer = 8 * n * 16 * 16 + 4 * n * n * 16 + 4 * n * 16 * 32
        for threshold, depth in ((0.0, 3), (5.0, 1)):
            model.configure({"rule": "entropy", "threshold": threshold})
            with Meter(modules=model.modules()) as meter:
                model.predict([sample])
            assert meter.matmul_flops == depth * (layer + 2 * 16 * 16 + 2 * 16 * 3)


def test_exits_on_six_layers_cost_what_static_does_there_and_the_heads_passed() -> None:
    """An exit that is left by without a question costs the static network of its depth, to the last FLOP."""
    task, encoder = TASKS[1], small.encoder(config=replace(small.CONFIG, layers=6))
    model = ExitModel(small.stir(small.exit_network(task, made=encoder)).requires_grad_(False), TEXT, task)
    static = StaticModel(networks_of(encoder, task, "mean", range(1, 7)), TEXT, task)
    assert len(model.ways) == 6
    left = set()
    for sample in SAMPLES[:6]:
        tokens, alone = TEXT.tensors(sample)[0].shape[1], []
        for depth in range(1, 7):
            static.configure({"layers": depth})
            model.configure({"rule": "fixed", "exit": depth})
            flops = []
            for asked in (static, model):
                with Meter(modules=asked.modules()) as meter:
                    asked.predict([sample])
                flops.append(meter.flops)
            assert flops[0] == flops[1]
            alone.append(flops[0])
        for threshold in (0.0, 0.2, 0.5, 0.8, 5.0):
            model.configure({"rule": "entropy", "threshold": threshold})
            with Meter(modules=model.modules()) as meter:
                (answer,) = model.predict([sample])
            exit = sum(step.unit.startswith("ffn") for step in answer.trace)
            passed = (exit - 1) * costs.headed(tokens, 16, 3) + min(exit, 5) * costs.by_entropy(3)
            assert meter.flops == alone[exit - 1] + passed
            left.add(exit)
    assert {1, 6} < left


@pytest.mark.parametrize(
    ("options", "phases"),
    [
        ({}, ["teacher", "student", "exits"]),
        ({"taught": "0"}, ["student", "exits"]),
        ({"taught": "0", "student_epochs": "0"}, ["exits"]),
    ],
)
def test_the_teacher_has_all_layers_and_learns_first(
    options: dict[str, str], phases: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    learned: list[tuple[str, int, list[str]]] = []

    def fit(module: Any, *_: Any, phase: str, columns: Any = None, **__: Any) -> None:
        learned.append((phase, len(module.encoder.layers), sorted(columns or {})))

    monkeypatch.setattr("elue.modeling.training.fit", fit)
    DistilledExits().train(small.job(tmp_path, train=16, tiny_layers="4", **options))
    told = [] if "taught" in options else ["teacher_0", "teacher_1"]
    assert learned == [(phase, 4, []) if phase == "teacher" else (phase, 2, told) for phase in phases]


@pytest.mark.parametrize(
    "task", [small.CLASSES, pytest.param(small.SCORE, marks=pytest.mark.thorough)], ids=lambda task: task.kind
)
def test_what_it_leaves_is_the_student_and_a_sweep_from_its_first_exit_to_its_last(
    task: TaskInfo, tmp_path: Path
) -> None:
    options = {"epochs": "6", "student_epochs": "4", "learning_rate": "1e-2", "tiny_layers": "6"}
    DistilledExits().train(small.job(tmp_path, task, train=320, keep="spread", **options))
    note = read_note(tmp_path)
    model: Any = DistilledExits().load(task, tmp_path, 0)
    assert note["encoder"]["layers"] == note["options"]["kept_layers"] == len(model.network.encoder.layers) == 3
    assert note["validation"]["exits"][-1] > (70 if task.kind == "regression" else 90)
    exits = [point["exit"] for point in note["validation"]["points"]]
    assert (min(exits), max(exits)) == (1, 3)
    samples = [example.sample for example in small.examples(40, task, seed=1)]
    for noted in note["validation"]["points"]:
        model.configure(noted["point"])
        depths = [sum(s.unit.startswith("ffn") for s in answer.trace) for answer in model.predict(samples)]
        assert sum(depths) / len(depths) == pytest.approx(noted["exit"], abs=0.03)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"kept_layers": "1"}, "kept_layers 1 can't be"),
        ({"kept_layers": "4"}, "the backbone has 3"),
    ],
)
def test_impossible_options_are_refused(options: dict[str, str], says: str, tmp_path: Path) -> None:
    with pytest.raises(ElueError, match=says) as caught:
        DistilledExits().train(small.job(tmp_path, **options))
    assert caught.value.code == "bad_option"
