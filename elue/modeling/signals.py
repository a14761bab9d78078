"""What exit rules look at: the channels of the ways out so far, and the statistics rules are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

LOGITS, SCORES = "logits", "scores"
CHANNELS = (LOGITS, SCORES)
"""What a way out can be asked for: its logits, and a learned score."""
LOGIT_NOISE = 5e-5
"""What a logit may differ by among others: 250 times what was measured on trained encoders of MiniLM's shape,
and 5 times what heads of random weights made of them whose weights are 40 times as large."""

MOST_AWAY = 1 - torch.finfo(torch.float32).eps / 2
"""The largest number below 1: where `1 - away` is 0, its logarithm may be anything but infinite."""


@dataclass(frozen=True, slots=True, eq=False)
class Signals:
    """The channels of some ways out in a row, up to way out `number`, from 1.

    `logits` (samples, ways, outputs), `scores` (samples, ways); None where a channel is not asked. `noise` is what a
    logit, or that of a score, may differ by among others. `weights` (samples,), where known, say what a layer costs
    each sample beside the others.
    """

    number: int
    logits: Tensor | None = None
    scores: Tensor | None = None
    noise: float = LOGIT_NOISE
    weights: Tensor | None = None

    def of_logits(self) -> Tensor:
        """The logits (samples, ways, outputs)."""
        assert self.logits is not None
        return self.logits

    def of_scores(self) -> Tensor:
        """The scores (samples, ways)."""
        assert self.scores is not None
        return self.scores

    @property
    def samples(self) -> int:
        """Number of samples."""
        return len(self.of_scores() if self.logits is None else self.logits)

    @property
    def ways(self) -> int:
        """Number of ways out."""
        return int((self.of_scores() if self.logits is None else self.logits).shape[1])

    def up_to(self, number: int, window: int | None = None) -> Signals:
        """The last `window` ways out up to `number` (all of them, without a window), of signals that begin at way 1."""
        last = slice(0 if window is None else max(0, number - window), number)
        return Signals(
            number,
            None if self.logits is None else self.logits[:, last],
            None if self.scores is None else self.scores[:, last],
            self.noise,
        )

    def of_some(self, places: Sequence[int]) -> Signals:
        """Those of the samples at these places."""
        chosen = list(places)
        logits, scores = (None if channel is None else channel[chosen] for channel in (self.logits, self.scores))
        return Signals(self.number, logits, scores, self.noise)

    @classmethod
    def whole(cls, logits: Tensor, scores: Tensor | None = None, weights: Tensor | None = None) -> Signals:
        """Those of all ways out: logits (samples, ways, outputs) and, where there are any, scores (samples, ways)."""
        return cls(logits.shape[1], logits, scores, weights=weights)


def entropy(logits: Tensor, normalized: bool = False) -> Tensor:
    """Entropy -Σ p ln p of softmax(logits) over the last dimension, in nats.

    `normalized` divides by ln C, so that 1 is a uniform guess over C classes.
    """
    log_p = logits.log_softmax(-1)
    nats = -(log_p.exp() * log_p).sum(-1)
    return nats / math.log(logits.shape[-1]) if normalized else nats


def confidence(logits: Tensor) -> Tensor:
    """The highest probability of softmax(logits)."""
    return logits.softmax(-1).amax(-1)


def normalised_energy(logits: Tensor) -> Tensor:
    """sigmoid(-logsumexp) over the last dimension, lower for a surer answer."""
    return torch.sigmoid(-logits.logsumexp(-1))


def gap(logits: Tensor) -> Tensor:
    """How far the likeliest class is from the next, in logits."""
    best = logits.topk(2).values
    return best[..., 0] - best[..., 1]


def divergence(logits: Tensor, others: Tensor) -> Tensor:
    """Jensen-Shannon divergence of two distributions by their logits, in nats.

    With m a class's mean probability and t the share of it that either is away, m ((1 + t) ln(1 + t) + (1 - t)
    ln(1 - t)) / 2, summed over classes: none is below 0, so that what is nearly equal is told as well as what is not.
    """
    log_p, log_q = logits.log_softmax(-1), others.log_softmax(-1)
    away = torch.tanh((log_p - log_q).abs() / 2)
    terms = (1 + away) * away.log1p() + (1 - away) * (-away.clamp(max=MOST_AWAY)).log1p()
    return ((log_p.exp() + log_q.exp()) * terms).sum(-1) / 4
