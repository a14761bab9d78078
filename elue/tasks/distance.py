"""Metrics of errors, which are better the lower they are, as scores that are better the higher they are.

An error e is scored by 1 - e / c, where c is the error of the best constant answer to the same samples: their mean for
squares, their median for distances. So 1 is no error, and 0 is what one and the same answer to everything reaches at
best. For squares it is the coefficient of determination, for distances its absolute sister; scikit-learn has them as
`r2_score` and `d2_absolute_error_score`. An error of more than twice the constant's scores -1, as one of just twice:
answers so far off are all as useless, and one of them must not stretch a whole board.
Where all labels are the same, no error at all scores 1 and any other 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]

FAR = 1e100
"""No answer counts as further from its label than this: squares stay finite."""
NONE = 1e-9
"""An error this small, relative above 1, is none: labels found again from answers carry rounding."""


def squared(labels: Array, values: Array) -> float:
    """The score of the mean squared error."""
    return float(squared_counted(labels[:, None], values[:, None], _ones(labels))[0, 0])


def squared_counted(labels: Array, values: Array, counts: Array) -> Array:
    """`squared` on rows of counts, (rows, runs); labels (samples, 1)."""
    count = counts.sum(axis=1)[:, None]
    centred = labels - labels.mean()
    mean = counts @ centred / count
    constant = counts @ centred**2 / count - mean**2
    return _score(counts @ _distance(labels, values) ** 2 / count, constant, labels, counts, 2)


def absolute(labels: Array, values: Array) -> float:
    """The score of the mean absolute error."""
    return float(absolute_counted(labels[:, None], values[:, None], _ones(labels))[0, 0])


def absolute_counted(labels: Array, values: Array, counts: Array) -> Array:
    """`absolute` on rows of counts, (rows, runs); labels (samples, 1)."""
    import numpy as np

    count = counts.sum(axis=1)[:, None]
    order = np.argsort(labels[:, 0], kind="stable")
    middle = (np.cumsum(counts[:, order], axis=1) < count / 2).sum(axis=1)
    medians = labels[order, 0][middle]
    constant = (counts * np.abs(labels[:, 0] - medians[:, None])).sum(axis=1, keepdims=True) / count
    return _score(counts @ _distance(labels, values) / count, constant, labels, counts, 1)


def _score(error: Array, constant: Array, labels: Array, counts: Array, power: int) -> Array:
    """1 - error / constant, no less than -1: (rows, runs) of errors (rows, runs) and constants' (rows, 1)."""
    import numpy as np

    drawn = np.where(counts > 0, labels[:, 0], np.nan)
    varied = np.nanmax(drawn, axis=1) > np.nanmin(drawn, axis=1)
    none = error <= (NONE * max(1.0, float(np.abs(labels).max()))) ** power
    ratio = error / np.where(varied & (constant[:, 0] > 0), constant[:, 0], 1)[:, None]
    scores: Array = np.where(varied[:, None], np.maximum(1 - ratio, -1), np.where(none, 1.0, 0.0))
    return scores


def _distance(labels: Array, values: Array) -> Array:
    import numpy as np

    with np.errstate(over="ignore"):
        return np.minimum(np.abs(values - labels), FAR)


def _ones(labels: Array) -> Array:
    import numpy as np

    return np.ones((1, len(labels)))
