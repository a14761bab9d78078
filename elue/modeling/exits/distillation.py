"""Losses by which exits learn from one another, and differ from one another."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from elue.modeling.exits.network import Lesson, Objective
from elue.modeling.exits.objectives import Losses, divergence_from, divergences, losses_of
from elue.modeling.heads import EncoderWithHead, task_loss
from elue.modeling.inference import batched_logits
from elue.modeling.kinds import kind_of

if TYPE_CHECKING:
    from elue.modeling.method import Training

TEACHER = "teacher"
"""A phase, and what its columns begin with."""


def from_last(lesson: Lesson) -> Losses:
    """Σ KL(last ‖ exit) over all exits but the last, which teaches and does not learn (FastBERT). No labels."""
    *early, last = lesson.logits.unbind(1)
    return {"distilled": torch.stack([divergence_from(last.detach(), logits) for logits in early]).sum()}


def from_teacher(lesson: Lesson) -> Losses:
    """How far exits are from a teacher told beforehand in columns, weighted by their number as PABEE's losses are.

    Cross-entropy to its probabilities, in a regression the squared distance to its number (SkipBERT). No labels.
    """
    outputs = lesson.logits.shape[2]
    teacher = torch.stack([lesson.columns[f"{TEACHER}.{output}"] for output in range(outputs)], 1)
    losses = kind_of(lesson.task).soft_losses(lesson.logits, teacher[:, None]).mean(0)
    weights = torch.arange(1, len(losses) + 1, device=losses.device)
    return {"distilled": (weights * losses).sum() / weights.sum()}


def teacher_columns(training: Training, epochs: float) -> dict[str, list[float]]:
    """The logits of the whole backbone, fine-tuned for so many epochs, on all training samples, a column an output."""
    from elue.modeling.training import recall

    def told() -> list[list[float]]:
        job, text = training.job, training.text
        torch.manual_seed(job.seed)
        teacher = EncoderWithHead(deepcopy(training.encoder), job.task, training.options.pooling)
        training.fit(teacher, phase=TEACHER, epochs=epochs)
        logits: list[list[float]] = batched_logits(teacher, job.train, text).tolist()
        return logits

    columns = zip(*recall(training.job, training.options, TEACHER, told), strict=True)
    return {f"{TEACHER}.{output}": list(column) for output, column in enumerate(columns)}


def self_distillation(share: float, temperature: float) -> Objective:
    """The last exit's loss, and of every other exit (1 - share) · loss + share · T² · KL(last ‖ exit), both at T.

    RomeBERT, arXiv 2101.09755, "SD". The last exit's answers are not changed by it.
    """

    def objective(lesson: Lesson) -> Losses:
        *early, last = lesson.logits.unbind(1)
        apart = torch.stack([divergence_from(last.detach(), logits, temperature) for logits in early]).sum()
        labelled = losses_of(lesson)[:-1].sum()
        distilled = (1 - share) * labelled + share * temperature**2 * apart
        return {"last": task_loss(last, lesson.labels, lesson.task), "distilled": distilled}

    return objective


def mutual(weight: float) -> Objective:
    """The sum over exits, and weight · Σ KL(teacher ‖ exit) over all ordered pairs (GAML-BERT). Teachers are fixed."""

    def objective(lesson: Lesson) -> Losses:
        return {"exits": losses_of(lesson).sum(), "mutual": weight * divergences(lesson.logits).sum()}

    return objective


def diverse(weight: float) -> Objective:
    """The sum over exits, less weight · Σ over exits from the second of the cross-entropy to their nearest predecessor.

    Nearest is where the batch's mean is least; both sides learn (Sun T. et al., arXiv 2105.13792, equation 14). Nothing
    bounds it from below: keep the weight at 0.1 or less.
    """

    def objective(lesson: Lesson) -> Losses:
        logits = lesson.logits.float()
        log_p = logits.log_softmax(-1)
        crossed = -torch.einsum("bic,bjc->ij", log_p, log_p.exp()) / len(logits)
        nearest = [crossed[exit, :exit].amin() for exit in range(1, logits.shape[1])]
        apart: Tensor = torch.stack(nearest).sum() if nearest else logits.new_zeros(())
        return {"exits": losses_of(lesson).sum(), "diversity": -weight * apart}

    return objective
