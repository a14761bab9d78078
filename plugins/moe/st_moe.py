"""ST-MoE: GShard's two experts a token, and a loss that keeps the router's scores small.

Zoph et al., "ST-MoE: Designing Stable and Transferable Sparse Expert Models", 2022. To the balance loss comes the
router z-loss, the mean over tokens of (log Σ exp z)², without which large sparse models become unstable.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from elue.modeling.experts.losses import Routed, router_z
from elue.modeling.options import option
from elue.plugins.moe.gshard import GShard, GShardNetwork, GShardOptions


@dataclass(frozen=True, kw_only=True)
class StMoeOptions(GShardOptions):
    normalised: bool = option(True, "weights are divided by their sum, else the probabilities as they are")
    z_loss: float = option(1e-3, "weight of the router z-loss, which is (ln E)² where all scores are 0", 0.0)


class StMoeNetwork(GShardNetwork):
    """GShard's, with one loss more, and second experts that run more often in training."""

    def weigh(self, values: Tensor, count: int) -> Tensor:
        return super().weigh(values, count) if self.options.normalised else values

    def scale(self) -> float:
        return 1.0 if self.options.normalised else self.options.experts / 2

    def odds(self, weight: Tensor) -> Tensor:
        """Mesh TensorFlow's: a second expert that weighs a fifth always runs."""
        return weight / 0.2

    def losses(self, routed: Routed) -> Tensor:
        return super().losses(routed) + self.options.z_loss * router_z(routed.scores)


class StMoe(GShard):
    """GShard's routing with the router z-loss, on real tokens alone, and weights divided by their sum.

    Differences: the dense feed-forward that follows every sparse layer there is left out, so that a layer costs what
    the experts do; the z-loss weighs 1e-3, as in the paper (1e-4 in the release's base configuration). The release for
    JAX weighs by raw probabilities, as without `normalised`; normalised is what the paper's models were trained with.
    Room is GShard's, CF · 2n / E, where Mesh TensorFlow leaves out the 2. Routers start as the kit's do, not by N(0,
    0.02). Seats by arrival, as released, not by priority over the batch. No expert dropout. Knobs as GShard's.
    """

    name = "st_moe"
    family = "moe"
    title = "ST-MoE: top-2 experts with a router z-loss"
    paper = "Zoph et al. 2022, ST-MoE, https://arxiv.org/abs/2202.08906"
    summary = (
        "A router sends each token to its two most probable experts, and a loss keeps the router's scores small. The "
        "second runs only where its share of the weight is above a threshold. So each token costs none to two experts."
    )
    options = StMoeOptions
    network_type = StMoeNetwork
