"""Records whose scores are known, and plain slow versions of what scoring computes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from elue.record import files as records
from elue.record.board import CurveKey
from elue.record.schema import Record
from elue.scores.comparing import compare
from elue.scores.results import BoardScores
from elue.tasks import metrics
from tests.record.test_files import make_record


def against_static(own: Iterable[Record], reference: str | CurveKey | None = "static", **options: Any) -> BoardScores:
    """The board compared with its method `static`, or another."""
    return compare(own, reference, **options)


Points = Sequence[tuple[float, float]]


def run(
    method: str,
    values: Sequence[float],
    labels: Sequence[float],
    flops: Sequence[int],
    *,
    metric: str = "accuracy",
    knob: float = 0,
    seed: int = 0,
    weights: str | None = None,
    params: int = 7,
    touched: float = 5.0,
    task: str = "mine",
    **changes: object,
) -> Record:
    """A whole record of these answers to samples with these labels."""
    kind = metrics.get(metric).kinds[0]
    pairs = list(zip(values, labels, strict=True))
    errors = [float(v != y) if kind == "classification" else v - y for v, y in pairs]
    base = make_record()
    record = base.model_copy(
        update={
            "method": base.method.model_copy(update={"name": method}),
            "task": base.task.model_copy(update={"name": task, "metric": metric, "kind": kind, "size": len(pairs)}),
            "point": {"knob": knob},
            "seed": seed,
            "score": base.score.model_copy(update={"name": metric, "value": metrics.score(metric, labels, values)}),
            "flops": base.flops.model_copy(update={"mean": float(np.mean(flops))}),
            "params": base.params.model_copy(update={"total": params, "touched_mean": touched}),
            "samples": base.samples.model_copy(
                update={
                    "id": tuple(str(i) for i in range(len(pairs))),
                    "value": tuple(float(v) for v in values),
                    "error": tuple(errors),
                    "flops": tuple(int(f) for f in flops),
                    "matmul_flops": tuple(int(f) for f in flops),
                    "params_touched": (5,) * len(pairs),
                }
            ),
        }
    )
    if weights:
        record = Record.model_validate(
            {**record.model_dump(by_alias=True), "weights": {"digest": weights, "training": None}}
        )
    record = record.model_copy(update=changes)
    return record.model_copy(update={"key": records.identity(record).key})


def answers(labels: Sequence[float], accuracy: float, generator: np.random.Generator) -> list[float]:
    """Answers to two-class samples, right with this probability."""
    return [float(y if generator.random() < accuracy else 1 - y) for y in labels]


def envelope(points: Points, budget: float, floor: float) -> float:
    """The best of all single points within the budget and of all mixtures of two that cost just as much."""
    free = [(0.0, floor), *points]
    best = max(score for cost, score in free if cost <= budget)
    for low, bottom in free:
        for high, top in free:
            if low <= budget < high:
                best = max(best, bottom + (top - bottom) * (budget - low) / (high - low))
    return best


def area(points: Points, low: float, high: float, floor: float, steps: int = 4000) -> float:
    """The mean of `envelope` over budgets even in their logarithm, by the midpoint rule."""
    width = math.log(high / low) / steps
    return sum(envelope(points, low * math.exp(width * (i + 0.5)), floor) for i in range(steps)) / steps


def old_score(points: Points, anchors: Points) -> float:
    """The score of 2022, spelled out: each point against the line of the two anchors beside it."""
    anchors = sorted(anchors)
    total = 0.0
    for cost, score in points:
        if cost >= anchors[-1][0]:
            total += score - anchors[-1][1]
            continue
        (left, bottom), (right, top) = anchors[0], anchors[1]
        for start, end in pairwise(anchors):
            if start[0] <= cost:
                (left, bottom), (right, top) = start, end
        total += score - (bottom * (right - cost) + top * (cost - left)) / (right - left)
    return total / len(points)
