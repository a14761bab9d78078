"""Metrics of answers that are right or wrong. They depend on the samples only through their confusion table.

So a bootstrap resample is a multinomial draw over its cells, the (label, answer) pairs, which is the same distribution
as drawing samples one by one. See `elue.tasks.metrics.Metric` for the three forms of a metric and their shapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from elue.tasks.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Counted = Callable[[Array, Array, Array], Array]


def accuracy(labels: Array, values: Array) -> float:
    """The share of right answers."""
    return float((labels == values).mean())


def accuracy_resampled(labels: Array, values: Array, generator: np.random.Generator, resamples: int) -> Array:
    """Accuracy on resamples, (resamples,)."""
    count = len(labels)
    return generator.binomial(count, float((labels == values).mean()), resamples) / count


def accuracy_counted(labels: Array, values: Array, counts: Array) -> Array:
    """Accuracy on rows of counts, (rows, runs)."""
    right: Array = counts @ (labels == values).astype(float)
    return right / counts.sum(axis=1)[:, None]


def accuracy_f1(labels: Array, values: Array) -> float:
    """The mean of accuracy and F1 of class 1; F1 is 0 where that class is neither there nor answered."""
    right, positives = ((labels == 1) & (values == 1)).sum(), (labels == 1).sum() + (values == 1).sum()
    f1 = float(2 * right / positives) if positives else 0.0
    return (accuracy(labels, values) + f1) / 2


def accuracy_f1_resampled(labels: Array, values: Array, generator: np.random.Generator, resamples: int) -> Array:
    """`accuracy_f1` on resamples, (resamples,)."""
    import numpy as np

    count = len(labels)
    cells = np.array([((labels == 1) == left) & ((values == 1) == right) for left in (0, 1) for right in (0, 1)])
    tables = generator.multinomial(count, cells.mean(axis=1), resamples)
    negative, false_alarm, missed, hit = tables.T
    positives = 2 * hit + missed + false_alarm
    f1 = np.divide(2 * hit, positives, out=np.zeros(resamples), where=positives > 0)
    return ((negative + hit) / count + f1) / 2


def accuracy_f1_counted(labels: Array, values: Array, counts: Array) -> Array:
    """`accuracy_f1` on rows of counts, (rows, runs)."""
    import numpy as np

    hit: Array = counts @ ((values == 1) & (labels == 1)).astype(float)
    positives: Array = counts @ (values == 1).astype(float) + counts @ (labels == 1).astype(float)
    f1 = np.divide(2 * hit, positives, out=np.zeros_like(hit), where=positives > 0)
    return (accuracy_counted(labels, values, counts) + f1) / 2


def exact_match(labels: Array, values: Array) -> float:
    """The share of answers that are the label; numbers may differ by float noise, which no class does."""
    return float(KINDS["regression"].right(values, labels).mean())


def exact_match_resampled(labels: Array, values: Array, generator: np.random.Generator, resamples: int) -> Array:
    """`exact_match` on resamples, (resamples,)."""
    return generator.binomial(len(labels), exact_match(labels, values), resamples) / len(labels)


def exact_match_counted(labels: Array, values: Array, counts: Array) -> Array:
    """`exact_match` on rows of counts, (rows, runs)."""
    right: Array = counts @ KINDS["regression"].right(values, labels).astype(float)
    return right / counts.sum(axis=1)[:, None]


def macro_f1(labels: Array, values: Array) -> float:
    """The mean of F1 over all classes that are there or answered."""
    return _once(macro_f1_counted, labels, values)


def macro_f1_resampled(labels: Array, values: Array, generator: np.random.Generator, resamples: int) -> Array:
    """`macro_f1` on resamples, (resamples,)."""
    return _from_table(macro_f1_counted, labels, values, generator, resamples)


def macro_f1_counted(labels: Array, values: Array, counts: Array) -> Array:
    """`macro_f1` on rows of counts, (rows, runs)."""
    import numpy as np

    hits, answered, there = _margins(labels, values, counts)
    either = answered + there
    f1 = np.divide(2 * hits, either, out=np.zeros_like(either), where=either > 0)
    mean: Array = f1.sum(axis=0) / (either > 0).sum(axis=0)
    return mean


def matthews(labels: Array, values: Array) -> float:
    """The correlation of classes (Matthews 1975; Gorodkin 2004 for more than two), 0 where either side is one class."""
    return _once(matthews_counted, labels, values)


def matthews_resampled(labels: Array, values: Array, generator: np.random.Generator, resamples: int) -> Array:
    """`matthews` on resamples, (resamples,)."""
    return _from_table(matthews_counted, labels, values, generator, resamples)


def matthews_counted(labels: Array, values: Array, counts: Array) -> Array:
    """`matthews` on rows of counts, (rows, runs)."""
    import numpy as np

    hits, answered, there = _margins(labels, values, counts)
    count = counts.sum(axis=1)[:, None]
    product = count * hits.sum(axis=0) - (answered * there).sum(axis=0)
    spread = (count**2 - (answered**2).sum(axis=0)) * (count**2 - (there**2).sum(axis=0))
    correlation: Array = np.divide(product, np.sqrt(spread), out=np.zeros_like(product), where=spread > 0)
    return correlation


def _margins(labels: Array, values: Array, counts: Array) -> tuple[Array, Array, Array]:
    """How often each class was answered rightly, was answered, and was the label: (classes, rows, runs) each."""
    import numpy as np

    shape = len(counts), values.shape[1]
    parts = []
    for label in np.union1d(labels, values):
        answered, there = values == label, labels == label
        parts.append([np.broadcast_to(counts @ of.astype(float), shape) for of in (answered & there, answered, there)])
    hits, answered, there = np.array(parts).transpose(1, 0, 2, 3)
    return hits, answered, there


def _once(counted: Counted, labels: Array, values: Array) -> float:
    """A metric on the samples as they are, from its form on counts."""
    import numpy as np

    return float(counted(labels[:, None], values[:, None], np.ones((1, len(labels))))[0, 0])


def _from_table(
    counted: Counted, labels: Array, values: Array, generator: np.random.Generator, resamples: int
) -> Array:
    """A metric on resamples of the confusion table: its cells stand for their samples."""
    import numpy as np

    cells, many = np.unique(np.stack([labels, values]), axis=1, return_counts=True)
    counts = generator.multinomial(len(labels), many / len(labels), resamples).astype(float)
    return counted(cells[0][:, None], cells[1][:, None], counts)[:, 0]
