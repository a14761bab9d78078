"""DeepSeekMoE: many narrow experts, some of them shared by all tokens, balanced by a bias instead of a loss.

Dai et al., "DeepSeekMoE", ACL 2024; Wang et al., "Auxiliary-Loss-Free Load Balancing", 2024; DeepSeek-V3, 2024. Each
expert is cut into m narrow ones. K_s of them are always on; of the others a token takes those with the highest
s + b, s = σ(x W), weighted by s alone, divided by their sum. After every step b rises for experts that had too few.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.encoder import EncoderConfig, FeedForward
from elue.modeling.experts.choices import best, shares
from elue.modeling.experts.layers import Expert, ExpertLayer, Router
from elue.modeling.experts.look import Choice, Look, index
from elue.modeling.experts.method import ExpertsMethod, rates_of
from elue.modeling.experts.network import ExpertsNetwork, RouterOptions
from elue.modeling.method import Training
from elue.modeling.options import option


@dataclass(frozen=True, kw_only=True)
class DeepSeekMoeOptions(RouterOptions):
    pieces: int = option(4, "narrow experts that a feed-forward is cut into", 2)
    shared: int = option(1, "narrow experts that every token goes through", 1)
    bias_rate: float = option(1e-3, "what a bias changes by after each step", 0.0)
    routed_scale: float = option(2.5, "what weights, which sum to one, are multiplied by", 1e-3)

    @property
    def chosen(self) -> int:
        """Routed experts of a token in training."""
        return self.pieces - self.shared


class DeepSeekMoeNetwork(ExpertsNetwork):
    """Copies of a feed-forward's slices; the units with the largest weights are the shared ones.

    A token takes as many routed slices as the feed-forward has beside the shared ones, so it costs the same.
    """

    KNOBS = ("chosen",)
    chosen: int

    def layer(self, source: FeedForward) -> ExpertLayer:
        options, width = self.options, source.inner.out_features // self.options.pieces
        norms = source.inner.weight.norm(dim=1) * source.outer.weight.norm(dim=0)
        units = norms.argsort(descending=True, stable=True).tolist()
        rest, routed = options.pieces - options.shared, options.pieces * options.experts - options.shared
        always = Expert(source, units[: options.shared * width])
        slices = [units[start : start + width] for start in range(options.shared * width, len(units), width)]
        scale = rest / options.routed_scale
        narrow = [Expert(source, slices[place % rest], bias=False).scaled(scale) for place in range(routed)]
        router = Router(source.inner.in_features, routed)
        nn.init.normal_(router.weight, std=0.006)
        router.register_buffer("bias", torch.zeros(routed))
        router.register_buffer("taken", torch.zeros(routed), persistent=False)
        return ExpertLayer(source, router, narrow, always)

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        assert scores is not None
        router: Any = self.numbered()[look.layer].router
        likely, most = scores.sigmoid(), self.options.chosen
        choice = best(likely + router.bias, self.chosen, self.weights, of=likely, most=most, ordered=False)
        if look.training:
            router.taken += index(np.bincount(choice.expert.ravel(), minlength=scores.shape[1]), router.taken)
        return choice

    def weights(self, values: Tensor, count: int) -> Tensor:
        return self.options.routed_scale * shares(values, count)

    def after_step(self) -> None:
        """Raise the biases of experts that took less than the mean since the last step, and lower the others'."""
        for half in self.numbered().values():
            router: Any = half.router
            router.bias += self.options.bias_rate * torch.sign(router.taken.mean() - router.taken)
            router.taken.zero_()


class DeepSeekMoe(ExpertsMethod):
    """V3's routing: sigmoids, a bias for choosing alone, weights divided by their sum, shared and narrow experts.

    Differences: no groups of experts and no loss by sequence, which serve many machines; no rate of 0 at the end of
    training. Experts are slices of a trained encoder's feed-forwards (there, learned from scratch), so that shared ones
    and one copy of every other slice are the feed-forward. The knob asks fewer routed experts of the same weights, down
    to the shared ones alone; what remains is renormalised, which this form of weights allows; its use is ours.
    """

    name = "deepseek_moe"
    family = "moe"
    title = "DeepSeekMoE: shared and narrow experts"
    paper = "Dai et al. 2024, DeepSeekMoE, https://arxiv.org/abs/2401.06066"
    summary = (
        "Experts are cut into narrow ones; a few are shared by all tokens, and a router picks several of the others. A "
        "bias on the scores keeps them equally busy, without a loss. The fewer narrow experts run, the cheaper it is."
    )
    options = DeepSeekMoeOptions
    network_type = DeepSeekMoeNetwork
    knobs = {"chosen": {"type": "int", "low": 0, "help": "narrow experts a token takes beside the shared ones"}}

    def settled(self, options: Any, config: EncoderConfig) -> Any:
        if config.intermediate % options.pieces or options.shared >= options.pieces:
            cut = f"{options.pieces} pieces with {options.shared} shared"
            message = f"A feed-forward of {config.intermediate} can't be cut into {cut}."
            raise ElueError("bad_option", message, "Give pieces that divide it evenly, and fewer shared ones.")
        return options

    def learn(self, network: Any, training: Training) -> None:
        training.fit(network, rates=rates_of(training.options), after=network.after_step)

    def ends(self, network: ExpertsNetwork) -> tuple[int, ...]:
        return tuple(range(network.options.chosen + 1))
