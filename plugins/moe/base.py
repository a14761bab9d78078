"""BASE layers: balanced assignment of tokens to experts in training, greedy at test, mixed in by a sigmoid.

Lewis et al., "BASE Layers: Simplifying Training of Large, Sparse Models", ICML 2021. Scores are x · w_e. In training
every expert gets as many tokens as the others, by the assignment whose scores add up highest; at test a token goes to
its best. The output is α f(x) + (1 - α) x with α = σ(x · w_e): no loss beside the task's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elue.modeling.encoder import FeedForward
from elue.modeling.experts.assignment import balanced
from elue.modeling.experts.choices import best, fixed, over
from elue.modeling.experts.layers import Blocks, Expert, ExpertLayer, Router
from elue.modeling.experts.look import LOGIT_TOLERANCE, Choice, Look, array, index
from elue.modeling.experts.method import ExpertsMethod
from elue.modeling.experts.network import ExpertsNetwork, RouterOptions
from elue.modeling.options import option


@dataclass(frozen=True, kw_only=True)
class BaseOptions(RouterOptions):
    blocks: int = option(0, "residual blocks of experts inserted in the middle; 0: they replace feed-forwards", 0)


class BaseNetwork(ExpertsNetwork):
    """α starts at about 1/2, so swapped experts start with outputs times 2; inserted ones start as the identity."""

    KNOBS = ("mixed_above",)
    mixed_above: float = 0.0

    def places(self) -> Iterable[int]:
        return (self.encoder.config.layers // 2 - 1,) if self.options.blocks else super().places()

    def layer(self, source: FeedForward) -> ExpertLayer:
        router, blocks = self.router(source.inner.in_features), self.options.blocks
        experts: list[nn.Module] = [
            Blocks(source, blocks) if blocks else Expert(source).scaled(2.0) for _ in range(self.options.experts)
        ]
        return ExpertLayer(source, router, experts, inserted=blocks > 0)

    def router(self, hidden: int) -> Router:
        router = Router(hidden, self.options.experts)
        nn.init.orthogonal_(router.weight, gain=0.1)
        return router

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        """The best expert, or the one that is assigned, with weight α; none where α is at most `mixed_above`."""
        assert scores is not None
        if look.training:
            order = torch.randperm(len(scores)).numpy()
            expert = balanced(array(scores)[order])[order.argsort()]
            return self.mixed(fixed(expert), scores)
        choice = best(scores, weigh=lambda values, count: values.sigmoid(), tolerance=LOGIT_TOLERANCE)
        return over(choice, self.mixed_above)

    def mixed(self, choice: Choice, scores: Tensor) -> Choice:
        """The same choice, weighted by α."""
        return Choice(choice.expert, scores.gather(1, index(choice.expert, scores)).sigmoid(), choice.wanted)


class Base(ExpertsMethod):
    """Balanced assignment in training, the best expert at test, α = σ(x · w_e) of the chosen one.

    Differences: without `blocks` experts take the place of feed-forwards, y = norm(x + α FFN_e(x)), which costs what
    the encoder did; with some, residual blocks stand between two layers in the middle, as published, and each costs a
    feed-forward more. The release assigns by an auction that may end before the best; here it is exact, over 1,024
    tokens of a shuffled batch at a time, whose number need not be a multiple of E. Training is told by the module's
    mode, not by whether its input has gradients. Skipping an expert where α is small, the knob, is ours.
    """

    name = "base"
    family = "moe"
    title = "BASE layers: balanced assignment"
    paper = "Lewis et al. 2021, BASE Layers, https://arxiv.org/abs/2103.16716"
    summary = (
        "In training tokens are assigned so that all experts have the same number and scores are highest; at test each "
        "goes to its best. A sigmoid of the score mixes the expert in. Where that is small the expert is skipped."
    )
    options = BaseOptions
    network_type = BaseNetwork
    knobs = {
        "mixed_above": {"type": "float", "low": 0, "high": 1, "help": "what an expert must be mixed in by to be run"}
    }

    def ends(self, network: ExpertsNetwork) -> tuple[float, float]:
        return 0.0, 1.0
