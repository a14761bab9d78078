"""Networks of keeping methods at random weights, and what each of their layers does in plain words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from elue.conformance import suite
from elue.conformance.check import Subject
from elue.meter import Meter, profile
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.method import TrainedMethod
from elue.modeling.saving import read_note
from elue.modeling.text import TextEncoder
from elue.protocol import Point, Prediction, Sample, TaskInfo
from elue.worker.inside.pricing import Pricer
from tests import small

THREE = TaskInfo("three", "classification", ("a", "b", "c"))
TASKS = [small.CLASSES, THREE, small.SCORE]
CASES = [
    pytest.param(THREE, 10, id="three"),
    *(pytest.param(task, 1, id=f"{task.name}-every-price", marks=pytest.mark.slow) for task in TASKS),
]
"""Tasks, and how many samples lie between two whose price is checked against what executes."""
TRAINED = [
    pytest.param(small.CLASSES, id="colours"),
    pytest.param(small.SCORE, id="warmth", marks=pytest.mark.slow),
]
WORDS = [example.sample.text for example in small.examples(400, seed=5)]
SAMPLES = [
    Sample(str(index), " ".join(WORDS[index : index + 1 + index % 3]), WORDS[-index - 1] if index % 4 == 0 else None)
    for index in range(200)
]
TEXT = TextEncoder(learn_wordpiece(WORDS, 50), 40)


def made(method: TrainedMethod, task: TaskInfo, seed: int = 0, **options: Any) -> Any:
    """A method's model on random weights that part the samples."""
    assert method.options is not None
    encoder = small.encoder()
    network: Any = method.network(encoder, task, method._settled(method.options(**options), encoder.config))
    return method.model(small.stir(network, seed).requires_grad_(False), TEXT, task)


def attended(attention: Any, rows: Tensor) -> tuple[Tensor, Tensor]:
    """The attention half of a layer on rows (tokens, hidden), and the weights (heads, queries, keys)."""
    parts = [
        map_(rows).unflatten(1, (attention.heads, -1)) for map_ in (attention.query, attention.key, attention.value)
    ]
    query, key, value = parts
    scores = torch.einsum("qhs,khs->hqk", query, key) / math.sqrt(query.shape[2])
    weights = scores.exp() / scores.exp().sum(2, keepdim=True)
    context = torch.einsum("hqk,khs->qhs", weights, value).flatten(1)
    return attention.norm(rows + attention.output(context)), weights


def layer(module: Any, rows: Tensor) -> Tensor:
    """A whole layer on rows (tokens, hidden)."""
    return module.feed_forward(attended(module.attention, rows)[0])


def embedded(network: Any, sample: Sample) -> Tensor:
    """The embedded tokens of a sample, (tokens, hidden)."""
    return network.encoder.embed(*TEXT.tensors(sample))[0]


def answer(network: Any, rows: Tensor) -> list[float]:
    """What the head says of rows (tokens, hidden): probabilities, or the unit number."""
    logits = network.head(rows[None])[0]
    return (logits.softmax(-1) if len(logits) > 1 else logits).tolist()


def said(prediction: Prediction, task: TaskInfo) -> list[float]:
    """A prediction, as `answer` has it."""
    return list(prediction.scores) or [(prediction.value - task.low) / (task.high - task.low)]


def rows_of(prediction: Prediction, unit: str = "ffn") -> list[int]:
    """The rows that units of this name ran on, step by step."""
    return [step.shape[0] for step in prediction.trace if step.unit.startswith(f"{unit}.")]


Plain = Callable[[Any, Sample, Point], tuple[list[int], list[float]]]
"""A method in plain words: rows that each layer's feed-forward runs on, and the answer."""


@torch.no_grad()
def holds(model: Any, points: Sequence[Point], plain: Plain, every: int) -> None:
    """Answers and rows are those of the plain words, alone and among others, and prices are what executes."""
    pricer, kept = Pricer(profile.load("elue-1")), set()
    for point in points:
        model.configure(point)
        together = model.predict(SAMPLES)
        for number, (sample, prediction) in enumerate(zip(SAMPLES, together, strict=True)):
            rows, wanted = plain(model.network, sample, point)
            assert rows_of(prediction) == rows, (point, sample)
            assert said(prediction, model.task) == pytest.approx(wanted, abs=1e-4), (point, sample)
            kept.add(tuple(rows))
            if number % every == 0:
                with Meter(modules=model.modules()) as meter:
                    (alone,) = model.predict([sample])
                assert alone.trace == prediction.trace
                assert said(alone, model.task) == pytest.approx(said(prediction, model.task), abs=1e-4)
                priced, _ = pricer.price(model, list(model.modules()), prediction.trace)
                assert meter.complete, meter.unknown
                assert (priced.flops, priced.params_touched) == (meter.flops, meter.params_touched)
    assert len(kept) > len(SAMPLES) // 20


def conforms(method: TrainedMethod, task: TaskInfo, out: Path) -> None:
    """All that `elue check` asks holds of a trained method."""
    samples = tuple(example.sample for example in small.examples(12, task, seed=7))
    subject = Subject(method, task, samples, out)
    results = [suite.run(name, subject) for name in suite.CHECKS]
    assert [(result.name, result.detail) for result in results if result.outcome == "fail"] == []
    assert sum(result.outcome == "pass" for result in results) > 15


def static_layer(tokens: int, hidden: int = 16, wide: int = 32) -> int:
    """Multiply-adds of a layer on so many tokens, attention and feed-forward."""
    return attention(tokens, hidden) + 2 * tokens * hidden * wide


def attention(tokens: int, hidden: int = 16) -> int:
    """Multiply-adds of a layer's attention."""
    return 4 * tokens * hidden**2 + 2 * tokens**2 * hidden


def matmuls(model: Any, prediction: Prediction) -> int:
    """FLOPs in products of a prediction's steps, rehearsed, without the head's."""
    total = 0
    for step in prediction.trace:
        if step.unit not in ("head", "answer"):
            with Meter(modules=model.modules()) as meter:
                model.rehearse(step.unit, step.shape)
            total += meter.matmul_flops * step.times
    return total


def trains(method: TrainedMethod, task: TaskInfo, out: Path, knob: str = "threshold", **options: str) -> Any:
    """Trains on the little task; the sweep has both ends and no gap; answers are right at its full end. The model."""
    job = small.job(out, task, train=128, **{"tiny_layers": "3", **options})
    method.train(job)
    model, points = method.load(task, out, 0), method.points(task, out)
    notes = read_note(out)["validation"][knob]
    kept = [notes[str(point[knob])]["kept"] for point in points]
    assert kept == sorted(kept)
    assert kept[-1] == 100
    assert len(set(kept)) == len(kept) > 2
    assert max(note["score"] for note in notes.values()) > 75
    samples, fewest = [example.sample for example in job.validation], []
    for point in (points[0], points[-1]):
        model.configure(point)
        answers = model.predict(samples)
        fewest.append([min(rows_of(answer)) for answer in answers])
        alone = [model.predict([sample])[0] for sample in samples[:5]]
        assert [answer.trace for answer in alone] == [answer.trace for answer in answers[:5]]
    assert all(low < full for low, full in zip(*fewest, strict=True))
    if task is small.SCORE:
        conforms(method, task, out)
    return model
