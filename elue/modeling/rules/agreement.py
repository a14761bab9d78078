"""Rules that look at several ways out: do they say the same, or together enough?"""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

from elue.modeling import signals
from elue.modeling.ladder import Rule
from elue.modeling.rules import noise
from elue.modeling.rules.sureness import TINY
from elue.modeling.signals import Signals

DIVERGENCE_NOISE = 1e-4
"""What the root of a divergence is taken for at least, where its noise is told from it."""


def fixed(exit: int) -> Rule:
    """Leave at this exit, from 1, whatever it says. Those before it are not asked."""
    return Rule("fixed", needs=(), first=exit)


def patience(patience: int, tolerance: float | None = None) -> Rule:
    """Leave after `patience` consecutive exits that repeat the answer before them (PABEE, arXiv 2006.04152).

    Answers are classes, or with a `tolerance` numbers, which repeat when they differ by less. The margin is how far
    the closest of them is from another class, or the farthest from another number.
    """

    def same_class(seen: Signals) -> Tensor:
        best, answers = seen.of_logits().topk(2)
        same = (answers[..., 0] == answers[:, :1, 0]).all(1)
        closest = (best[..., 0] - best[..., 1]).amin(1)
        return torch.where(same, closest, -closest)

    def same_number(seen: Signals) -> Tensor:
        assert tolerance is not None
        logits = seen.of_logits()
        return tolerance - (logits[:, 1:, 0] - logits[:, :-1, 0]).abs().amax(1)

    margin = same_class if tolerance is None else same_number
    return Rule("patience", margin, window=patience + 1, first=patience + 1)


def confident_patience(patience: int, threshold: float) -> Rule:
    """Leave after `patience` consecutive exits whose normalised entropy is under the threshold, whatever they say.

    PCEE-BERT, Findings of NAACL 2022.
    """

    def margin(seen: Signals) -> Tensor:
        share = signals.entropy(seen.of_logits(), normalized=True)
        return ((threshold - share) / (share + TINY)).amin(1)

    def close(seen: Signals) -> np.ndarray:
        logits = seen.of_logits()
        return noise.entropies(logits, threshold * math.log(logits.shape[-1]), seen.noise)

    return Rule("confident_patience", margin, window=patience, first=patience, close=close)


def divergence_patience(patience: int, threshold: float) -> Rule:
    """Leave after `patience` consecutive exits whose divergence from the one before is under the threshold.

    Jensen-Shannon, in nats (F-PABEE, Gao et al. 2023).
    """

    def margin(seen: Signals) -> Tensor:
        logits = seen.of_logits()
        nats = signals.divergence(logits[:, 1:], logits[:, :-1])
        return ((threshold - nats) / (nats.clamp(min=0).sqrt() + DIVERGENCE_NOISE)).amin(1)

    def close(seen: Signals) -> np.ndarray:
        logits = seen.of_logits()
        return noise.divergences(logits[:, 1:], logits[:, :-1], threshold, seen.noise)

    return Rule("divergence_patience", margin, window=patience + 1, first=patience + 1, close=close)


def votes(threshold: float, exponent: float) -> Rule:
    """Leave when the most votes that a class has among the m exits so far, over m ** exponent, reach the threshold.

    The majority answers, of equals the one that is likelier on average (Sun T. et al., arXiv 2105.13792; how votes are
    weighed by m is our reading). A share of votes (exponent 1) is asked from the second exit on, since the first has
    all. The margin is how far the closest vote is from another class.
    """

    def margin(seen: Signals) -> Tensor:
        logits = seen.of_logits()
        most = _counts(logits).amax(1)
        enough = most >= threshold * seen.ways**exponent * (1 - 1e-9)
        closest = signals.gap(logits).amin(1)
        return torch.where(enough, closest, -closest)

    return Rule("votes", margin, window=None, first=2 if exponent == 1 else 1, answers=majority)


def majority(logits: Tensor) -> Tensor:
    """Logits (samples, outputs) of the shares of votes, the mean probability counting as one vote more."""
    ways = logits.shape[1]
    return ((_counts(logits) + logits.softmax(-1).mean(1)) / (ways + 1)).log()


def mean_probability(threshold: float) -> Rule:
    """Leave when the highest mean probability of the ways out so far is above the threshold; the mean answers.

    Wisdom of Committees, arXiv 2012.01988.
    """

    def margin(seen: Signals) -> Tensor:
        probability = seen.of_logits().softmax(-1).mean(1).amax(1)
        return (probability - threshold) / (1 - probability + TINY)

    def close(seen: Signals) -> np.ndarray:
        return noise.confidence(seen.of_logits(), threshold, seen.noise)

    return Rule("mean_probability", margin, window=None, answers=mean_answer, close=close)


def mean_answer(logits: Tensor) -> Tensor:
    """Logits (samples, outputs) of the mean probabilities of all ways out so far."""
    return logits.softmax(-1).mean(1).log()


def _counts(logits: Tensor) -> Tensor:
    """Votes for each class, (samples, outputs)."""
    classes = torch.arange(logits.shape[2])
    return (logits.argmax(-1, keepdim=True) == classes).sum(1).to(logits.dtype)
