"""The mean of Pearson's and Spearman's correlation, in the three forms of `elue.tasks.metrics.Metric`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elue.tasks.drawing import drawn

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


def pearson_spearman(labels: Array, values: Array) -> float:
    """The mean of both; 0 where either side is constant."""
    import warnings

    import numpy as np
    from scipy.stats import pearsonr, spearmanr

    if len(labels) < 2 or np.ptp(labels) == 0 or np.ptp(values) == 0:
        return 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nearly constant values are scored as they are
        both = pearsonr(labels, values).statistic + spearmanr(labels, values).statistic
    return float(both) / 2 if np.isfinite(both) else 0.0


def pearson_spearman_resampled(labels: Array, values: Array, generator: np.random.Generator, resamples: int) -> Array:
    """`pearson_spearman` on resamples, (resamples,)."""
    import numpy as np

    groups = [np.unique(numbers, return_inverse=True)[1] for numbers in (labels, values)]
    scores = []
    for rows in drawn(generator, len(labels), resamples):
        ranks = [_ranks(group[rows]) for group in groups]
        scores.append((_correlations(labels[rows], values[rows]) + _correlations(*ranks)) / 2)
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


def pearson_spearman_counted(labels: Array, values: Array, counts: Array) -> Array:
    """`pearson_spearman` on rows of counts, (rows, runs)."""
    label = labels[:, 0]
    return (_pearson(label, values, counts) + _spearman(label, values, counts)) / 2


def _pearson(labels: Array, values: Array, counts: Array) -> Array:
    """Pearson's correlation on each row of counts, 0 where either side is constant."""
    import numpy as np

    count = counts.sum(axis=1)[:, None]
    left, right = _standard(labels[:, None]), _standard(values)
    left_mean, right_mean = counts @ left / count, counts @ right / count
    left_spread = counts @ left**2 / count - left_mean**2
    right_spread = counts @ right**2 / count - right_mean**2
    product = counts @ (left * right) / count - left_mean * right_mean
    varied = (left_spread > 1e-12) & (right_spread > 1e-12)
    return np.where(varied, product / np.sqrt(np.where(varied, left_spread * right_spread, 1)), 0.0)


def _standard(values: Array) -> Array:
    """Columns with mean 0 and variance 1; a constant one is all 0."""
    import numpy as np

    centred: Array = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    return np.where(np.ptp(values, axis=0) > 0, centred / np.where(spread > 0, spread, 1), 0.0)


def _spearman(labels: Array, values: Array, counts: Array) -> Array:
    """Spearman's correlation on each row of counts: average ranks by counting, since only counts change."""
    import numpy as np

    count = counts.sum(axis=1)
    by_sample = np.ascontiguousarray(counts.T)
    order, starts = _ties(labels)
    sizes, ranks = _counted_ranks(by_sample, order, starts)
    mean = (count + 1) / 2
    label_spread = (sizes * ranks**2).sum(axis=0) - count * mean**2
    weighted = np.empty_like(by_sample)
    weighted[order] = np.repeat(ranks, np.diff(np.append(starts, len(labels))), axis=0)
    weighted *= by_sample
    correlations = np.zeros((len(counts), values.shape[1]))
    for column in range(values.shape[1]):
        order, starts = _ties(values[:, column])
        sizes, ranks = _counted_ranks(by_sample, order, starts)
        spread = (sizes * ranks**2).sum(axis=0) - count * mean**2
        product = (ranks * _grouped(weighted, order, starts)).sum(axis=0) - count * mean**2
        varied = (spread > 0) & (label_spread > 0)
        root = np.sqrt(np.where(varied, spread * label_spread, 1))
        correlations[:, column] = np.where(varied, product / root, 0.0)
    return correlations


def _ties(values: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The order of the values, and where in it each distinct value begins."""
    import numpy as np

    order = np.argsort(values, kind="stable")
    return order, np.flatnonzero(np.r_[True, np.diff(values[order]) > 0])


def _grouped(by_sample: Array, order: NDArray[np.intp], starts: NDArray[np.intp]) -> Array:
    """Sums over samples of equal value, a row a value, a column a resample."""
    import numpy as np

    ordered = by_sample[order]
    return ordered if len(starts) == len(order) else np.add.reduceat(ordered, starts, axis=0)


def _counted_ranks(by_sample: Array, order: NDArray[np.intp], starts: NDArray[np.intp]) -> tuple[Array, Array]:
    """How often each distinct value was drawn, and the average rank of those draws."""
    import numpy as np

    sizes = _grouped(by_sample, order, starts)
    return sizes, np.cumsum(sizes, axis=0) - (sizes - 1) / 2


def pearson_spearman_influence(labels: Array, values: Array) -> Array:
    """The influence of each sample on `pearson_spearman`, (samples, runs); 0 where either side is constant.

    That of a correlation of standard x and y is x y - r (x² + y²) / 2 (Devlin, Gnanadesikan and Kettenring 1975);
    Spearman's has, beside it, what a sample does to the ranks of all others (Croux and Dehon 2010).
    """
    import numpy as np

    left = _standard(labels)
    grades, weight = _grades(labels[:, 0])
    parts = np.zeros(values.shape)
    for column in range(values.shape[1]):
        right = _standard(values[:, column : column + 1])
        if not (left.any() and right.any()):
            continue
        parts[:, column] = _influence(left[:, 0], right[:, 0])
        own, own_weight = _grades(values[:, column])
        spread, own_spread = (grades**2).mean(), (own**2).mean()
        rho = (grades * own).mean() / np.sqrt(spread * own_spread)
        product = grades * own + weight(own) + own_weight(grades)
        squares = (grades**2 + 2 * weight(grades)) / spread + (own**2 + 2 * own_weight(own)) / own_spread
        parts[:, column] += product / np.sqrt(spread * own_spread) - rho / 2 * squares
    influence: Array = (parts - parts.mean(axis=0)) / 2
    return influence


def _influence(left: Array, right: Array) -> Array:
    return left * right - (left * right).mean() / 2 * (left**2 + right**2)


def _grades(values: Array) -> tuple[Array, Callable[[Array], Array]]:
    """Average ranks as shares about their mean, and what a sample adds to a mean over all through their ranks.

    The second, of factors a, is the mean over samples of a where they lie above, and half where they are equal.
    """
    import numpy as np

    order, starts = _ties(values)
    sizes = np.diff(np.append(starts, len(values)))
    ranks = np.empty(len(values))
    ranks[order] = np.repeat(np.cumsum(sizes) - (sizes - 1) / 2, sizes)

    def above(factors: Array) -> Array:
        sums = np.add.reduceat(factors[order], starts)
        higher = sums.sum() - np.cumsum(sums) + sums / 2
        added = np.empty(len(values))
        added[order] = np.repeat(higher, sizes)
        return added / len(values)

    return ranks / len(values) - (len(values) + 1) / (2 * len(values)), above
