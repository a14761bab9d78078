"""Sparsely-gated mixture of experts: noisy top-k gating.

Shazeer et al., "Outrageously Large Neural Networks: The Sparsely-Gated Mixture-of-Experts Layer", ICLR 2017. Scores are
x W_g, in training plus softplus(x W_n) + 0.01 times normal noise. The k best of a row are kept, and their weights are a
softmax over these k alone. Two losses spread weights and rows: CV² of the importance and of the expected load.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling.experts.choices import best, over, softmax
from elue.modeling.experts.look import LOGIT_TOLERANCE, Choice, Look
from elue.modeling.experts.losses import Routed, importance, load, variation
from elue.modeling.experts.method import ExpertsMethod
from elue.modeling.experts.network import ExpertsNetwork, RouterOptions
from elue.modeling.options import option


@dataclass(frozen=True, kw_only=True)
class SparselyGatedOptions(RouterOptions):
    chosen: int = option(2, "experts a token goes to in training", 1)
    importance: float = option(0.1, "weight of the importance loss, which is 0 at balance", 0.0)
    load: float = option(0.1, "weight of the load loss, which is 0 at balance", 0.0)


class NoisyRouter(nn.Module):
    """W_g and W_n, which start at 0; scores in training are noisy ones, clean ones and the noise's spread."""

    def __init__(self, hidden: int, experts: int) -> None:
        super().__init__()
        self.gate, self.noise = (nn.Parameter(torch.zeros(experts, hidden)) for _ in range(2))

    def forward(self, look: Look) -> Tensor:
        """(tokens, E), or in training (tokens, 3 E)."""
        with torch.autocast(look.rows.device.type, enabled=False):
            rows = look.rows.float()
            clean = F.linear(rows, self.gate.float())
            if not self.training:
                return clean
            spread = F.softplus(F.linear(rows, self.noise.float())) + 0.01
            return torch.cat([clean + spread * torch.randn_like(spread), clean, spread], 1)


class SparselyGatedNetwork(ExpertsNetwork):
    """Weights sum to one, so copies of the feed-forward start as the network they were made from."""

    KNOBS = ("chosen", "second_above")
    chosen: int
    second_above: float = 0.0

    def router(self, hidden: int) -> NoisyRouter:
        return NoisyRouter(hidden, self.options.experts)

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        """The best `chosen`, those after the first only where they weigh more than `second_above`."""
        assert scores is not None
        experts = self.options.experts
        choice = best(scores[:, :experts], self.chosen, softmax, most=experts, ordered=False, tolerance=LOGIT_TOLERANCE)
        return over(choice, self.second_above, from_choice=1)

    def losses(self, routed: Routed) -> Tensor:
        noisy, clean, spread = routed.scores.chunk(3, 1)
        expected = load(clean, noisy, spread, self.options.chosen)
        weights = importance(routed.choice, self.options.experts)
        return self.options.importance * variation(weights) + self.options.load * variation(expected)


class SparselyGated(ExpertsMethod):
    """The k best of noisy scores, a softmax over these alone, and losses on importance and load.

    Differences: experts are copies of a trained encoder's feed-forwards (there, ReLU networks between LSTM layers,
    learned from scratch; also hierarchies of two levels). CV² is by the population variance, as in the release; the
    weights of both losses are the paper's 0.1, where the release has 0.01. At inference nothing is noisy, and W_n is
    not multiplied. Knobs: `chosen` asks the paper's k anew of the same weights, which are renormalised for any k; a
    threshold on what further experts weigh, `second_above`, is ours.
    """

    name = "sparsely_gated"
    family = "moe"
    title = "Sparsely-gated mixture: noisy top-k"
    paper = "Shazeer et al. 2017, Outrageously Large Neural Networks, https://arxiv.org/abs/1701.06538"
    summary = (
        "A gate scores all experts for each token, in training with learned noise, and the best few run. Their weights "
        "are a softmax over these few alone. Fewer experts a token make it cheaper, from the same weights."
    )
    options = SparselyGatedOptions
    network_type = SparselyGatedNetwork
    knobs = {
        "chosen": {"type": "int", "low": 1, "help": "experts a token goes to"},
        "second_above": {"type": "float", "low": 0, "high": 1, "help": "what further experts must weigh to be run"},
    }

    def ends(self, network: ExpertsNetwork) -> tuple[int, ...]:
        return tuple(range(1, network.options.experts + 1))
