"""What learned scores are trained on: losses of a lesson, and what scores should have been."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional as F

from elue.modeling.exits.network import Lesson
from elue.modeling.exits.objectives import Losses

UNITS = 5
"""Errors of a regression are told in fifths of the label's range: STS-B's own units, in which papers state them."""


def wrongness(lesson: Lesson) -> Tensor:
    """How wrong each exit but the last is, (batch, exits - 1): 1 or 0, in a regression tanh of the error (BERxiT)."""
    early, labels = lesson.logits[:, :-1].detach().float(), lesson.labels[:, None]
    if lesson.task.kind == "classification":
        return (early.argmax(-1) != labels).float()
    return (UNITS * (early.squeeze(-1) - labels).abs()).tanh()


def score_of_error(lesson: Lesson) -> Losses:
    """Mean squared error of the scores as estimates of being wrong, over samples and exits (BERxiT)."""
    return {"score": F.mse_loss(scores_of(lesson), wrongness(lesson))}


def scores_of(lesson: Lesson) -> Tensor:
    """The scores (batch, exits - 1)."""
    assert lesson.scores is not None
    return lesson.scores.float()
