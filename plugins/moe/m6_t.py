"""M6-T: expert prototyping, k groups of experts with a top-1 router each.

Yang et al., "M6-T: Exploring Sparse Expert Models and Beyond", 2021. E experts are split into Z groups, the prototypes.
Each has a softmax of its own over its F = E / Z experts, and y = Σ_g p_g(x) E_g(x) over the best expert of every group.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elue.errors import ElueError
from elue.modeling.encoder import EncoderConfig
from elue.modeling.experts.choices import grouped
from elue.modeling.experts.look import Choice, Look
from elue.modeling.experts.losses import Routed, balance
from elue.modeling.experts.method import ExpertsMethod
from elue.modeling.experts.network import CapacityOptions, ExpertsNetwork
from elue.modeling.experts.seats import capacity
from elue.modeling.options import option


@dataclass(frozen=True, kw_only=True)
class M6TOptions(CapacityOptions):
    prototypes: int = option(2, "groups of experts, each with a router", 1)
    balance: float = option(0.0, "weight of each group's load-balancing loss, which is 1 at balance", 0.0)
    room: str = option(
        "once", "an expert's room: of one choice a token, or of one a group", choices=("once", "grouped")
    )


class M6TNetwork(ExpertsNetwork):
    """A row has a weight of about 1 / F from each of Z groups at the start, so outputs start times F / Z."""

    KNOBS = ("capacity_factor", "prototypes")
    capacity_factor: float
    prototypes: int

    def scale(self) -> float:
        return self.options.experts / self.options.prototypes**2

    def shares(self, scores: Tensor) -> Tensor:
        """Probabilities within each group, (tokens, groups, experts of a group)."""
        return scores.unflatten(-1, (self.options.prototypes, -1)).softmax(-1)

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        """The best of each of the first `prototypes` groups, weights times Z over how many are used."""
        assert scores is not None
        groups, used = self.options.prototypes, min(self.prototypes, self.options.prototypes)
        choice = grouped(self.shares(scores).flatten(1), groups)
        assert choice.weight is not None
        wanted = np.broadcast_to(np.arange(groups) < used, choice.expert.shape)
        return replace(choice, weight=choice.weight * (groups / max(1, used)), wanted=wanted)

    def room(self, tokens: np.ndarray) -> np.ndarray:
        choices = self.options.prototypes if self.options.room == "grouped" else 1
        return capacity(tokens, self.options.experts, self.capacity_factor, choices)

    def losses(self, routed: Routed) -> Tensor:
        """The sum over groups of F Σ f_i P_i."""
        shares, width = self.shares(routed.scores), self.options.experts // self.options.prototypes
        each_group = [
            balance(shares[:, group], Choice(routed.choice.expert[:, group : group + 1] - group * width))
            for group in range(self.options.prototypes)
        ]
        return self.options.balance * torch.stack(each_group).sum()


class M6T(ExpertsMethod):
    """One expert of every group, weighted by its probability within the group; weights are not renormalised.

    No code was released; formulas are the paper's, capacity settings are read from its tables: an expert has room for
    CF · n / E tokens ("once", their 1x, so that groups cost what one choice does) or for CF · Z · n / E. Its finding
    that imbalance hardly hurts is followed: no balance loss unless asked for, whose form is Switch's in each group, and
    the sum over groups. Experts are copies of a trained encoder's feed-forwards, not learned from scratch. The
    capacity factor is the paper's; using fewer groups, their sum scaled up, is ours.
    """

    name = "m6_t"
    family = "moe"
    title = "M6-T: prototypes of experts"
    paper = "Yang et al. 2021, M6-T, https://arxiv.org/abs/2105.15082"
    summary = (
        "Experts are split into groups, and in every group a router of its own picks one expert for each token. The "
        "results are added. Each expert has limited room, and the less there is, the more tokens pass by."
    )
    options = M6TOptions
    network_type = M6TNetwork
    knobs = {
        "capacity_factor": {"type": "float", "low": 0, "infinite": True, "help": "room of an expert, in even shares"},
        "prototypes": {"type": "int", "low": 1, "help": "groups that are used, in their order"},
    }

    def settled(self, options: Any, config: EncoderConfig) -> Any:
        if options.experts % options.prototypes:
            message = f"{options.experts} experts can't be split into {options.prototypes} groups of the same size."
            raise ElueError("bad_option", message, "Set experts to a multiple of prototypes.")
        return options
