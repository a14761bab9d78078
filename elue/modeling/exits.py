"""Exits after every layer: the network, what exit rules look at, and the model that leaves by them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor, nn

from elue.modeling.encoder import Encoder
from elue.modeling.heads import Head, task_loss
from elue.modeling.inference import EncoderModel
from elue.modeling.text import TextEncoder
from elue.protocol import Point, TaskInfo

Rule = Callable[[], Callable[[Tensor], bool]]
"""Starts on a sample. What it returns is shown the logits (1, outputs) of one exit after the other, and says
whether to leave. It is not asked at the last exit."""


class ExitNetwork(nn.Module):
    """An encoder with a head after every layer.

    `balanced` puts training under gradient equilibrium. The loss is the sum over all exits; a method with
    another overrides `loss`.
    """

    def __init__(self, encoder: Encoder, task: TaskInfo, pooling: str = "mean", balanced: bool = False) -> None:
        super().__init__()
        self.task, self.balanced = task, balanced
        self.encoder = encoder
        self.exits = nn.ModuleList(Head(encoder.config, task, pooling) for _ in encoder.layers)

    def loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """The training loss, a scalar, from the logits of all exits (batch, layers, outputs)."""
        return exit_losses(logits, labels, self.task).sum()

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits of all exits (batch, layers, outputs) for a padded batch and, given labels, the loss."""
        hidden, mask = self.encoder.embed(batch["ids"], batch["segments"]), batch["mask"]
        every = []
        for index, (layer, head) in enumerate(zip(self.encoder.layers, self.exits, strict=True)):
            branch = hidden = layer(hidden, mask)
            if self.balanced and self.training:
                branch, hidden = equilibrium(hidden, len(self.exits) - index)
            every.append(head(branch, mask))
        logits = torch.stack(every, 1)
        return (
            {"logits": logits, "loss": self.loss(logits, batch["labels"])} if "labels" in batch else {"logits": logits}
        )


class ExitModel(EncoderModel):
    """Runs one sample layer by layer and stops at the exit its rule leaves by.

    `rule_of` makes a rule of an operating point; without one, only the last layer's head is asked.
    """

    def __init__(
        self, network: ExitNetwork, text: TextEncoder, task: TaskInfo, rule_of: Callable[[Point, TaskInfo], Rule]
    ) -> None:
        super().__init__(network, text, task)
        self.rule_of = rule_of
        self.stages = list(zip(network.encoder.layers, network.exits, strict=True))
        self.rule: Rule | None = None

    def configure(self, point: Point) -> None:
        self.rule = self.rule_of(point, self.task)

    def logits(self, ids: Tensor, segments: Tensor | None) -> Tensor:
        """Logits (1, outputs) of the exit that one sample (1, tokens) takes."""
        hidden = self.network.encoder.embed(ids, segments)
        leave = self.rule() if self.rule else None
        *early, (last_layer, last_head) = self.stages
        for layer, head in early:
            hidden = layer(hidden)
            if leave is not None:
                logits = head(hidden)
                if leave(logits):
                    return logits
        return last_head(last_layer(hidden))


def exit_losses(logits: Tensor, labels: Tensor, task: TaskInfo) -> Tensor:
    """The task's loss at every exit, (layers,), from logits (batch, layers, outputs)."""
    return torch.stack([task_loss(one, labels, task) for one in logits.unbind(1)])


def entropy(logits: Tensor, normalized: bool = False) -> Tensor:
    """Entropy -Σ p ln p of softmax(logits) over the last dimension, in nats.

    `normalized` divides by ln C, so that 1 is a uniform guess over C classes.
    """
    log_p = logits.log_softmax(-1)
    nats = -(log_p.exp() * log_p).sum(-1)
    return nats / math.log(logits.shape[-1]) if normalized else nats


def equilibrium(hidden: Tensor, exits_from_here: int) -> tuple[Tensor, Tensor]:
    """Gradient equilibrium (Li et al. 2019, arXiv 1908.06371): copies for an exit and for the trunk above it.

    Values are untouched. Backwards, the layer below receives the mean over the exits at or above it, not their
    sum: the exit's gradient divided by `exits_from_here`, and the trunk's weighted by the exits still to come.
    """
    for_exit, for_trunk = hidden.view_as(hidden), hidden.view_as(hidden)
    if hidden.requires_grad:
        for_exit.register_hook(lambda gradient: gradient / exits_from_here)
        for_trunk.register_hook(lambda gradient: gradient * ((exits_from_here - 1) / exits_from_here))
    return for_exit, for_trunk


def simulate_exits(logits: Tensor, rule: Rule) -> Tensor:
    """The layer, from 1, at which each sample leaves, (samples,), by the logits (samples, layers, outputs) of all."""
    taken = []
    for sample in logits:
        leave = rule()
        early = (layer for layer, one in enumerate(sample[:-1], 1) if leave(one[None]))
        taken.append(next(early, len(sample)))
    return torch.tensor(taken)


def spread_thresholds(uncertainty: Tensor, count: int) -> list[float]:
    """At most `count` thresholds, falling, whose mean exit layers lie evenly between the first and the last.

    `uncertainty` (samples, layers) is each exit's on validation data; a sample leaves where it is first under the
    threshold.
    """
    layers = uncertainty.shape[1]
    values = uncertainty[:, :-1].flatten().unique()
    values = values[torch.linspace(0, len(values) - 1, min(1000, len(values))).long()]
    candidates = [float(f"{value:.4g}") for value in values.tolist()]
    means = []
    for threshold in candidates:
        under = uncertainty[:, :-1] < threshold
        first = torch.where(under.any(1), under.int().argmax(1) + 1, layers)
        means.append(first.double().mean().item())
    targets = [1 + (layers - 1) * (i + 1) / (count + 1) for i in range(count)]
    nearest = {min(zip(means, candidates, strict=True), key=lambda one: abs(one[0] - t))[1] for t in targets}
    return sorted(nearest, reverse=True)
