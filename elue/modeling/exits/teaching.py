"""A teacher of its own for exits: a complete model, trained before them, whose answers they learn from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from elue.modeling.exits.network import Lesson, Objective
from elue.modeling.exits.objectives import Losses
from elue.modeling.heads import task_loss
from elue.modeling.inference import batched_logits
from elue.modeling.kinds import kind_of
from elue.protocol import TaskInfo

if TYPE_CHECKING:
    from elue.modeling.method import Training


def says(training: Training, teacher: nn.Module) -> dict[str, list[float]]:
    """What a teacher says of every training sample, as columns `teacher_c`: its logit of class c, or its number."""
    logits = batched_logits(teacher, training.job.train, training.text)
    return {f"teacher_{place}": column.tolist() for place, column in enumerate(logits.unbind(1))}


def taught(share: float, temperature: float, last_alone: bool = False) -> Objective:
    """The sum over exits, or of the last alone, of (1 - share) · loss + share · what it differs from the teacher.

    That is T² · KL(teacher ‖ exit), both at T, or of numbers the squared difference (Hinton et al. 2015, arXiv
    1503.02531). The lesson's columns are those of `says`; with a share of 0 there need be none.
    """

    def objective(lesson: Lesson) -> Losses:
        exits = lesson.logits[:, -1:] if last_alone else lesson.logits
        labelled = torch.stack([task_loss(logits, lesson.labels, lesson.task) for logits in exits.unbind(1)]).sum()
        losses = {"labelled": (1 - share) * labelled}
        if share:
            names = [f"teacher_{place}" for place in range(lesson.task.outputs)]
            teacher = torch.stack([lesson.columns[name] for name in names], 1)
            apart = [_apart(teacher, logits, lesson.task, temperature) for logits in exits.unbind(1)]
            losses["distilled"] = share * torch.stack(apart).sum()
        return losses

    return objective


def _apart(teacher: Tensor, logits: Tensor, task: TaskInfo, temperature: float) -> Tensor:
    """How far logits (batch, outputs) are from the teacher's, mean over the batch."""
    return kind_of(task).divergences(teacher, logits, temperature).mean()
