"""Metrics as they are defined, in plain Python, and data to score."""

from __future__ import annotations

import random
import statistics
from collections.abc import Sequence


def classes(count: int, seed: int = 0, right: float = 0.8) -> tuple[list[int], list[int]]:
    draw = random.Random(seed)
    labels = [int(draw.random() < 0.65) for _ in range(count)]
    return labels, [label if draw.random() < right else 1 - label for label in labels]


def numbers(count: int, seed: int = 0) -> tuple[list[float], list[float]]:
    """Labels with many ties, as in STS-B, and noisy answers with a few."""
    draw = random.Random(seed)
    labels = [round(5 * draw.random(), 1) for _ in range(count)]
    return labels, [round(label + draw.gauss(0, 1), 2) for label in labels]


def accuracy(labels: Sequence[float], values: Sequence[float]) -> float:
    return 100 * sum(label == value for label, value in zip(labels, values, strict=True)) / len(labels)


def f1(labels: Sequence[float], values: Sequence[float]) -> float:
    pairs = list(zip(labels, values, strict=True))
    hits = pairs.count((1, 1))
    precision = hits / sum(value == 1 for value in values)
    recall = hits / sum(label == 1 for label in labels)
    return 100 * 2 * precision * recall / (precision + recall)


def ranks(values: Sequence[float]) -> list[float]:
    """Average ranks: how many are smaller, plus half of those as large."""
    return [sum(other < value for other in values) + values.count(value) / 2 for value in values]


def correlation(labels: Sequence[float], values: Sequence[float]) -> float:
    pearson = statistics.correlation(labels, values)
    spearman = statistics.correlation(ranks(labels), ranks(values))
    return 100 * (pearson + spearman) / 2


def accuracy_f1(labels: Sequence[float], values: Sequence[float]) -> float:
    return (accuracy(labels, values) + f1(labels, values)) / 2


def three_classes(count: int, seed: int = 0) -> tuple[list[int], list[int]]:
    """Labels of classes of unlike size, and answers that mix two of them up more often than others."""
    draw = random.Random(seed)
    labels = draw.choices([0, 1, 2], [6, 3, 1], k=count)
    return labels, [draw.choices([label, (label + 1) % 3, 0], [6, 3, 1])[0] for label in labels]


def macro_f1(labels: Sequence[float], values: Sequence[float]) -> float:
    pairs = list(zip(labels, values, strict=True))
    scores = []
    for one in {*labels, *values}:
        hits = pairs.count((one, one))
        scores.append(2 * hits / (sum(v == one for v in values) + sum(y == one for y in labels)))
    return 100 * statistics.mean(scores)


def matthews(labels: Sequence[float], values: Sequence[float]) -> float:
    """The correlation of one-hot labels and answers, all their entries centred class by class."""
    both = []
    for side in (labels, values):
        rows = [[float(each == one) for each in side] for one in sorted({*labels, *values})]
        both.append([entry - mean for row in rows for mean in [statistics.fmean(row)] for entry in row])
    left, right = both
    scale = sum(entry**2 for entry in left) * sum(entry**2 for entry in right)
    return 100 * sum(a * b for a, b in zip(left, right, strict=True)) / scale**0.5 if scale > 1e-9 else 0.0


def whole_numbers(count: int, seed: int = 0) -> tuple[list[float], list[float]]:
    labels, values = numbers(count, seed)
    return [round(label) for label in labels], [round(value) for value in values]


def squared(labels: Sequence[float], values: Sequence[float]) -> float:
    error = statistics.mean((v - y) ** 2 for v, y in zip(values, labels, strict=True))
    return 100 * max(-1, 1 - error / statistics.pvariance(labels))


def absolute(labels: Sequence[float], values: Sequence[float]) -> float:
    error = statistics.mean(abs(v - y) for v, y in zip(values, labels, strict=True))
    middle = statistics.median(labels)
    return 100 * max(-1, 1 - error / statistics.mean(abs(y - middle) for y in labels))


DEFINITIONS = {
    "accuracy": (accuracy, classes),
    "accuracy_f1": (accuracy_f1, classes),
    "pearson_spearman": (correlation, numbers),
    "macro_f1": (macro_f1, three_classes),
    "matthews": (matthews, three_classes),
    "exact_match": (accuracy, whole_numbers),
    "mean_squared_error": (squared, numbers),
    "mean_absolute_error": (absolute, numbers),
}
ERRORS = ("mean_squared_error", "mean_absolute_error")
