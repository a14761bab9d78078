"""Rules that look at one way out alone: is its answer sure enough?"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
from torch import Tensor

from elue.modeling import signals
from elue.modeling.ladder import Rule
from elue.modeling.rules import noise
from elue.modeling.signals import Signals

TINY = 1e-30


def entropy(threshold: float) -> Rule:
    """Leave when the entropy in nats is under the threshold: 0 never leaves, infinity always (DeeBERT)."""

    def margin(seen: Signals) -> Tensor:
        nats = signals.entropy(_last(seen))
        return (threshold - nats) / (nats + TINY)

    return Rule("entropy", margin, close=lambda seen: noise.entropy(_last(seen), threshold, seen.noise))


def normalised_entropy(threshold: float) -> Rule:
    """Leave when the entropy, as a share of a uniform guess's, is under the threshold (FastBERT's speed)."""

    def margin(seen: Signals) -> Tensor:
        share = signals.entropy(_last(seen), normalized=True)
        return (threshold - share) / (share + TINY)

    def close(seen: Signals) -> np.ndarray:
        return noise.entropy(_last(seen), threshold * math.log(_last(seen).shape[-1]), seen.noise)

    return Rule("normalised_entropy", margin, close=close)


def confidence(threshold: float) -> Rule:
    """Leave when the highest probability is above the threshold: 0 always leaves, 1 never (RightTool, CascadeBERT)."""

    def margin(seen: Signals) -> Tensor:
        probability = signals.confidence(_last(seen))
        return (probability - threshold) / (1 - probability + TINY)

    return Rule("confidence", margin, close=lambda seen: noise.confidence(_last(seen)[:, None], threshold, seen.noise))


def gap(threshold: float) -> Rule:
    """Leave when the highest probability is above the next by more than the threshold: 1 never leaves."""

    def margin(seen: Signals) -> Tensor:
        best = _last(seen).softmax(-1).topk(2).values
        apart = best[:, 0] - best[:, 1]
        return (apart - threshold) / (1 - apart + TINY)

    return Rule("gap", margin, close=lambda seen: noise.gap(_last(seen), threshold, seen.noise))


def energy(least: float) -> Rule:
    """Leave when the negative free energy, logsumexp of the logits, is above `least` (E-LANG, arXiv 2203.00748)."""

    def margin(seen: Signals) -> Tensor:
        return _last(seen).logsumexp(-1) - least

    return Rule("energy", margin, close=lambda seen: noise.energy(_last(seen), least, seen.noise))


def normalised_energy(threshold: float) -> Rule:
    """Leave when sigmoid(-logsumexp of the logits) is under the threshold, of 0 to 1 (COSEE, arXiv 2412.13236)."""
    least = math.inf if threshold <= 0 else -math.inf if threshold >= 1 else math.log(1 / threshold - 1)
    return replace(energy(least), name="normalised_energy")


def _last(seen: Signals) -> Tensor:
    """The logits (samples, outputs) of the way out itself."""
    return seen.of_logits()[:, -1]
