"""Networks of keeping methods at random weights, and what each of their layers does in plain words."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from elue.meter import Meter, profile
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.method import TrainedMethod
from elue.modeling.text import TextEncoder
from elue.protocol import Point, Prediction, Sample, TaskInfo
from elue.worker.inside.pricing import Pricer
from tests import small

THREE = TaskInfo("three", "classification", ("a", "b", "c"))
TASKS = [small.CLASSES, THREE, small.SCORE]
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
def holds(model: Any, points: Sequence[Point], plain: Plain, samples: Sequence[Sample] = SAMPLES) -> None:
    """Answers and rows are those of the plain words, alone and among others, and prices are what executes."""
    pricer, kept = Pricer(profile.load("elue-1")), set()
    for point in points:
        model.configure(point)
        together = model.predict(samples)
        for number, (sample, prediction) in enumerate(zip(samples, together, strict=True)):
            rows, wanted = plain(model.network, sample, point)
            assert rows_of(prediction) == rows, (point, sample)
            assert said(prediction, model.task) == _near(wanted), (point, sample)
            kept.add(tuple(rows))
            if number % 5 == 0:
                with Meter(modules=model.modules()) as meter:
                    (alone,) = model.predict([sample])
                assert alone.trace == prediction.trace
                assert said(alone, model.task) == _near(said(prediction, model.task))
                priced, _ = pricer.price(model, list(model.modules()), prediction.trace)
                assert meter.complete, meter.unknown
                assert (priced.flops, priced.params_touched) == (meter.flops, meter.params_touched)
    assert len(kept) > len(samples) // 20


def _near(values: Sequence[float]) -> Any:
    import pytest

    return pytest.approx(values, abs=1e-4)


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
