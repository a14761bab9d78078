"""Scores of a task and their intervals, in percent.

Every metric here depends on the samples only through how often each (label, value) pair occurs. So a bootstrap
resample is a vector of counts: for classes a multinomial draw over the confusion table, which is the same
distribution as drawing samples one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from elue.errors import ElueError, unknown

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

CHUNK = 2_000_000
"""Numbers held at once while resampling."""


@dataclass(frozen=True, slots=True)
class Score:
    """A metric's value with its confidence interval, in percent."""

    name: str
    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Metric:
    """How a metric is computed: `value` on the samples, `resample` on that many bootstrap resamples of them."""

    kind: Literal["classification", "regression"]
    value: Callable[[Array, Array], float]
    resample: Callable[[Array, Array, np.random.Generator, int], Array]


def score(metric: str, labels: Sequence[float], values: Sequence[float]) -> float:
    """The metric of the answers `values` to samples with these labels, in percent.

    Raises ElueError for an unknown metric, no samples, or not as many values as labels.
    """
    found, label, value = _arrays(metric, labels, values)
    return 100 * found.value(label, value)


def interval(
    metric: str,
    labels: Sequence[float],
    values: Sequence[float],
    seed: int = 0,
    confidence: float = 0.95,
    resamples: int = 1000,
) -> tuple[float, float]:
    """Percentile bootstrap interval over samples (Efron 1979), in percent; the same seed gives the same interval."""
    import numpy as np

    found, label, value = _arrays(metric, labels, values)
    scores = found.resample(label, value, np.random.default_rng(seed), resamples)
    tail = (1 - confidence) / 2
    low, high = np.quantile(scores, [tail, 1 - tail])
    return 100 * float(low), 100 * float(high)


def measure(metric: str, labels: Sequence[float], values: Sequence[float], seed: int = 0) -> Score:
    """The metric with its 95 % interval."""
    return Score(metric, score(metric, labels, values), *interval(metric, labels, values, seed))


def _arrays(metric: str, labels: Sequence[float], values: Sequence[float]) -> tuple[Metric, Array, Array]:
    import numpy as np

    if metric not in METRICS:
        raise unknown("metric", metric, METRICS)
    label, value = np.asarray(labels, dtype=float), np.asarray(values, dtype=float)
    if label.shape != value.shape or label.ndim != 1 or not len(label):
        raise ElueError("unpaired_scores", f"{len(values)} values for {len(labels)} labels: nothing to score.")
    if not np.isfinite(value).all():
        raise ElueError("invalid_values", f"Values to score by {metric} must be finite numbers.")
    return METRICS[metric], label, value


def _accuracy(labels: Array, values: Array) -> float:
    from sklearn.metrics import accuracy_score

    return float(accuracy_score(labels, values))


def _accuracy_resampled(labels: Array, values: Array, generator: np.random.Generator, resamples: int) -> Array:
    count = len(labels)
    return generator.binomial(count, float((labels == values).mean()), resamples) / count


def _accuracy_f1(labels: Array, values: Array) -> float:
    from sklearn.metrics import f1_score

    return (_accuracy(labels, values) + float(f1_score(labels == 1, values == 1, zero_division=0.0))) / 2


def _accuracy_f1_resampled(labels: Array, values: Array, generator: np.random.Generator, resamples: int) -> Array:
    import numpy as np

    count = len(labels)
    cells = np.array([((labels == 1) == left) & ((values == 1) == right) for left in (0, 1) for right in (0, 1)])
    tables = generator.multinomial(count, cells.mean(axis=1), resamples)
    negative, false_alarm, missed, hit = tables.T
    found = 2 * hit + missed + false_alarm
    f1 = np.divide(2 * hit, found, out=np.zeros(resamples), where=found > 0)
    return ((negative + hit) / count + f1) / 2


def _pearson_spearman(labels: Array, values: Array) -> float:
    import warnings

    import numpy as np
    from scipy.stats import pearsonr, spearmanr

    if len(labels) < 2 or np.ptp(labels) == 0 or np.ptp(values) == 0:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nearly constant values are scored as they are
        both = pearsonr(labels, values).statistic + spearmanr(labels, values).statistic
    return float(both) / 2 if np.isfinite(both) else 0.0


def _pearson_spearman_resampled(labels: Array, values: Array, generator: np.random.Generator, resamples: int) -> Array:
    import numpy as np

    count = len(labels)
    groups = [np.unique(numbers, return_inverse=True)[1] for numbers in (labels, values)]
    scores = []
    rows = max(1, CHUNK // count)
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = generator.integers(count, size=(size, count))
        ranks = [_ranks(group[drawn]) for group in groups]
        scores.append((_correlations(labels[drawn], values[drawn]) + _correlations(*ranks)) / 2)
    return np.concatenate(scores)


def _ranks(groups: NDArray[np.intp]) -> Array:
    """Average ranks along each row of small integers, by counting instead of sorting."""
    import numpy as np

    rows, kinds = len(groups), int(groups.max()) + 1
    flat = groups + np.arange(rows)[:, None] * kinds
    counts = np.bincount(flat.ravel(), minlength=rows * kinds).reshape(rows, kinds)
    average = np.cumsum(counts, axis=1) - (counts - 1) / 2
    return average.ravel()[flat]


def _correlations(left: Array, right: Array) -> Array:
    """Pearson's correlation of each row, 0 where either side is constant."""
    import numpy as np

    varied = (np.ptp(left, axis=1) > 0) & (np.ptp(right, axis=1) > 0)
    left = left - left.mean(axis=1, keepdims=True)
    right = right - right.mean(axis=1, keepdims=True)
    scale = np.sqrt(np.einsum("ij,ij->i", left, left) * np.einsum("ij,ij->i", right, right))
    product = np.einsum("ij,ij->i", left, right)
    return np.divide(product, scale, out=np.zeros(len(left)), where=varied & (scale > 0))


METRICS: Mapping[str, Metric] = {
    "accuracy": Metric("classification", _accuracy, _accuracy_resampled),
    "accuracy_f1": Metric("classification", _accuracy_f1, _accuracy_f1_resampled),
    "pearson_spearman": Metric("regression", _pearson_spearman, _pearson_spearman_resampled),
}
"""Accuracy; (accuracy + F1 of class 1) / 2; (Pearson + Spearman) / 2."""
