"""StableMoE: routing is learned first, distilled into a light router that sees the token alone, and frozen.

Dai et al., "StableMoE: Stable Routing Strategy for Mixture of Experts", ACL 2022. Stage 1: the best expert by x · w_e
with capacity, a loss that evens out, and a light router, 50 numbers for each token id, that learns to choose alike.
Stage 2 and inference: the light router chooses; α = σ(x · w_e) of the chosen one is still learned.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling.encoder import Encoder
from elue.modeling.experts.choices import best, fixed, over
from elue.modeling.experts.look import LOGIT_TOLERANCE, Choice, Look, index
from elue.modeling.experts.losses import Routed, chosen_share
from elue.modeling.experts.method import rates_of
from elue.modeling.experts.seats import capacity
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.plugins.moe.base import Base, BaseNetwork, BaseOptions
from elue.protocol import TaskInfo

SMALL = 0.02
"""Spread of the numbers that a light router starts with for each id."""


@dataclass(frozen=True, kw_only=True)
class StableMoeOptions(BaseOptions):
    learning_epochs: float = option(1.0, "passes of stage 1, in which routing is learned", 0.0)
    capacity_factor: float = option(2.0, "room of an expert in stage 1, in even shares of a batch's tokens", 0.0)
    balance: float = option(0.3, "weight of the balance loss of stage 1, which is 0 at balance", 0.0)
    distil: float = option(0.3, "weight of the light router's loss in stage 1", 0.0)
    light: int = option(50, "numbers that the light router has for each token id", 1)


class StableMoeNetwork(BaseNetwork):
    """BASE's experts; `tables` (layers, vocabulary) is what light routers say, and all that is left of them."""

    tables: Tensor
    learning = False

    def __init__(self, encoder: Encoder, task: TaskInfo, options: StableMoeOptions) -> None:
        super().__init__(encoder, task, options)
        shape = encoder.config.layers, encoder.config.vocabulary
        self.register_buffer("tables", torch.zeros(shape, dtype=torch.int64))

    def begin(self) -> None:
        """Make the light routers: small at first, so that what is learned soon says more than chance."""
        places, options = [str(number) for number in self.numbered()], self.options
        words = {place: torch.randn(self.tables.shape[1], options.light) * SMALL for place in places}
        centroids = {place: torch.randn(options.experts, options.light) * 0.1 for place in places}
        self.router_words, self.router_centroids = nn.ParameterDict(words), nn.ParameterDict(centroids)
        self.learning = True

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        assert scores is not None
        if self.learning:
            return best(scores, weigh=lambda values, count: values.sigmoid(), tolerance=LOGIT_TOLERANCE)
        expert = self.tables[look.layer - 1].cpu().numpy()[look.ids]
        return over(self.mixed(fixed(expert), scores), self.mixed_above)

    def room(self, tokens: np.ndarray) -> np.ndarray | None:
        return capacity(tokens, self.options.experts, self.options.capacity_factor) if self.learning else None

    def losses(self, routed: Routed) -> Tensor | None:
        """Means over tokens of what the release sums: scores of fuller experts down, and the light router's error."""
        if not self.learning:
            return None
        assert routed.choice.weight is not None
        experts, place = self.options.experts, str(routed.look.layer)
        fuller = experts * chosen_share(routed.choice, experts) - 1
        pushed = routed.choice.weight * index(fuller[routed.choice.expert], routed.scores).to(routed.scores.dtype)
        ids = index(routed.look.ids, routed.scores)
        light = F.embedding(ids, self.router_words[place]) @ self.router_centroids[place].t()
        told = index(routed.choice.expert[:, 0], routed.scores)
        return self.options.balance * pushed.mean() + self.options.distil * F.cross_entropy(light, told)

    @torch.no_grad()
    def freeze(self) -> None:
        """Write down what the light routers say of every id, and be done with them."""
        for place, words in self.router_words.items():
            self.tables[int(place) - 1] = (words @ self.router_centroids[place].t()).argmax(-1)
        del self.router_words, self.router_centroids
        self.learning = False


class StableMoe(Base):
    """Two stages; the second routes by token id as a learned hash does, and knows no capacity.

    Differences: experts take the place of feed-forwards unless `blocks` are inserted (there one layer of three to six
    blocks in the middle of a language model). Stage 1 is one pass of training; there 6,000 of 60,000 steps. Losses are
    means over tokens; there sums, divided with the task's. Stage 2 scores all experts, of which the chosen one would
    do. The release keeps its capacity at inference. The stage is a matter of training, not of a counter that a plain
    load leaves at 0. The knob is ours, as in BASE layers.
    """

    name = "stablemoe"
    title = "StableMoE: routing learned, then frozen"
    paper = "Dai et al. 2022, StableMoE, https://arxiv.org/abs/2204.08396"
    summary = (
        "Routing is learned first and distilled into a table from token ids to experts, which is then frozen. A "
        "sigmoid of the token's score mixes its expert in. Where that is small the expert is skipped."
    )
    options = StableMoeOptions
    network_type = StableMoeNetwork

    def learn(self, network: Any, training: Training) -> None:
        rates = rates_of(training.options)
        torch.manual_seed(training.job.seed)
        network.begin()
        training.fit(network, phase="routing", epochs=training.options.learning_epochs, rates=rates)
        network.freeze()
        training.fit(network, phase="frozen", rates=rates)
