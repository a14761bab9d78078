"""Networks of methods with learned scores, at random weights, for tests that ask what they do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from torch import Tensor

from elue.modeling.backbone import learn_wordpiece
from elue.modeling.exits.model import ExitModel
from elue.modeling.exits.network import Lesson
from elue.modeling.method import TrainedMethod
from elue.modeling.text import TextEncoder
from elue.protocol import Point, Sample, TaskInfo
from tests import small

THREE = TaskInfo("three", "classification", ("a", "b", "c"))
TASKS = [small.CLASSES, THREE, small.SCORE]
SAMPLES = [
    Sample(example.sample.id, example.sample.text, "rain and bread" if index % 4 == 0 else None)
    for index, example in enumerate(small.examples(200, seed=5))
]
TEXT = TextEncoder(learn_wordpiece([sample.text for sample in SAMPLES], 50), 40)


def made(
    method: TrainedMethod, task: TaskInfo, tables: Mapping[str, Tensor] | None = None, seed: int = 0, **options: Any
) -> ExitModel:
    """A method's model on random weights that part the samples, with these tables of calibration."""
    assert method.options is not None
    encoder = small.encoder()
    network: Any = method.network(encoder, task, method.settled(method.options(**options), encoder.config))
    for name, values in (tables or {}).items():
        network.tables.keep(name, values)
    model = method.model(small.stir(network, seed).requires_grad_(False), TEXT, task)
    assert isinstance(model, ExitModel)
    return model


def pooled(model: ExitModel, sample: Sample) -> Iterator[Tensor]:
    """The mean of a sample's tokens after each layer, (1, hidden)."""
    for state in model.network.encoder(*TEXT.tensors(sample)):
        yield state.mean(1)


def answer(logits: Tensor) -> list[float]:
    """What an exit of these logits, (1, outputs), says: probabilities, or the unit number."""
    return (logits.softmax(-1) if logits.shape[1] > 1 else logits)[0].tolist()


def taken(model: ExitModel, point: Point) -> list[tuple[int, list[float]]]:
    """For each sample the layers it went through at a point, and what it answered."""
    model.configure(point)
    return [
        (
            sum(step.unit.startswith("ffn") for step in prediction.trace),
            list(prediction.scores) or [unit(prediction.value, model.task)],
        )
        for prediction in model.predict(SAMPLES)
    ]


def unit(value: float, task: TaskInfo) -> float:
    """A number of a task's range as heads tell it."""
    return (value - task.low) / (task.high - task.low)


def lesson(
    task: TaskInfo, logits: list[list[float]], scores: list[float], label: float, **columns: list[float]
) -> Lesson:
    """A lesson of one sample: logits by exit, scores by exit but the last."""
    given = {name: torch.tensor(values) for name, values in columns.items()}
    return Lesson(task, torch.tensor([logits]), torch.tensor([label]), torch.tensor([scores]), columns=given)
