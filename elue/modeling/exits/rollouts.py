"""Policies that leave, trained by draws of the exit that each sample takes (REINFORCE, ConsistentEE)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from elue.modeling.exits.network import Lesson, Objective
from elue.modeling.exits.objectives import Losses, sample_losses
from elue.modeling.exits.score_losses import halting, scores_of

MEMORISED = "memorised"
"""The column of each sample's memorised layer."""


def memorised(logits: Tensor, labels: Sequence[float]) -> Tensor:
    """The first exit, from 1, from which all later ones are right, (samples,); the last where that one is wrong.

    By logits (samples, exits, classes).
    """
    right = logits.argmax(-1) == torch.tensor(labels, device=logits.device)[:, None]
    streak = right.flip(1).long().cumprod(1).sum(1)
    return (logits.shape[1] - streak + 1).clamp(max=logits.shape[1])


def rewards(losses: Tensor, hardness: Tensor, alpha: float) -> Tensor:
    """What leaving by each exit is worth, (batch, exits): -loss_i - α · i · (1 - m / L)."""
    exits = losses.shape[1]
    numbers = torch.arange(1, exits + 1, device=losses.device)
    return -losses - alpha * numbers * (1 - hardness / exits)[:, None]


def drawn(scores: Tensor, rollouts: int) -> tuple[Tensor, Tensor]:
    """Exits, from 0, that samples take when each score is the chance to go on, and the logarithm of their chance.

    Both (batch, rollouts).
    """
    shares = halting(scores)
    exits = torch.multinomial(shares.detach(), rollouts, replacement=True)
    return exits, shares.gather(1, exits).log()


def policy_loss(alpha: float, rollouts: int) -> Objective:
    """REINFORCE: how much better than a sample's mean a rollout was, times the logarithm of its chance."""

    def objective(lesson: Lesson) -> Losses:
        worth = rewards(sample_losses(lesson).detach(), lesson.columns[MEMORISED], alpha)
        exits, chances = drawn(scores_of(lesson), rollouts)
        reward = worth.gather(1, exits)
        return {"policy": -((reward - reward.mean(1, keepdim=True)) * chances).mean()}

    return objective


def taken_loss(rollouts: int) -> Objective:
    """The loss at the exits that samples take, by as many draws; it does not move the policies."""

    def objective(lesson: Lesson) -> Losses:
        exits, _ = drawn(scores_of(lesson).detach(), rollouts)
        return {"taken": sample_losses(lesson).gather(1, exits).mean()}

    return objective
