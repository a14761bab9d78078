"""Exits after every layer: the network, what exit rules look at, and the model that leaves by them."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Callable
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from elue.modeling.encoder import Encoder
from elue.modeling.heads import Head, task_loss
from elue.modeling.ladder import LadderModel, Rule, Way
from elue.modeling.method import Sweep, TrainedMethod, Training
from elue.modeling.ragged import Pack
from elue.modeling.running import run_layer
from elue.modeling.text import TextEncoder
from elue.modeling.tracing import encoder_units, head_unit
from elue.protocol import Point, TaskInfo


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
        logits_by_exit = []
        for index, (layer, head) in enumerate(zip(self.encoder.layers, self.exits, strict=True)):
            branch = hidden = layer(hidden, mask)
            if self.balanced and self.training:
                branch, hidden = equilibrium(hidden, len(self.exits) - index)
            logits_by_exit.append(head(branch, mask))
        logits = torch.stack(logits_by_exit, 1)
        return (
            {"logits": logits, "loss": self.loss(logits, batch["labels"])} if "labels" in batch else {"logits": logits}
        )


class ExitModel(LadderModel):
    """An encoder whose ways out are its exits."""

    def __init__(
        self, network: ExitNetwork, text: TextEncoder, task: TaskInfo, rule_of: Callable[[Point, TaskInfo], Rule]
    ) -> None:
        super().__init__(network, text, task, rule_of)
        self.units.units |= encoder_units(network.encoder)
        self.ways = []
        for number, head in enumerate(network.exits, start=1):
            self.units.units[f"exit.{number}"] = head_unit(cast(Head, head))
            self.ways.append(Way(partial(self._advance, number), partial(self.units.run, f"exit.{number}")))

    def _advance(self, number: int, pack: Pack) -> Pack:
        if number == 1:
            pack = pack.with_rows(self.units.run("embed", pack))
        return run_layer(self.units, pack, number)


class TrainedExits(TrainedMethod):
    """A method whose network is an `ExitNetwork`: it says the rule of a point, and which points are worth measuring."""

    @abstractmethod
    def rule(self, point: Point, task: TaskInfo) -> Rule:
        """When a sample leaves at a point. Raises ElueError for one that names no rule of this method's."""

    @abstractmethod
    def default_points(self, logits: Tensor, task: TaskInfo, options: Any) -> list[Point]:
        """A sweep from leaving at exit 1 to never leaving, by validation logits (samples, exits, outputs)."""

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> ExitModel:
        return ExitModel(network, text, task, self.rule)

    def sweep(self, network: Any, training: Training) -> Sweep:
        task, logits = training.job.task, training.logits(network)
        points, scores = self.default_points(logits, task, training.options), []
        for point in points:
            layers, score = training.under(self.rule(point, task), logits)
            scores.append({"point": point, "layers": layers, "score": score})
        return points, {"exits": [training.quality(exit) for exit in logits.unbind(1)], "points": scores}


def exit_losses(logits: Tensor, labels: Tensor, task: TaskInfo) -> Tensor:
    """The task's loss at every exit, (layers,), from logits (batch, layers, outputs)."""
    return torch.stack([task_loss(exit_logits, labels, task) for exit_logits in logits.unbind(1)])


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
