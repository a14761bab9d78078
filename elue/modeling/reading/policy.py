"""What decisions learn from: policy gradients over the paths of a trial, with baselines of several kinds."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import Tensor
from torch.nn import functional as F

from elue.modeling.kinds import kind_of
from elue.modeling.reading.trial import Decision, Trial
from elue.protocol import TaskInfo

Critic = Callable[..., Tensor]
"""What is expected of the rest of a reading, (rows,), of what a decision looked at, (rows, width) each."""


def reward_of(logits: Tensor, labels: Tensor, task: TaskInfo) -> Tensor:
    """1 for a right answer and -1 for a wrong one, (readings,); for a number 1 - 2 · its distance in the unit range."""
    kind = kind_of(task)
    return 1 - 2 * kind.distance(kind.answers(logits.detach()), labels).clamp(max=1)


def losses_of(logits: Tensor, labels: Tensor, task: TaskInfo) -> Tensor:
    """The task's loss of each reading, (readings,), to be rewarded by: nothing is learned through it."""
    return kind_of(task).loss(logits.detach(), labels, "none")


def truth_of(logits: Tensor, labels: Tensor, task: TaskInfo) -> Tensor:
    """1 for a right answer, else the probability of the right one, (readings,); for a number 1 - its distance."""
    return kind_of(task).truth(logits.detach(), labels)


def priced(trial: Trial, price: Tensor) -> tuple[list[Decision], Tensor]:
    """A trial's decisions and whole costs, (readings,), where what readings pay for is at a price, (readings,)."""
    costs = torch.tensor(trial.paid, device=price.device) * price
    return [replace(made, paid=made.paid * price[made.numbers]) for made in trial.decisions], costs


def of_mean(decisions: Sequence[Decision], rewards: Tensor, copies: int) -> Tensor:
    """REINFORCE, to go down: for each reading the sum of -log π · (R - mean R of its text's readings), then their mean.

    `rewards` (readings,); readings of one text are `copies`, the text running fastest.
    """
    advantage = (rewards.view(copies, -1) - rewards.view(copies, -1).mean(0)).flatten()
    return _weighed(decisions, lambda decision: advantage[decision.numbers], len(rewards))


def against_mean(trial: Trial, losses: Tensor) -> Tensor:
    """As `of_mean`, of a trial whose rewards are the less the more its readings lost, (readings,)."""
    return of_mean(trial.decisions, -losses, trial.copies)


def of_critics(
    decisions: Sequence[Decision], rewards: Tensor, critics: Critic, costs: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """REINFORCE with a baseline at every step: -log π · (R_i - b_i), and Σ (R_i - b_i)² for the critic, mean a reading.

    R_i is the reading's reward, less, where there are `costs` (readings,) of whole readings, what it paid from the
    decision on.
    """
    values = [critics(decision.unit, *(part.detach() for part in decision.inputs)) for decision in decisions]
    returns = [
        rewards[decision.numbers] - (0.0 if costs is None else costs[decision.numbers] - decision.paid)
        for decision in decisions
    ]
    apart = [gain - value.detach() for gain, value in zip(returns, values, strict=True)]
    by_decision = {id(decision): advantage for decision, advantage in zip(decisions, apart, strict=True)}
    learned = [((gain - value) ** 2).sum() for gain, value in zip(returns, values, strict=True)]
    critic = torch.stack(learned).sum() / len(rewards) if learned else rewards.new_zeros(())
    return _weighed(decisions, lambda decision: by_decision[id(decision)], len(rewards)), critic


def _weighed(decisions: Sequence[Decision], advantage: Callable[[Decision], Tensor], readings: int) -> Tensor:
    terms = [-(decision.log_p * advantage(decision).detach()).sum() for decision in decisions]
    return torch.stack(terms).sum() / readings if terms else torch.zeros(())


def mixture(leanings: list[Tensor], says: Tensor, labels: Tensor, task: TaskInfo) -> Tensor:
    """Less ReasoNet's contrastive reward, of the gates' logits, (texts,) each, and says, (turns, texts, outputs).

    P(stop at t) = g_t Π_{i<t} (1 - g_i), in the last turn the rest. The reward is Σ_{t,a} P(stop at t) π_t(a) ·
    (1[a = y] / b - 1), b being Σ_t P(stop at t) π_t(y), through which nothing is learned (Shen et al., KDD 2017).
    For a number it is the square of its distance, by the chance of each turn.
    """
    left = torch.ones_like(says[0, :, 0])
    chances = []
    for leaning in leanings:
        chances.append(left * leaning.sigmoid())
        left = left * (-leaning).sigmoid()
    stop = torch.stack([*chances, left])
    if kind_of(task).numbers:
        return (stop * (says.squeeze(2) - labels) ** 2).sum(0).mean()
    chance = stop[:, :, None] * says.softmax(2)
    right = F.one_hot(labels.long(), says.shape[2])
    baseline = (chance * right).sum((0, 2)).detach().clamp(min=1e-6)
    return -(chance * (right / baseline[:, None] - 1)).sum((0, 2)).mean()
