"""Drawing samples for a bootstrap (Efron 1979), in chunks that fit into memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

RESAMPLES = 1000
"""Bootstrap resamples behind an interval unless another number is asked for."""
INDICES_AT_ONCE = 2_000_000
"""Numbers held at once while resampling."""


def drawn(generator: np.random.Generator, samples: int, resamples: int) -> Iterator[NDArray[np.int64]]:
    """Indices of drawn samples, (some, samples) at a time; how large the chunks are does not change what is drawn."""
    rows = max(1, INDICES_AT_ONCE // samples)
    for start in range(0, resamples, rows):
        yield generator.integers(samples, size=(min(rows, resamples - start), samples))


def counts_of(drawn: NDArray[np.int64]) -> NDArray[np.float64]:
    """How often each sample was drawn, (resamples, samples), from indices of that shape, which this spoils."""
    import numpy as np

    size, samples = drawn.shape
    drawn += np.arange(size)[:, None] * samples
    return np.bincount(drawn.ravel(), minlength=size * samples).reshape(size, samples).astype(float)
