"""COSEE's objective: training that imitates leaving at thresholds drawn anew at every step."""

from __future__ import annotations

import torch
from torch import Tensor

from elue.modeling.exits.network import Lesson, Objective
from elue.modeling.exits.objectives import Losses, sample_losses
from elue.modeling.signals import normalised_energy


def exit_weights(exits: Tensor, ways: int, sharpness: float) -> Tensor:
    """Weights (batch, ways), of sum 1, that fall by exp(-sharpness) an exit away from `exits`, (batch,), from 0."""
    away = (torch.arange(ways, device=exits.device) - exits[:, None]).abs()
    return (-sharpness * away).softmax(-1)


def imitating(thresholds: int, sharpness: float, contrast: float, margin: float) -> Objective:
    """Mean over thresholds of Σ w_i · loss_i, w around the exit taken, and `contrast` times the signals' contrast.

    He et al., arXiv 2412.13236. Sharpness rises from 0 to its value over training. Contrast is the mean over exits but
    the last of max(0, signal of right answers - that of wrong ones + margin), where there are both. Thresholds are
    drawn between the smallest and the largest signal of the batch; in the paper, of the epoch before.
    """

    def objective(lesson: Lesson) -> Losses:
        losses, signals = sample_losses(lesson), normalised_energy(lesson.logits.float())
        ways, seen = signals.shape[1], signals.detach()
        drawn = seen.min() + torch.rand(thresholds, device=seen.device) * (seen.max() - seen.min())
        weighted = []
        for threshold in drawn:
            leaves = seen < threshold
            leaves[:, -1] = True
            weights = exit_weights(leaves.int().argmax(1), ways, sharpness * lesson.step / max(1, lesson.total))
            weighted.append((weights * losses).sum(1).mean())
        right = lesson.logits.argmax(-1) == lesson.labels[:, None]
        return {
            "imitated": torch.stack(weighted).mean(),
            "contrast": contrast * signal_contrast(signals[:, :-1], right[:, :-1], margin),
        }

    return objective


def signal_contrast(signals: Tensor, right: Tensor, margin: float) -> Tensor:
    """Mean over exits of max(0, mean signal of right answers - mean signal of wrong ones + margin), a scalar.

    Of signals and whether answers are right, (batch, exits) each. Exits at which all or none are right don't count.
    """
    apart = []
    for signal, truth in zip(signals.unbind(1), right.unbind(1), strict=True):
        if truth.any() and not truth.all():
            apart.append(torch.relu(signal[truth].mean() - signal[~truth].mean() + margin))
    return torch.stack(apart).mean() if apart else signals.new_zeros(())
