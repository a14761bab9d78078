"""Soft MoE: experts run on slots, which are weighted means of all tokens; nothing is chosen and nothing dropped.

Puigcerver et al., "From Sparse to Soft Mixtures of Experts", ICLR 2024. Scores of tokens and slots are cosines times a
learned scale. A slot is the mean of tokens by a softmax over tokens, a token's result the mean of what experts make of
slots by a softmax over slots.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from elue.modeling.encoder import Encoder
from elue.modeling.experts.network import RouterOptions
from elue.modeling.experts.slots import SlotModel, SlotNetwork
from elue.modeling.method import Sweep, TrainedMethod, Training, swept
from elue.modeling.options import option
from elue.modeling.sweep import choose
from elue.modeling.text import TextEncoder
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class SoftMoeOptions(RouterOptions):
    slots: int = option(4, "slots of each expert", 1)


class SoftMoe(TrainedMethod):
    """Slots in place of tokens in every second feed-forward; the task's loss alone.

    Differences: the paper's models are for images, learned from scratch, with soft layers in their last half; here
    experts are copies of a trained encoder's feed-forwards, which get means of tokens to see, so that the network does
    not start as the one it was made from. Slots get tokens as they are; scores alone see them at length one, as
    released. One sample is one group there as well. With padding, the softmax over tokens is over real ones. The knob,
    using the first slots of every expert alone, and training with their number drawn for each batch, are ours.
    """

    name = "soft_moe"
    family = "moe"
    title = "Soft MoE: slots of averaged tokens"
    paper = "Puigcerver et al. 2024, From Sparse to Soft Mixtures of Experts, https://arxiv.org/abs/2308.00951"
    summary = (
        "Experts see no tokens but slots, each an average of all tokens by learned weights, and tokens take averages "
        "of what comes out. Cost hangs on the number of slots, not of tokens. Fewer slots in use make it cheaper."
    )
    options = SoftMoeOptions
    knobs = {"slots": {"type": "int", "low": 1, "help": "slots of each expert in use, up to those trained"}}

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> nn.Module:
        return SlotNetwork(encoder, task, options)

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> SlotModel:
        return SlotModel(network, text, task)

    def learn(self, network: Any, training: Training) -> None:
        training.fit(network, rates={"phi": training.options.router_rate})

    def sweep(self, network: Any, training: Training) -> Sweep:
        tried = []
        for slots in range(1, training.options.slots + 1):
            network.at({"slots": slots})
            tried.append(training.tried(network, slots, "ran", attends=False))
        network.at({})
        return swept("slots", choose(tried))
