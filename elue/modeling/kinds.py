"""Kinds of tasks, as the kit sees them: how heads are trained on labels, and what outputs answer. A row each.

Logits are (..., outputs) of the same leading shape as labels and answers, (...,). Numbers are in the unit range, which
a task's own range is mapped to.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from elue.protocol import TaskInfo

UNITS = 5
"""Errors of numbers are told in fifths of the label's range: STS-B's own units, in which papers state them."""


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of task, in all that heads, losses and models ask of it.

    - `numbers`: whether answers are numbers, which are neither right nor wrong and have no probabilities.
    - `unit` makes of a label what heads are trained on; `ranged` leads back from there, values and tensors alike.
    - `loss` is the task's, of logits and labels; by the name of torch's reduction their mean, or each one's.
    - `answers` are what logits answer, (...,); `distance` is how far answers are from labels or from each other, 1 for
      another class; `wrongness` how wrong that is, 0 to 1 (BERxiT).
    - `truth` is 1 for a right answer, else what comes next to it, of logits and labels.
    - `soft_losses` are those of logits against a teacher's outputs; `divergences` of both are 0 where they agree, and
      take a temperature, which numbers have none of.
    - `scores` are what a model tells of logits, (..., outputs); `told` makes a value and probabilities of a sample's.
    - `margins` are by how much logits (samples, outputs) would have to differ to answer otherwise, (samples,).
    - `mean` gives the logits of the mean answer, of logits (batch, answers, outputs) with weights (answers,), 1 in all.
    - `quality` of answers and labels in percent is what counts where no metric is known.
    """

    name: str
    numbers: bool
    unit: Callable[[float, TaskInfo], float]
    ranged: Callable[[Any, TaskInfo], Any]
    loss: Callable[[Tensor, Tensor, str], Tensor]
    answers: Callable[[Tensor], Tensor]
    distance: Callable[[Tensor, Tensor], Tensor]
    wrongness: Callable[[Tensor], Tensor]
    truth: Callable[[Tensor, Tensor], Tensor]
    soft_losses: Callable[[Tensor, Tensor], Tensor]
    divergences: Callable[[Tensor, Tensor, float], Tensor]
    scores: Callable[[Tensor], Tensor]
    told: Callable[[tuple[float, ...]], tuple[float, tuple[float, ...]]]
    margins: Callable[[Tensor], np.ndarray]
    mean: Callable[[Tensor, Tensor], Tensor]
    quality: Callable[[Tensor, Tensor], float]


def kind_of(task: TaskInfo) -> Kind:
    """The kind of a task."""
    return KINDS[task.kind]


def _class_loss(logits: Tensor, labels: Tensor, reduction: str) -> Tensor:
    """Cross-entropy, whose classes torch wants in the second place."""
    return F.cross_entropy(logits.float().movedim(-1, 1), labels.long(), reduction=reduction)


def _class_distance(answers: Tensor, others: Tensor) -> Tensor:
    return (answers != others).float()


def _class_truth(logits: Tensor, labels: Tensor) -> Tensor:
    """The probability of the right class where another is answered."""
    likely = logits.softmax(-1).gather(-1, labels.long()[..., None]).squeeze(-1)
    return torch.where(logits.argmax(-1) == labels, torch.ones_like(likely), likely)


def _class_soft_losses(logits: Tensor, taught: Tensor) -> Tensor:
    """Cross-entropy to a teacher's probabilities."""
    return -(taught.softmax(-1) * logits.float().log_softmax(-1)).sum(-1)


def _class_divergences(full: Tensor, sub: Tensor, temperature: float) -> Tensor:
    """T² · KL(full / T ‖ sub / T), whose gradients are of one size at any temperature (Hinton et al. 2015)."""
    log_p, log_q = ((logits.float() / temperature).log_softmax(-1) for logits in (full, sub))
    return temperature**2 * (log_p.exp() * (log_p - log_q)).sum(-1)


def _class_told(scores: tuple[float, ...]) -> tuple[float, tuple[float, ...]]:
    return scores.index(max(scores)), scores


def _class_margins(logits: Tensor) -> np.ndarray:
    """How far the best class lies before the second."""
    if logits.shape[1] == 1:
        return np.full(len(logits), np.inf)
    best = np.sort(logits.numpy(), 1)
    margins: np.ndarray = best[:, -1] - best[:, -2]
    return margins


def _class_mean(logits: Tensor, weights: Tensor) -> Tensor:
    return (logits.softmax(-1) * weights[:, None]).sum(1).log()


def _class_quality(answers: Tensor, labels: Tensor) -> float:
    """Accuracy."""
    return 100 * (answers == labels).double().mean().item()


def _unit_number(label: float, task: TaskInfo) -> float:
    return (label - task.low) / (task.high - task.low)


def _ranged_number(value: Any, task: TaskInfo) -> Any:
    return task.low + (task.high - task.low) * value


def _number_loss(logits: Tensor, labels: Tensor, reduction: str) -> Tensor:
    """Squared error."""
    return F.mse_loss(logits.float().squeeze(-1), labels.float(), reduction=reduction)


def _number_answers(logits: Tensor) -> Tensor:
    return logits.squeeze(-1)


def _number_distance(answers: Tensor, others: Tensor) -> Tensor:
    return (answers - others).abs()


def _number_truth(logits: Tensor, labels: Tensor) -> Tensor:
    """1 - its distance."""
    return 1 - _number_distance(logits.squeeze(-1), labels).clamp(max=1)


def _number_squares(logits: Tensor, others: Tensor) -> Tensor:
    return (logits.float() - others.float()).square().squeeze(-1)


def _number_told(scores: tuple[float, ...]) -> tuple[float, tuple[float, ...]]:
    return scores[0], ()


def _number_mean(logits: Tensor, weights: Tensor) -> Tensor:
    return (logits * weights[:, None]).sum(1)


def _number_quality(answers: Tensor, labels: Tensor) -> float:
    """Pearson's correlation, 0 of answers that are all the same."""
    return 100 * torch.corrcoef(torch.stack([answers.double(), labels.double()]))[0, 1].nan_to_num().item()


_ROWS = (
    Kind(
        name="classification",
        numbers=False,
        unit=lambda label, _: label,
        ranged=lambda value, _: value,
        loss=_class_loss,
        answers=lambda logits: logits.argmax(-1),
        distance=_class_distance,
        wrongness=lambda distance: distance,
        truth=_class_truth,
        soft_losses=_class_soft_losses,
        divergences=_class_divergences,
        scores=lambda logits: logits.softmax(-1),
        told=_class_told,
        margins=_class_margins,
        mean=_class_mean,
        quality=_class_quality,
    ),
    Kind(
        name="regression",
        numbers=True,
        unit=_unit_number,
        ranged=_ranged_number,
        loss=_number_loss,
        answers=_number_answers,
        distance=_number_distance,
        wrongness=lambda distance: (UNITS * distance).tanh(),
        truth=_number_truth,
        soft_losses=_number_squares,
        divergences=lambda full, sub, _: _number_squares(full, sub),
        scores=lambda logits: logits,
        told=_number_told,
        margins=lambda logits: np.full(len(logits), np.inf),
        mean=_number_mean,
        quality=_number_quality,
    ),
)
KINDS: Mapping[str, Kind] = {row.name: row for row in _ROWS}
"""All kinds by name, those of `elue.protocol.TaskInfo`."""
