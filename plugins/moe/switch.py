"""Switch: in some layers a router sends each token to one of several feed-forward experts.

Fedus, Zoph & Shazeer, "Switch Transformers", JMLR 2022. For the expert e of highest probability p, y = p_e(x) · E_e(x).
An expert takes at most its capacity of tokens; those that overflow pass by the residual connection.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor

from elue.modeling.encoder import Encoder
from elue.modeling.experts import Assignment, capacity, within_capacity
from elue.modeling.method import Sweep, TrainedMethod, Training, swept
from elue.modeling.sparse import CapacityModel, ExpertsNetwork, ExpertsOptions, capacity_sweep
from elue.modeling.text import TextEncoder
from elue.protocol import TaskInfo


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
    """Experts start with outputs times E.

    A router near its start gives p ≈ 1/E, so the upcycled network starts as the one it was made from, although
    y = p · E(x) as defined.
    """

    def __init__(self, encoder: Encoder, task: TaskInfo, options: ExpertsOptions) -> None:
        super().__init__(encoder, task, options, scale=options.experts)

    def assign(self, probabilities: Tensor, mask: Tensor) -> Assignment:
        """Top-1, with one capacity for a batch in training, and else one for each sample."""
        return top1(probabilities, mask, self.capacity_factor, shared=self.training)


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
    options = ExpertsOptions
    knobs = {
        "capacity_factor": {
            "type": "float",
            "low": 0,
            "infinite": True,
            "help": "room of an expert, in its even shares of a sample's tokens; the lower, the more pass by",
        }
    }

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> SwitchNetwork:
        return SwitchNetwork(encoder, task, options)

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> CapacityModel:
        return CapacityModel(network, text, task, choices=1)

    def learn(self, network: Any, training: Training) -> None:
        training.fit(network, rates={"router": training.options.router_rate})

    def sweep(self, network: Any, training: Training) -> Sweep:
        return swept("capacity_factor", capacity_sweep(network, training))
