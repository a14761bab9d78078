"""What methods with experts are built of: options, network, and a model whose knob is the room that experts have."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, unshared
from elue.modeling.experts import Assignment, ExpertsModel, encode, load_balancing_loss, upcycle
from elue.modeling.heads import Head, task_loss
from elue.modeling.method import Training
from elue.modeling.options import TrainingOptions, option
from elue.modeling.routing import margin_of_choices
from elue.modeling.sweep import Tried, choose, middle, refine
from elue.modeling.text import TextEncoder
from elue.protocol import Point, TaskInfo


@dataclass(frozen=True, kw_only=True)
class ExpertsOptions(TrainingOptions):
    """Options of methods with experts."""

    experts: int = option(4, "experts in each layer that has some", 1)
    every: int = option(2, "every how many layers a feed-forward becomes experts", 1)
    capacity_factor: float = option(1.25, "capacity factor in training, over a batch's tokens", 0.0)
    balance: float = option(0.01, "weight of the load-balancing loss", 0.0)
    jitter: float = option(0.01, "in training router inputs are multiplied by 1 plus or minus up to this", 0.0)
    router_rate: float = option(1e-3, "learning rate of the routers", 0.0)


class ExpertsNetwork(nn.Module):
    """An encoder in which every so many feed-forwards are experts, and a head. A method says which token goes where.

    Experts start as copies with outputs times `scale`; layers that share weights (ALBERT) are set apart.
    """

    def __init__(self, encoder: Encoder, task: TaskInfo, options: ExpertsOptions, scale: float) -> None:
        super().__init__()
        self.task, self.balance = task, options.balance
        self.encoder, self.head = unshared(encoder), Head(encoder.config, task, options.pooling)
        layers = range(options.every - 1, encoder.config.layers, options.every)
        upcycle(self.encoder, layers, options.experts, options.jitter, scale)
        self.capacity_factor = self.trained_factor = options.capacity_factor

    def assign(self, probabilities: Tensor, mask: Tensor) -> Assignment:
        """Which experts take which rows of a padded batch, in training and out of it."""
        raise NotImplementedError

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits of a padded batch and the share of tokens that experts ran on, (batch,).

        Given labels, the task's loss plus α Σ E Σ f_i P_i over the layers with experts stands in its place.
        """
        mask = batch["mask"]
        ran = torch.zeros_like(mask, dtype=torch.float)

        def assign(probabilities: Tensor, mask: Tensor) -> Assignment:
            pairs = self.assign(probabilities, mask)
            ran.view(-1).index_add_(0, pairs.row, torch.ones_like(pairs.row, dtype=torch.float))
            return pairs

        hidden, routed = encode(self.encoder, self.encoder.embed(batch["ids"], batch["segments"]), mask, assign)
        logits = self.head(hidden, mask)
        if "labels" not in batch:
            return {"logits": logits, "ran": ran.sum(1) / (mask.sum(1) * len(routed))}
        loss = task_loss(logits, batch["labels"], self.task)
        for probabilities in routed:
            real = probabilities[mask.flatten()]
            loss = loss + self.balance * load_balancing_loss(real, real.argmax(-1))
        return {"logits": logits, "loss": loss}


class CapacityModel(ExpertsModel):
    """Routes as its network does, with the point's `capacity_factor`, each row to so many experts at most."""

    def __init__(self, network: ExpertsNetwork, text: TextEncoder, task: TaskInfo, choices: int) -> None:
        super().__init__(network, text, task, network.assign, partial(margin_of_choices, choices=choices))

    def configure(self, point: Point) -> None:
        factor = float(point.get("capacity_factor", self.network.trained_factor))
        if not factor >= 0:
            raise ElueError("bad_point", f"capacity_factor can't be {factor}.", "Give a number of 0 or more.")
        self.network.capacity_factor = factor


def capacity_sweep(network: Any, training: Training) -> list[Tried]:
    """Values of `network.capacity_factor`, from no room at all to room for all of a sample's tokens in one expert.

    The share of tokens that experts ran on is noted as "ran", in percent, beside the score.
    """

    def measure(factor: float) -> Tried:
        network.capacity_factor = factor
        return training.tried(network, factor, "ran")

    trained = network.trained_factor
    ends = (0.0, float(training.options.experts))
    settings = sorted({*ends, *([trained] if ends[0] < trained < ends[1] else [])})
    chosen = choose(refine(measure, settings, middle), always=settings)
    network.capacity_factor = trained
    return chosen
