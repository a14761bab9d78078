"""Losses of networks with exits, pure functions of a lesson, by name."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from elue.modeling.exits.network import Lesson, Objective
from elue.modeling.heads import task_loss
from elue.modeling.kinds import kind_of
from elue.protocol import TaskInfo

Losses = Mapping[str, Tensor]


def exit_losses(logits: Tensor, labels: Tensor, task: TaskInfo) -> Tensor:
    """The task's loss at every exit, (exits,), from logits (batch, exits, outputs)."""
    return torch.stack([task_loss(exit_logits, labels, task) for exit_logits in logits.unbind(1)])


def losses_of(lesson: Lesson) -> Tensor:
    """The task's loss at every exit of a lesson, (exits,)."""
    return exit_losses(lesson.logits, lesson.labels, lesson.task)


def sample_losses(lesson: Lesson) -> Tensor:
    """The task's loss of each sample at each exit, (batch, exits)."""
    labels = lesson.labels[:, None].expand(lesson.logits.shape[:2])
    return kind_of(lesson.task).loss(lesson.logits, labels, "none")


def sum_of_exits(lesson: Lesson) -> Losses:
    """All exits alike."""
    return {"exits": losses_of(lesson).sum()}


def last_exit(lesson: Lesson) -> Losses:
    """The last exit alone."""
    return {"last": task_loss(lesson.logits[:, -1], lesson.labels, lesson.task)}


def all_but_last(lesson: Lesson) -> Losses:
    """All exits but the last, alike."""
    return {"exits": losses_of(lesson)[:-1].sum()}


def depth_weighted(lesson: Lesson) -> Losses:
    """Exits weighted by their number: Σ j · loss_j / Σ j (PABEE)."""
    losses = losses_of(lesson)
    weights = torch.arange(1, len(losses) + 1, device=losses.device)
    return {"exits": (weights * losses).sum() / weights.sum()}


def alternating(even: Objective, odd: Objective) -> Objective:
    """One objective at steps 0, 2, 4, ..., another between them (BERxiT)."""
    return lambda lesson: (odd if lesson.step % 2 else even)(lesson)


def both(*objectives: Objective) -> Objective:
    """All losses of several objectives."""

    def together(lesson: Lesson) -> Losses:
        losses: dict[str, Tensor] = {}
        for objective in objectives:
            for name, loss in objective(lesson).items():
                losses[name] = losses[name] + loss if name in losses else loss
        return losses

    return together


def divergence_from(teacher: Tensor, student: Tensor, temperature: float = 1.0) -> Tensor:
    """KL(softmax(teacher / T) ‖ softmax(student / T)), mean over the batch, of logits (batch, outputs)."""
    log_p, log_q = (teacher / temperature).log_softmax(-1), (student / temperature).log_softmax(-1)
    return (log_p.exp() * (log_p - log_q)).sum(-1).mean()


def divergences(logits: Tensor) -> Tensor:
    """KL(exit t ‖ exit m) at (m, t), (exits, exits), means over a batch of logits (batch, exits, outputs).

    Teachers t are fixed.
    """
    log_q = logits.float().log_softmax(-1)
    log_p = log_q.detach()
    return (log_p.exp()[:, None] * (log_p[:, None] - log_q[:, :, None])).sum(-1).mean(0)
