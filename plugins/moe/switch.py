"""Switch: in some layers a router sends each token to one of several feed-forward experts.

Fedus, Zoph & Shazeer, "Switch Transformers", JMLR 2022. For the expert e of highest probability p, y = p_e(x) · E_e(x).
An expert takes at most its capacity of tokens; those that overflow pass by the residual connection.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from elue.modeling.experts.choices import best
from elue.modeling.experts.look import Choice, Look
from elue.modeling.experts.losses import Routed, balance
from elue.modeling.experts.method import ExpertsMethod
from elue.modeling.experts.network import CapacityOptions, ExpertsNetwork
from elue.modeling.experts.seats import capacity
from elue.modeling.options import option


@dataclass(frozen=True, kw_only=True)
class SwitchOptions(CapacityOptions):
    jitter: float = option(0.01, "in training router inputs are multiplied by 1 plus or minus up to this", 0.0)


class SwitchNetwork(ExpertsNetwork):
    """Experts start with outputs times E.

    A router near its start gives p ≈ 1/E, so the upcycled network starts as the one it was made from, although
    y = p · E(x) as defined.
    """

    KNOBS = ("capacity_factor",)
    capacity_factor: float

    def scale(self) -> float:
        return float(self.options.experts)

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        """Top-1, weighted by the probability."""
        assert scores is not None
        return best(scores.softmax(-1), relative=True)

    def room(self, tokens: np.ndarray) -> np.ndarray:
        return capacity(tokens, self.options.experts, self.capacity_factor)

    def losses(self, routed: Routed) -> Tensor:
        """α E Σ f_i P_i."""
        return self.options.balance * balance(routed.scores.softmax(-1), routed.choice)


class Switch(ExpertsMethod):
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
    network_type = SwitchNetwork
    knobs = {
        "capacity_factor": {
            "type": "float",
            "low": 0,
            "infinite": True,
            "help": "room of an expert, in its even shares of a sample's tokens; the lower, the more pass by",
        }
    }
