"""Rules on a learned score of 0 to 1: what speaks against leaving, as the network has learned to tell."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor

from elue.modeling.ladder import Rule
from elue.modeling.rules.sureness import TINY
from elue.modeling.signals import SCORES, Signals


def score(threshold: float) -> Rule:
    """Leave when the score is under the threshold: 0 never leaves, above 1 always (BERxiT, ConsistentEE)."""
    return Rule("score", lambda seen: _under(seen, threshold), needs=(SCORES,))


def staged_score(thresholds: Sequence[float]) -> Rule:
    """Leave when the score is under the threshold of the way out, one for each but the last (FrugalGPT, 1 - g < δ)."""
    return Rule("score", lambda seen: _under(seen, thresholds[seen.number - 1]), needs=(SCORES,))


def _under(seen: Signals, threshold: float) -> Tensor:
    """How far the latest score is under a threshold, (samples,).

    A sigmoid moves by no more than score · (1 - score) of what its input moves.
    """
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
    return Rule("conformal", score(1 - quantile).margin, needs=(SCORES,))
