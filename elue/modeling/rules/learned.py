"""Rules on a learned score of 0 to 1: what speaks against leaving, as the network has learned to tell."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from torch import Tensor

from elue.modeling.ladder import Rule
from elue.modeling.rules import noise
from elue.modeling.rules.sureness import TINY
from elue.modeling.signals import SCORES, Signals


def score(threshold: float) -> Rule:
    """Leave when the score is under the threshold: 0 never leaves, above 1 always (BERxiT, ConsistentEE)."""
    return _score(lambda _: threshold)


def staged_score(thresholds: Sequence[float]) -> Rule:
    """Leave when the score is under the threshold of the way out, one for each but the last (FrugalGPT, 1 - g < δ)."""
    return _score(lambda number: thresholds[number - 1])


def _score(threshold: Callable[[int], float]) -> Rule:
    """The same, with the threshold of each way out, from 1, as a function."""

    def close(seen: Signals) -> np.ndarray:
        return noise.score(seen.of_scores()[:, -1], threshold(seen.number), seen.noise)

    return Rule("score", lambda seen: _under(seen, threshold(seen.number)), needs=(SCORES,), close=close)


def _under(seen: Signals, threshold: float) -> Tensor:
    """How far the latest score is under a threshold, (samples,), as a share of what a sigmoid moves by."""
    said = seen.of_scores()[:, -1]
    return (threshold - said) / (said * (1 - said) + TINY)


def halting(threshold: float) -> Rule:
    """Leave when 1 minus the product of all scores so far is above the threshold: the Q-exit of PALBERT.

    A score is there the probability not to halt, so that is the probability to have halted (arXiv 2204.03276).
    """

    def margin(seen: Signals) -> Tensor:
        going = seen.of_scores().prod(1)
        return (1 - threshold - going) / (going + TINY)

    return Rule("halting", margin, needs=(SCORES,), window=None)


def conformal(quantile: float) -> Rule:
    """Leave when 1 minus the score, the sureness to agree with the last exit, is above a calibrated quantile (CAT)."""
    return replace(score(1 - quantile), name="conformal")
