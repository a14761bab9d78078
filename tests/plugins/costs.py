"""What parts of encoders cost under elue-1, in closed form: 2 a multiply-add, 1 an output of what is pointwise."""

from __future__ import annotations

SOFTMAX, NORM = 5, 7
"""A number that goes through a softmax, or through a norm."""
EXPONENTIAL = 4
DECISION = 4
"""A difference to a threshold, over its noise, which is kept from 0, and a comparison."""


def product(rows: int, inputs: int, outputs: int) -> int:
    """A linear map of rows; its bias is free."""
    return 2 * rows * inputs * outputs


def embedded(tokens: int, width: int) -> int:
    """Two sums and a norm."""
    return (2 + NORM) * tokens * width


def attended(asking: int, tokens: int, width: int, heads: int) -> int:
    """Scores and their use, the softmax, and the scale, on whichever is smallest."""
    scores = heads * asking * tokens
    return 4 * asking * tokens * width + SOFTMAX * scores + min(asking * width, tokens * width, scores)


def merged(rows: int, width: int) -> int:
    """The output map, residual and norm of an attention half."""
    return product(rows, width, width) + (1 + NORM) * rows * width


def fed_forward(rows: int, width: int, inner: int) -> int:
    """Two maps with an activation between, residual and norm."""
    return 2 * product(rows, width, inner) + rows * inner + (1 + NORM) * rows * width


def layer(tokens: int, width: int, inner: int, heads: int) -> int:
    """A whole layer."""
    maps = 3 * product(tokens, width, width)
    return maps + attended(tokens, tokens, width, heads) + merged(tokens, width) + fed_forward(tokens, width, inner)


def pooled(tokens: int, width: int) -> int:
    """The mean of a sample's tokens."""
    return tokens * width


def headed(tokens: int, width: int, outputs: int) -> int:
    """A task head: the mean, a dense map with tanh, and a linear one."""
    return pooled(tokens, width) + product(1, width, width) + width + product(1, width, outputs)


def answered(outputs: int) -> int:
    """Probabilities of classes; a number is answered as it is."""
    return SOFTMAX * outputs if outputs > 1 else 0


def by_entropy(outputs: int) -> int:
    """Σ p ln p of a log-softmax, an exponential being 4 a number, and a decision on it."""
    return (SOFTMAX + EXPONENTIAL + 2) * outputs + 1 + DECISION
