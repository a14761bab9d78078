"""Switch: in some layers a router sends each token to one of several feed-forward experts.

Fedus, Zoph & Shazeer, "Switch Transformers", JMLR 2022. For the expert e of highest probability p, y = p_e(x) · E_e(x).
An expert takes at most its capacity of tokens; those that overflow pass by the residual connection.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import Tensor

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, unshared
from elue.modeling.experts import (
    Assignment,
    ExpertsModel,
    capacity,
    within_capacity,
)
from elue.modeling.method import Sweep, TrainedMethod, Training, swept
from elue.modeling.options import TrainingOptions, option
from elue.modeling.routing import margin_of_choices
from elue.modeling.sparse import ExpertsNetwork, capacity_sweep
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


class SwitchNetwork(ExpertsNetwork):
    """An encoder in which every so many feed-forwards are experts, and a head.

    Experts start as copies with outputs times E. A router near its start gives p ≈ 1/E, so the upcycled network
    starts as the one it was made from, although y = p · E(x) as defined.
    """

    def __init__(self, encoder: Encoder, task: TaskInfo, options: SwitchOptions) -> None:
        layers, experts = range(options.every - 1, encoder.config.layers, options.every), options.experts
        settings = {"jitter": options.jitter, "scale": experts, "balance": options.balance}
        super().__init__(encoder, task, options.pooling, layers, experts=experts, **settings)
        self.capacity_factor = self.trained_factor = options.capacity_factor

    def assign(self, probabilities: Tensor, mask: Tensor) -> Assignment:
        """Top-1, with one capacity for a batch in training, and else one for each sample."""
        return top1(probabilities, mask, self.capacity_factor, shared=self.training)


class SwitchModel(ExpertsModel):
    """Routes by the point's capacity."""

    def __init__(self, network: SwitchNetwork, text: TextEncoder, task: TaskInfo) -> None:
        super().__init__(network, text, task, network.assign, partial(margin_of_choices, choices=1))

    def configure(self, point: Point) -> None:
        factor = float(point.get("capacity_factor", self.network.trained_factor))
        if not factor >= 0:
            raise ElueError("bad_point", f"capacity_factor can't be {factor}.", "Give a number of 0 or more.")
        self.network.capacity_factor = factor


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
        return swept("capacity_factor", capacity_sweep(network, training))
