"""EvoMoE: experts grow out of one, and a gate that is dense at first becomes sparse.

Nie et al., "EvoMoE: An Evolutional Mixture-of-Experts Training Framework via Dense-To-Sparse Gate", 2021. One expert is
trained, copied, and weights of the copies are masked at random. Then w = softmax((x W + noise) / τ), experts with
w > 0.001 run, and as τ falls fewer and fewer do.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elue.modeling.experts.choices import best, fixed, gaps, over
from elue.modeling.experts.look import Choice, Look, index
from elue.modeling.experts.losses import Routed, balance
from elue.modeling.experts.method import ExpertsMethod, rates_of
from elue.modeling.experts.network import ExpertsNetwork, RouterOptions
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.modeling.shares import checked_shares


@dataclass(frozen=True, kw_only=True)
class EvoMoeOptions(RouterOptions):
    alone_epochs: float = option(1.0, "passes with one expert for all tokens, before the others are made of it", 0.0)
    masked: float = option(0.1, "share of weights that a copy starts without", 0.0)
    hottest: float = option(1.0, "temperature of the gate at the start", 1e-3)
    temperature: float = option(0.5, "temperature of the gate at the end, reached linearly", 1e-3)
    threshold: float = option(0.001, "what an expert must weigh to be run", 0.0)
    balance: float = option(0.01, "weight of the load-balancing loss, which is 1 at balance", 0.0)


class EvoMoeNetwork(ExpertsNetwork):
    """Weights sum to about one, so copies start as the network they were made from."""

    KNOBS = ("threshold", "temperature")
    threshold: float
    temperature: float
    alone = False

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        """All experts that weigh more than the threshold, the heaviest in any case."""
        assert scores is not None
        if self.alone:
            return fixed(np.zeros(len(scores)))
        temperature = self.temperature
        if look.training:
            hottest, coldest = self.options.hottest, self.options.temperature
            temperature = hottest + (coldest - hottest) * look.step / max(1, look.total)
            scores = scores - torch.empty_like(scores).exponential_().log()
        weights = (scores / temperature).softmax(-1)
        choice = over(best(weights, weights.shape[-1], ordered=False), self.threshold, from_choice=1)
        return choice.where(np.ones(choice.expert.shape, dtype=bool), partial(gaps, weights, 1))

    def losses(self, routed: Routed) -> Tensor | None:
        if self.alone:
            return None
        weight, expert = routed.choice.weight, index(routed.choice.expert, routed.scores)
        assert weight is not None
        return self.options.balance * balance(weight.gather(1, expert.argsort(-1)), routed.choice, None)

    @torch.no_grad()
    def diversify(self) -> None:
        """Every expert becomes a copy of the first without a random share of its weights."""
        for half in self.numbered().values():
            first = half.experts[0].state_dict()
            for expert in list(half.experts)[1:]:
                expert.load_state_dict(first)
                for parameter in expert.parameters():
                    if parameter.dim() > 1:
                        parameter.mul_(torch.rand_like(parameter) >= self.options.masked)


class EvoMoe(ExpertsMethod):
    """One expert trained alone, copies of it with weights masked, then a gate whose temperature falls.

    Differences: the release validates with the best expert alone, by a capacity that drops what training kept; here a
    point asks the gate itself, without noise. Temperatures are its defaults, 1 to 0.5, falling linearly over the second
    phase; the paper goes lower. The share of weights masked is a guess, the paper gives none that was found. The
    balance loss counts pairs, so that it is 1 at balance however many experts run. Left out are the release's last
    phase, of the best expert alone, and weights by a softmax of the scores of those that run. Both knobs are the
    paper's quantities, asked anew of the same weights: the heaviest expert always runs, and weights are not
    renormalised, as in the release.
    """

    name = "evomoe"
    family = "moe"
    title = "EvoMoE: a gate from dense to sparse"
    paper = "Nie et al. 2021, EvoMoE, https://arxiv.org/abs/2112.14397"
    summary = (
        "Experts begin as copies of one that was trained alone, and a gate sends every token to all of them at first. "
        "As its temperature falls, most weigh next to nothing and are left out. So each token has its own number."
    )
    options = EvoMoeOptions
    network_type = EvoMoeNetwork
    knobs = {
        "threshold": {"type": "float", "low": 0, "high": 1, "help": "what an expert must weigh to be run"},
        "temperature": {"type": "float", "above": 0, "help": "temperature of the gate: the lower, the fewer run"},
    }

    def learn(self, network: Any, training: Training) -> None:
        options = checked_shares(training.options, "masked")
        if options.alone_epochs:
            network.alone = True
            training.fit(network, phase="alone", epochs=options.alone_epochs)
            network.alone = False
        torch.manual_seed(training.job.seed)
        network.diversify()
        training.fit(network, rates=rates_of(options))

    def ends(self, network: ExpertsNetwork) -> tuple[float, float]:
        return 0.0, 1.0
