"""Where float noise could have turned a decision: how far a statistic can move when logits do, and by its own rounding.

Statistics are worked out again in double precision and beside the model, so that to doubt costs a method nothing. To
first order a statistic moves by no more than the sum of its derivatives' sizes times what each logit moves, `moved`.
"""

from __future__ import annotations

import numpy as np
from torch import Tensor

from elue.modeling.signals import LOGIT_NOISE

ROUNDING = 8 * float(np.finfo(np.float32).eps)
"""What a statistic of the order of 1 may differ by in single precision, where its logits are the same.

Twice and more what was measured for up to 20 classes.
"""


def entropy(logits: Tensor, threshold: float, moved: float = LOGIT_NOISE) -> np.ndarray:
    """Where the entropy in nats of logits (..., outputs) is too near a threshold, (...).

    Its derivative by a logit is -p (ln p + entropy): near a uniform guess it hardly moves.
    """
    near, _ = _entropy(logits, threshold, moved)
    return near & (threshold > 0)


def entropies(logits: Tensor, threshold: float, moved: float = LOGIT_NOISE) -> np.ndarray:
    """The same where all ways of (samples, ways, outputs) must be under the threshold, (samples,)."""
    return _turns(*_entropy(logits, threshold, moved)) & (threshold > 0)


def divergences(logits: Tensor, others: Tensor, threshold: float, moved: float = LOGIT_NOISE) -> np.ndarray:
    """Where Jensen-Shannon divergences (samples, ways) of which all must be under a threshold are too near it.

    The derivative by a logit of p is p (ln p/m - KL(p, m)) / 2, that by ln p is p ln(p/m) / 2, and so for the other
    distribution. Both are 0 where the two are equal: there what noise and rounding make of it is of second order.
    """
    (p, log_p), (q, log_q) = _softmax(logits), _softmax(others)
    log_m = np.logaddexp(log_p, log_q) - np.log(2)
    nats, moves, rounds = np.zeros(p.shape[:-1]), np.zeros(p.shape[:-1]), ROUNDING / 4 * np.abs(p - q).sum(-1)
    for own, log_own in ((p, log_p), (q, log_q)):
        apart = (own * (log_own - log_m)).sum(-1)
        nats += apart / 2
        moves += (own * np.abs(log_own - log_m - apart[..., None])).sum(-1) / 2
        rounding = ROUNDING / 4 * (1 + np.abs(log_own))
        rounds += (own * rounding * (np.abs(log_own - log_m) / 2 + rounding)).sum(-1)
    return _turns(_near(nats - threshold, moved * (moves + moved), rounds + ROUNDING / 2 * nats), nats < threshold)


def score(said: Tensor, threshold: float, moved: float = LOGIT_NOISE) -> np.ndarray:
    """Where a learned score, a sigmoid, (samples,), is too near a threshold: its derivative is s (1 - s)."""
    values = said.numpy().astype(np.float64)
    return _near(values - threshold, moved * values * (1 - values), ROUNDING / 2 * values)


def confidence(logits: Tensor, threshold: float, moved: float = LOGIT_NOISE) -> np.ndarray:
    """Where the highest probability, of the means over ways of (samples, ways, outputs), is too near a threshold.

    The derivative of a probability by its own logit is p (1 - p), and those by the others add up to the same. The
    highest rests on one exponential that is exactly 1, so that it is rounded when they are summed, and at the end.
    """
    p, _ = _softmax(logits)
    moves = (2 * p * (1 - p)).mean(1).max(-1)
    rounding = min(ROUNDING, ROUNDING / 8 * (logits.shape[-1] + logits.shape[1]))
    return _near(p.mean(1).max(-1) - threshold, moved * moves, rounding) & (0 < threshold < 1)


def energy(logits: Tensor, least: float, moved: float = LOGIT_NOISE) -> np.ndarray:
    """Where the logsumexp of logits (..., outputs), whose derivatives add up to 1, is too near the least, (...)."""
    values = np.logaddexp.reduce(logits.numpy().astype(np.float64), -1)
    return _near(values - least, moved, ROUNDING / 2 * (1 + np.abs(values)))


def gap(logits: Tensor, threshold: float, moved: float = LOGIT_NOISE) -> np.ndarray:
    """Where the highest probability of logits (..., outputs) less the next is too near a threshold, (...)."""
    p, _ = _softmax(logits)
    ordered = np.sort(p, -1)
    best, next_best = ordered[..., -1], ordered[..., -2]
    apart = best - next_best
    moves = best * (1 - apart) + next_best * (1 + apart) + (1 - best - next_best) * apart
    return _near(apart - threshold, moved * moves, 2 * ROUNDING) & (threshold < 1)


def _entropy(logits: Tensor, threshold: float, moved: float) -> tuple[np.ndarray, np.ndarray]:
    """Where the entropy is near the threshold, and where it is under it."""
    p, log_p = _softmax(logits)
    nats = -(p * log_p).sum(-1)
    moves = (p * np.abs(log_p + nats[..., None])).sum(-1)
    return _near(nats - threshold, moved * moves, ROUNDING / 2 * (1 + nats)), nats < threshold


def _turns(near: np.ndarray, under: np.ndarray) -> np.ndarray:
    """Where all ways, (samples, ways), may be under a threshold and one of them is near it, (samples,)."""
    turns: np.ndarray = near.any(1) & (near | under).all(1)
    return turns


def _softmax(logits: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities and their logarithms over the last dimension, in double precision."""
    shifted = logits.numpy().astype(np.float64)
    shifted = shifted - shifted.max(-1, keepdims=True)
    log_p = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return np.exp(log_p), log_p


def _near(distance: np.ndarray, moves: np.ndarray | float, rounding: np.ndarray | float) -> np.ndarray:
    near: np.ndarray = np.abs(distance) <= moves + rounding
    return near
