"""What learned scores are trained on: losses of a lesson, and what scores should have been."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from elue.modeling.exits.network import Lesson, Objective
from elue.modeling.exits.objectives import Losses, sample_losses
from elue.modeling.kinds import kind_of
from elue.protocol import TaskInfo

NEAR = 0.1
"""Numbers that agree differ by no more than this share of the range: half a unit of STS-B."""


def wrongness(lesson: Lesson) -> Tensor:
    """How wrong each exit but the last is, (batch, exits - 1): 1 or 0, in a regression tanh of the error (BERxiT)."""
    early, labels = lesson.logits[:, :-1].detach().float(), lesson.labels[:, None]
    kind = kind_of(lesson.task)
    return kind.wrongness(kind.distance(kind.answers(early), labels))


def score_of_error(lesson: Lesson) -> Losses:
    """Mean squared error of the scores as estimates of being wrong, over samples and exits (BERxiT)."""
    return {"score": F.mse_loss(scores_of(lesson), wrongness(lesson))}


def agreement(logits: Tensor, task: TaskInfo) -> Tensor:
    """Whether each exit but the last answers as the last does, (batch, exits - 1) (CAT)."""
    kind = kind_of(task)
    answers = kind.answers(logits)
    return kind.distance(answers[:, :-1], answers[:, -1:]) <= NEAR


def score_of_disagreement(lesson: Lesson) -> Losses:
    """Cross-entropy of the scores as probabilities not to agree with the last exit, the mean over exits (CAT).

    At each exit those of the batch that agree weigh as much together as those that don't, where there are both.
    """
    agree = agreement(lesson.logits.detach(), lesson.task)
    with torch.autocast(agree.device.type, enabled=False):  # which refuses this loss, of probabilities
        surprise = F.binary_cross_entropy(scores_of(lesson), (~agree).float(), reduction="none")
    sides = torch.stack([agree, ~agree]).float()
    counts = sides.sum(1)
    means = (sides * surprise).sum(1) / counts.clamp(min=1)
    return {"score": (means.sum(0) / (counts > 0).sum(0)).mean()}


def halting(scores: Tensor) -> Tensor:
    """The probability to halt at each exit, (batch, exits), by scores (batch, exits - 1), those not to halt.

    (1 - s_i) times the product of the scores before; what is left at the last exit (PALBERT).
    """
    going = torch.cat([torch.ones_like(scores[:, :1]), scores.cumprod(1)], 1)
    return torch.cat([going[:, :-1] * (1 - scores), going[:, -1:]], 1)


def geometric(share: float, exits: int) -> Tensor:
    """A geometric distribution over exits, (exits,): `share` of what is left at each, all of it at the last."""
    return halting(torch.full((1, exits - 1), 1 - share))[0]


def halting_weighted(share: float, weight: float) -> Objective:
    """Each sample's losses by its probability to halt, and that held near a geometric prior of `share` (PALBERT).

    mean Σ π_i · loss_i + weight · KL(prior ‖ π).
    """

    def objective(lesson: Lesson) -> Losses:
        shares = halting(scores_of(lesson))
        prior = geometric(share, shares.shape[1]).to(shares)
        apart = (prior * (prior.log() - shares.clamp(min=torch.finfo(shares.dtype).tiny).log())).sum(1)
        return {"exits": (shares * sample_losses(lesson)).sum(1).mean(), "prior": weight * apart.mean()}

    return objective


def scores_of(lesson: Lesson) -> Tensor:
    """The scores (batch, exits - 1)."""
    assert lesson.scores is not None
    return lesson.scores.float()
