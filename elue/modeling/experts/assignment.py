"""Balanced assignment: every expert gets as many rows as the others, and the sum of scores is the highest there is."""

from __future__ import annotations

import numpy as np

AT_ONCE = 1024
"""Rows that are assigned together: the effort grows with the cube."""


def balanced(scores: np.ndarray, at_once: int = AT_ONCE) -> np.ndarray:
    """The expert of each row of `scores` (rows, E), (rows,): of every `at_once` rows no expert has more than its share.

    Within these the sum of scores is the highest possible (BASE layers, eq. 2). Scores that are not finite count as the
    lowest that is, or as 0 where none is.
    """
    from scipy.optimize import linear_sum_assignment

    lowest = np.min(scores, initial=np.inf, where=np.isfinite(scores))
    finite = np.where(np.isfinite(scores), scores, lowest if np.isfinite(lowest) else 0.0)
    expert = np.zeros(len(scores), dtype=np.int64)
    for start in range(0, len(scores), at_once):
        block = finite[start : start + at_once]
        seats = -(-len(block) // block.shape[1])
        row, seat = linear_sum_assignment(np.repeat(block, seats, 1), maximize=True)
        expert[start + row] = seat // seats
    return expert
