"""Metrics of classes: they depend on the samples only through how often each (label, answer) pair occurs.

So a bootstrap resample is a multinomial draw over the confusion table, which is the same distribution as drawing
samples one by one. See `elue.tasks.metrics.Metric` for the three forms of a metric and their shapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def accuracy(labels: Array, values: Array) -> float:
    """The share of right answers."""
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(labels, values))


def accuracy_resampled(labels: Array, values: Array, generator: np.random.Generator, resamples: int) -> Array:
    """Accuracy on resamples, (resamples,)."""
    count = len(labels)
    return generator.binomial(count, float((labels == values).mean()), resamples) / count


def accuracy_counted(labels: Array, values: Array, counts: Array) -> Array:
    """Accuracy on rows of counts, (rows, runs)."""
    right: Array = counts @ (labels == values).astype(float)
    return right / len(values)


def accuracy_f1(labels: Array, values: Array) -> float:
    """The mean of accuracy and F1 of class 1; F1 is 0 where that class is neither there nor answered."""
    from sklearn.metrics import f1_score

    return (accuracy(labels, values) + float(f1_score(labels == 1, values == 1, zero_division=0.0))) / 2


def accuracy_f1_resampled(labels: Array, values: Array, generator: np.random.Generator, resamples: int) -> Array:
    """`accuracy_f1` on resamples, (resamples,)."""
    import numpy as np

    count = len(labels)
    cells = np.array([((labels == 1) == left) & ((values == 1) == right) for left in (0, 1) for right in (0, 1)])
    tables = generator.multinomial(count, cells.mean(axis=1), resamples)
    negative, false_alarm, missed, hit = tables.T
    found = 2 * hit + missed + false_alarm
    f1 = np.divide(2 * hit, found, out=np.zeros(resamples), where=found > 0)
    return ((negative + hit) / count + f1) / 2


def accuracy_f1_counted(labels: Array, values: Array, counts: Array) -> Array:
    """`accuracy_f1` on rows of counts, (rows, runs)."""
    import numpy as np

    hit: Array = counts @ ((values == 1) & (labels == 1)).astype(float)
    found: Array = counts @ (values == 1).astype(float) + counts @ (labels == 1).astype(float)
    f1 = np.divide(2 * hit, found, out=np.zeros_like(hit), where=found > 0)
    return (accuracy_counted(labels, values, counts) + f1) / 2
