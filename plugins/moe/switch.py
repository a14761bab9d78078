"""Switch: in some layers a router sends each token to one of several feed-forward experts.

Fedus, Zoph & Shazeer, "Switch Transformers", JMLR 2022. For the expert e of highest probability p, y = p_e(x) · E_e(x).
An expert takes at most its capacity of tokens; those that overflow pass by the residual connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, unshared
from elue.modeling.experts import (
    Assignment,
    ExpertsModel,
    capacity,
    encode,
    load_balancing_loss,
    upcycle,
    within_capacity,
)
from elue.modeling.heads import Head, task_loss
from elue.modeling.method import Sweep, TrainedMethod, Training, swept
from elue.modeling.options import TrainingOptions, option
from elue.modeling.routing import margin_of_choices
from elue.modeling.sweep import Tried, choose, middle, refine
from elue.modeling.text import TextEncoder
from elue.protocol import Point, TaskInfo


@dataclass(frozen=True, kw_only=True)
class SwitchOptions(TrainingOptions):
    experts: int = option(4, "experts in each switch layer", 1)
    every: int = option(2, "every how many layers a feed-forward becomes experts", 1)
    capacity_factor: float = option(1.25, "capacity factor in training, over a batch's tokens", 0.0)
    balance: float = option(0.01, "weight of the load-balancing loss", 0.0)
    jitter: float = option(0.01, "in training router inputs are multiplied by 1 plus or minus up to this", 0.0)
    router_rate: float = option(1e-3, "learning rate of the routers", 0.0)


def top1(probabilities: Tensor, mask: Tensor, factor: float, shared: bool) -> Assignment:
    """Each token to its most probable expert, weighted by that probability, while there is room.

    Room is reckoned over all tokens of the batch if `shared`, else over each sample's own.
    """
    experts = probabilities.shape[-1]
    groups = (1, mask.numel()) if shared else mask.shape
    gate, expert = probabilities.max(-1)
    real = mask.reshape(groups)
    limit = capacity(real.sum(1), experts, factor)
    row = within_capacity(expert.reshape(groups), limit, experts, real).flatten().nonzero().squeeze(-1)
    return Assignment(row, expert.index_select(0, row), gate.index_select(0, row))


class SwitchNetwork(nn.Module):
    """An encoder in which every so many feed-forwards are experts, and a head.

    Experts start as copies with outputs times E. A router near its start gives p ≈ 1/E, so the upcycled network
    starts as the one it was made from, although y = p · E(x) as defined.
    """

    def __init__(self, encoder: Encoder, task: TaskInfo, options: SwitchOptions) -> None:
        super().__init__()
        self.task, self.options = task, options
        self.encoder, self.head = encoder, Head(encoder.config, task, options.pooling)
        self.capacity_factor = options.capacity_factor
        layers = range(options.every - 1, encoder.config.layers, options.every)
        upcycle(encoder, layers, options.experts, options.jitter, scale=options.experts)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits of a padded batch and the share of tokens that experts ran on, (batch,).

        Given labels, the task's loss plus α Σ E Σ f_i P_i over the switch layers stands in its place.
        """
        mask = batch["mask"]
        ran = torch.zeros_like(mask, dtype=torch.float)

        def assign(probabilities: Tensor, mask: Tensor) -> Assignment:
            pairs = top1(probabilities, mask, self.capacity_factor, shared=self.training)
            ran.view(-1).index_add_(0, pairs.row, torch.ones_like(pairs.row, dtype=torch.float))
            return pairs

        hidden, routed = encode(self.encoder, self.encoder.embed(batch["ids"], batch["segments"]), mask, assign)
        logits = self.head(hidden, mask)
        if "labels" not in batch:
            return {"logits": logits, "ran": ran.sum(1) / (mask.sum(1) * len(routed))}
        loss = task_loss(logits, batch["labels"], self.task)
        for probabilities in routed:
            real = probabilities[mask.flatten()]
            loss = loss + self.options.balance * load_balancing_loss(real, real.argmax(-1))
        return {"logits": logits, "loss": loss}


class SwitchModel(ExpertsModel):
    """Routes by the point's capacity."""

    def __init__(self, network: SwitchNetwork, text: TextEncoder, task: TaskInfo) -> None:
        super().__init__(network, text, task, self.route, partial(margin_of_choices, choices=1))

    def configure(self, point: Point) -> None:
        factor = float(point.get("capacity_factor", self.network.options.capacity_factor))
        if not factor >= 0:
            raise ElueError("bad_point", f"capacity_factor can't be {factor}.", "Give a number of 0 or more.")
        self.network.capacity_factor = factor

    def route(self, probabilities: Tensor, mask: Tensor) -> Assignment:
        """Top-1 at the point's capacity, every sample on its own."""
        return top1(probabilities, mask, self.network.capacity_factor, shared=False)


class Switch(TrainedMethod):
    """Experts upcycled from the backbone, top-1 routing with capacity, load-balancing loss.

    Tokens compete for room: with one capacity for a batch, as in training, a sample's answer and its compute would
    depend on the samples beside it. So at evaluation every sample has its own capacity, and its factor is the knob.

    Other differences from the paper: the backbone is fine-tuned, not pre-trained with experts, which start as copies
    (sparse upcycling) and not at random with a smaller scale; there is no expert dropout; an encoder alone, not T5.
    Layers that share weights (ALBERT) are set apart.
    """

    name = "switch"
    family = "moe"
    title = "Switch: top-1 experts with capacity"
    paper = "Fedus et al. 2022, Switch Transformers, https://arxiv.org/abs/2101.03961"
    summary = (
        "Feed-forward layers are replaced by several experts, and a router sends each token to one of them. A sample "
        "touches only the experts its tokens chose. Capacity limits how many tokens an expert takes."
    )
    options = SwitchOptions
    knobs = {
        "capacity_factor": {
            "type": "float",
            "low": 0,
            "infinite": True,
            "help": "room of an expert, in its even shares of a sample's tokens; the lower, the more pass by",
        }
    }

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> SwitchNetwork:
        return SwitchNetwork(unshared(encoder), task, options)

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> SwitchModel:
        return SwitchModel(network, text, task)

    def learn(self, network: Any, training: Training) -> None:
        training.fit(network, rates={"router": training.options.router_rate})

    def sweep(self, network: Any, training: Training) -> Sweep:
        """From no room at all to room for all of a sample's tokens in one expert."""

        def measure(factor: float) -> Tried:
            network.capacity_factor = factor
            return training.tried(network, factor, "ran")

        trained = training.options.capacity_factor
        ends = (0.0, float(training.options.experts))
        settings = sorted({*ends, *([trained] if ends[0] < trained < ends[1] else [])})
        chosen = choose(refine(measure, settings, middle), always=settings)
        network.capacity_factor = trained
        return swept("capacity_factor", chosen)
