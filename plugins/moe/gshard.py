"""GShard: the two most probable experts of each token, the second only where it weighs enough and has room.

Lepikhin et al., "GShard: Scaling Giant Models with Conditional Computation and Automatic Sharding", ICLR 2021. Weights
are the two probabilities divided by their sum. All first choices are seated before any second one; who has no seat adds
nothing. In training a second expert runs with probability 2 · its weight.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from elue.modeling.experts.choices import best, over, shares
from elue.modeling.experts.look import Choice, Look, array
from elue.modeling.experts.losses import Routed, balance
from elue.modeling.experts.method import ExpertsMethod
from elue.modeling.experts.network import CapacityOptions, ExpertsNetwork
from elue.modeling.experts.seats import capacity
from elue.modeling.options import option
from elue.protocol import Point


@dataclass(frozen=True, kw_only=True)
class GShardOptions(CapacityOptions):
    thinned: bool = option(True, "in training a second expert runs with probability 2 times its weight, else always")


class GShardNetwork(ExpertsNetwork):
    """Weights sum to one, so copies of the feed-forward start as the network they were made from."""

    KNOBS = ("second_above", "capacity_factor")
    second_above: float = 0.0
    capacity_factor: float

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        """Top-2 by probability; the second where it weighs more than `second_above`, or by lot in training."""
        assert scores is not None
        choice = best(scores.softmax(-1), min(2, self.options.experts), self.weigh, relative=True)
        if not look.training:
            return over(choice, self.second_above, from_choice=1)
        if not self.options.thinned:
            return choice
        assert choice.weight is not None
        wanted = array(self.odds(choice.weight) > torch.rand_like(choice.weight))
        wanted[:, 0] = True
        return choice.where(wanted, lambda: np.full(len(wanted), np.inf))

    def weigh(self, values: Tensor, count: int) -> Tensor:
        """What experts of these probabilities weigh."""
        return shares(values, count)

    def odds(self, weight: Tensor) -> Tensor:
        """How probable it is in training that a second expert of this weight runs."""
        return 2 * weight

    def room(self, tokens: np.ndarray) -> np.ndarray:
        return capacity(tokens, self.options.experts, self.capacity_factor, choices=2)

    def losses(self, routed: Routed) -> Tensor:
        """E Σ f_i P_i, f_i of first choices before any is dropped."""
        return self.options.balance * balance(routed.scores.softmax(-1), routed.choice)


class GShard(ExpertsMethod):
    """Two experts a token with capacity, first choices first, weights divided by their sum before any is dropped.

    Differences: a second expert runs at inference where it weighs more than the knob `second_above`, one of the
    policies of the authors' library, Lingvo, whose default runs all; nothing is by lot. Capacity is CF · 2n / E,
    rounded up, without the least of 4 that Mesh-TensorFlow has; at inference each sample has its own. Probabilities
    are softmaxed over all experts. Experts are copies of a trained encoder's feed-forwards. The capacity factor of
    training may be asked anew; both knobs are the paper's means, their use for a curve is ours: from room for all, by
    way of fewer second experts, to no room at all.
    """

    name = "gshard"
    family = "moe"
    title = "GShard: top-2 experts with capacity"
    paper = "Lepikhin et al. 2021, GShard, https://arxiv.org/abs/2006.16668"
    summary = (
        "A router sends each token to its two most probable experts. The second runs only where its share of the "
        "weight is above a threshold, and each expert takes a limited number of tokens. So each token costs none to "
        "two experts."
    )
    options = GShardOptions
    network_type = GShardNetwork
    knobs = {
        "second_above": {"type": "float", "low": 0, "high": 0.5, "help": "what a second expert must weigh to be run"},
        "capacity_factor": {
            "type": "float",
            "low": 0,
            "infinite": True,
            "help": "room of an expert, in its even shares of two choices a token",
        },
    }

    def ends(self, network: ExpertsNetwork) -> tuple[float, ...]:
        return (-1.0, 0.0, 0.5, 1.0)

    def along(self, network: ExpertsNetwork, place: float) -> Point:
        """From room for all choices, at -1, to that of training, to no second choice, at 0.5, to no room, at 1."""
        trained = network.trained["capacity_factor"]
        most = max(trained, float(network.options.experts))
        room = trained - place * (most - trained) if place < 0 and trained < most else trained
        if place > 0.5:
            room = 2 * (1 - place) * min(trained, float(network.options.experts))
        return {"second_above": min(max(place, 0.0), 0.5), "capacity_factor": room}
