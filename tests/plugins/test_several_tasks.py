"""One training on several tasks: batches of one task, a head a task, weights that serve each, and what is refused."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.domains import posterior
from elue.modeling.several import OneTaskSampler
from elue.plugins.moe.demix import Demix
from elue.plugins.moe.task_moe import TaskMoe
from elue.plugins.mt_dnn import MtDnn
from elue.protocol import TaskExamples, TrainingJob
from elue.tasks.related import check_apart, leaks
from tests import small
from tests.modeling.experts.plain import SAMPLES, TEXT

pytestmark = pytest.mark.usefixtures("one_thread")
TASKS = (small.CLASSES, small.SCORE)


def both(out: Path) -> TrainingJob:
    own, other = small.job(out), small.job(out, task=small.SCORE, train=48)
    return replace(own, also=[TaskExamples(other.task, other.train, other.validation)])


def network(method: Any, **options: Any) -> Any:
    made = method.network_type(small.encoder(), TASKS, method.options(**options))
    return small.stir(made).requires_grad_(False)


def test_batches_are_of_one_task_and_even_out():
    tasks = [0] * 900 + [1] * 90 + [2] * 10
    for evenness, shares in ((1.0, (0.9, 0.09, 0.01)), (1e9, (1 / 3,) * 3)):
        sampler, drawn = OneTaskSampler(tasks, 10, seed=3, evenness=evenness), Counter[int]()
        for epoch in range(20):
            sampler.set_epoch(epoch)
            rows = list(sampler)
            assert len(rows) == len(sampler) == 1000
            batches = [{tasks[row] for row in rows[start : start + 10]} for start in range(0, 1000, 10)]
            assert all(len(batch) == 1 for batch in batches)
            drawn.update(batch.pop() for batch in batches)
        assert [drawn[task] / 2000 for task in range(3)] == pytest.approx(shares, abs=0.05)
    again = OneTaskSampler(tasks, 10, seed=3, evenness=evenness)
    again.set_epoch(19)
    assert list(again) == rows


@torch.no_grad()
def test_a_task_has_the_same_experts_for_all_tokens():
    """The cards' case: logits 1, 0, -1 weigh 0.7311 and 0.2689."""
    own = network(TaskMoe, experts=3, width=3)
    own.router_tasks.copy_(torch.tensor([[1.0, 0.0, -1.0], [0.0, 2.0, 0.0]]))
    for gate in own.router_gates.values():
        gate.copy_(torch.eye(3))
    own.fold()
    model = TaskMoe().model(own, TEXT, small.CLASSES)
    shown = model.explain(SAMPLES[:3])
    assert all(set(told.experts["2"]) == {0} and set(told.experts["2.2"]) == {1} for told in shown)
    choice = own.folded[2]
    assert choice.weight is not None
    assert choice.weight[0, :2].tolist() == pytest.approx([0.7311, 0.2689], abs=1e-4)
    own.use(1)
    own.at({"chosen": 1})
    assert [set(told.experts) for told in model.explain(SAMPLES[:2])] == [{"2", "4"}] * 2
    assert set(model.explain(SAMPLES[:1])[0].experts["2"]) == {1}


def test_posteriors_by_hand():
    counts = [Counter({0: 3, 1: 1}), Counter({0: 1, 1: 3})]
    assert posterior([[0]], counts, 2) == pytest.approx([2 / 3, 1 / 3])  # (3 + 1) / 6 against (1 + 1) / 6
    assert posterior([[0, 0], [1, 1]], counts, 2) == pytest.approx([0.5, 0.5])


@torch.no_grad()
def test_demix_mixes_answers_by_the_posterior():
    own = network(Demix)
    own.posterior.copy_(torch.tensor([[0.25, 0.75], [0.5, 0.5]]))
    ids, segments = TEXT.tensors(SAMPLES[0])
    batch = {"ids": ids, "segments": segments, "mask": torch.ones_like(ids, dtype=torch.bool)}
    alone = []
    for domain in (0, 1):
        own.domain_of = [domain, 1]
        alone.append(own(batch)["logits"].softmax(-1)[0])
    own.at({"mixed": 2})
    mixed = own(batch)["logits"].softmax(-1)[0]
    torch.testing.assert_close(mixed, 0.25 * alone[0] + 0.75 * alone[1])
    own.at({"mixed": 1})
    torch.testing.assert_close(own(batch)["logits"].softmax(-1)[0], alone[1])


@pytest.mark.thorough
@pytest.mark.parametrize("method", [TaskMoe, Demix, MtDnn])
def test_weights_serve_every_task(method: Any, tmp_path: Path):
    job = both(tmp_path)
    method().train(job)
    note = json.loads((tmp_path / "elue.json").read_text())
    assert [(task["name"], task["samples"]["train"]) for task in note["trained_on"]] == [
        ("colours", 96),
        ("warmth", 48),
    ]
    heads: set[str] = set()
    for task, examples in zip(TASKS, (job.validation, job.also[0].validation), strict=True):
        model, points = method().load(task, tmp_path, 0), method().points(task, tmp_path)
        samples = [example.sample for example in examples[:3]]
        for point in points:
            model.configure(point)
            for sample, packed in zip(samples, model.predict(samples), strict=True):
                with Meter(modules=model.modules()) as meter:
                    (alone,) = model.predict([sample])
                assert alone.trace == packed.trace
                assert alone.value == pytest.approx(packed.value, abs=1e-4)
                total = 0
                for step in alone.trace:
                    with Meter(modules=model.modules()) as priced:
                        model.rehearse(step.unit, step.shape)
                    total += step.times * priced.flops
                assert (meter.complete, meter.flops) == (True, total)
                heads |= {step.unit for step in alone.trace if step.unit.startswith("head")}
        whole = sum(parameter.numel() for parameter in model.network.parameters())
        model.configure(points[0])
        assert sum(p.numel() for module in model.modules() for p in module.parameters()) < whole
    assert heads == {"head.colours", "head.warmth"}
    with pytest.raises(ElueError, match="was trained for task 'colours', 'warmth', not for 'other'"):
        method().load(replace(small.CLASSES, name="other"), tmp_path, 0)


def test_tasks_that_share_texts_are_kept_apart():
    assert leaks("sst2", ["mrpc", "sst2_elue"]) is not None
    assert leaks("sst2", ["mrpc", "sst2"]) is None
    check_apart(["sst2_elue", "mrpc", "stsb"])
    with pytest.raises(ElueError, match="'sst2' and 'sst2_elue' can't be trained on together"):
        check_apart(["sst2", "mrpc", "sst2_elue"])
    with pytest.raises(ElueError, match="named twice"):
        check_apart(["mrpc", "mrpc"])


@pytest.mark.thorough
def test_learning_only_by_batches_of_one_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    seen: list[np.ndarray] = []
    forward = TaskMoe.network_type.forward

    def watch(self: Any, batch: Any) -> Any:
        if "task" in batch:
            seen.append(batch["task"].numpy())
        return forward(self, batch)

    monkeypatch.setattr(TaskMoe.network_type, "forward", watch)
    TaskMoe().train(both(tmp_path))
    assert {int(task) for tasks in seen for task in tasks} == {0, 1}
    assert all(len(set(tasks.tolist())) == 1 for tasks in seen)
