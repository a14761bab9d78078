"""DSelect-k: a gate that is smooth and still exactly sparse, since bits of an expert's number saturate.

Hazimeh et al., "DSelect-k: Differentiable Selection in the Mixture of Experts", NeurIPS 2021. Each of k selectors has a
smooth step S of one score for every binary digit: r(i) = Π S(z_b) where digit b of i is 1, else 1 - S(z_b). Selectors
are mixed by a softmax. S is 0 below -γ/2 and 1 above γ/2, so that most weights become exactly 0.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling.experts.choices import above
from elue.modeling.experts.look import LOGIT_TOLERANCE, Choice, Look, array
from elue.modeling.experts.losses import Routed
from elue.modeling.experts.method import ExpertsMethod
from elue.modeling.experts.network import ExpertsNetwork, RouterOptions
from elue.modeling.options import option

STEEP = 0.02
"""A step narrower than this makes noise of the last bits visible in the weights."""


@dataclass(frozen=True, kw_only=True)
class DSelectKOptions(RouterOptions):
    selectors: int = option(2, "selectors, and so the most experts of a gate that has settled", 1)
    gamma: float = option(1.0, "width of the smooth step", 1e-6)
    entropy: float = option(1e-6, "weight of the selectors' entropy, a sum over tokens", 0.0)


class DSelectRouter(nn.Module):
    """Scores of digits and of selectors, (tokens, k (m + 1)), in float32."""

    def __init__(self, hidden: int, digits: int, options: DSelectKOptions) -> None:
        super().__init__()
        self.digits, self.mixing = nn.Linear(hidden, options.selectors * digits), nn.Linear(hidden, options.selectors)
        for linear, most in ((self.digits, options.gamma / 100), (self.mixing, 0.05)):
            nn.init.uniform_(linear.weight, -most, most)
            nn.init.uniform_(linear.bias, -most, most)

    def forward(self, look: Look) -> Tensor:
        with torch.autocast(look.rows.device.type, enabled=False):
            rows = look.rows.float()
            maps = (F.linear(rows, m.weight.float(), m.bias.float()) for m in (self.digits, self.mixing))
            return torch.cat(list(maps), 1)


def smooth_step(values: Tensor, gamma: float) -> Tensor:
    """0 up to -γ/2, 1 from γ/2, and between them -2 x³ / γ³ + 3 x / 2γ + 1/2."""
    inside = (values / gamma).clamp(-0.5, 0.5)
    return -2 * inside**3 + 1.5 * inside + 0.5


class DSelectKNetwork(ExpertsNetwork):
    """Weights sum to one where the number of experts is a power of two, so copies start as what they were made from."""

    KNOBS = ("gamma",)
    gamma: float

    def digits(self) -> int:
        return max(1, (self.options.experts - 1).bit_length())

    def router(self, hidden: int) -> DSelectRouter:
        return DSelectRouter(hidden, self.digits(), self.options)

    def selected(self, scores: Tensor, gamma: float) -> tuple[Tensor, Tensor]:
        """Each selector's weights of all experts, (tokens, k, E), and how selectors are mixed, (tokens, k)."""
        digits, selectors = self.digits(), self.options.selectors
        steps = smooth_step(scores[:, : selectors * digits], gamma).view(-1, selectors, digits)
        wanted = np.arange(self.options.experts)[:, None] >> np.arange(digits)[::-1] & 1
        bits = torch.from_numpy(wanted.astype(np.float32)).to(scores.device)
        agree = (1 - steps[:, :, None] - bits).abs()
        return agree.prod(-1), scores[:, selectors * digits :].softmax(-1)

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        """All experts whose weight is not 0, which rests on how far digits are from the ends of their steps."""
        assert scores is not None
        chosen, mixing = self.selected(scores, self.gamma)
        size, end = np.abs(array(scores)[:, : self.options.selectors * self.digits()]), self.gamma / 2
        return replace(
            above((chosen * mixing[:, :, None]).sum(1), 0.0),
            margin=lambda: np.where((size < end) & (self.gamma < STEEP), 0.0, np.abs(size - end)).min(-1),
            tolerance=LOGIT_TOLERANCE,
        )

    def losses(self, routed: Routed) -> Tensor:
        """λ Σ entropy, and Σ 1 / Σ r where some codes belong to no expert."""
        chosen, _ = self.selected(routed.scores, self.gamma)
        loss = self.options.entropy * -(chosen * (chosen + 1e-6).log()).sum()
        spare = self.options.experts < 2 ** self.digits()
        return loss + (1 / chosen.sum(-1).clamp_min(1e-3)).mean() if spare else loss


class DSelectK(ExpertsMethod):
    """The gate for each token, in place of a feed-forward's router; all experts whose weight is above 0 run.

    Differences: the paper's gates mix experts of multi-task models, by task or by example, and its release computes all
    experts; here the example is a token, and an expert of weight 0 does not run. The term for codes that belong to no
    expert is a mean over tokens and bounded, which the release's sum is not. Experts are copies of a trained encoder's
    feed-forwards. A smaller γ asks the same weights for a harder choice: the quantity is the paper's, the knob ours.
    """

    name = "dselect_k"
    family = "moe"
    title = "DSelect-k: a smooth sparse gate"
    paper = "Hazimeh et al. 2021, DSelect-k, https://arxiv.org/abs/2106.03760"
    summary = (
        "A gate writes the number of an expert in binary digits, each a smooth step of a score. As digits settle at 0 "
        "or 1 most experts get a weight of exactly 0. Those are not run, and a narrower step leaves fewer."
    )
    options = DSelectKOptions
    network_type = DSelectKNetwork
    knobs = {"gamma": {"type": "float", "above": 0, "help": "width of the smooth step: the narrower, the fewer run"}}

    def ends(self, network: ExpertsNetwork) -> tuple[float, float]:
        return network.options.gamma / 50, 50 * network.options.gamma
