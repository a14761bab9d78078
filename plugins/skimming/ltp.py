"""LTP: tokens that receive little attention are pruned, below a threshold learned for each layer.

Kim et al., "Learned Token Pruning for Transformers", KDD 2022. A token's importance s in layer l is the attention
it receives, mean over heads and queries. With s < θ_l it leaves, between the layer's attention and feed-forward.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling.encoder import Encoder
from elue.modeling.keeping.thresholds import STAGES, MaskedNetwork, ScaledPruning, pruning_sweep
from elue.modeling.method import Sweep, TrainedMethod, Training, swept
from elue.modeling.options import TrainingOptions, option
from elue.modeling.text import TextEncoder
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class LtpOptions(TrainingOptions):
    TINY: ClassVar[dict[str, Any]] = {**TrainingOptions.TINY, "epochs": 2.0, "threshold_rate": 2e-4}

    epochs: float = option(1.0, "passes of fine-tuning before any pruning", 0.0)
    soft_epochs: float = option(1.0, "passes with soft masks, in which the thresholds are learned", 0.0)
    hard_epochs: float = option(1.0, "passes with hard masks, thresholds frozen", 0.0)
    threshold: float = option(0.01, "threshold of the last layer at the start; lower layers rise to it linearly", 0.0)
    threshold_rate: float = option(1e-4, "learning rate of the thresholds", 0.0)
    temperature: float = option(1e-3, "temperature of the soft masks", 1e-6)
    sparsity: float = option(0.1, "weight of the mean soft mask in the loss: the higher, the fewer tokens stay", 0.0)


class LtpNetwork(MaskedNetwork):
    """Encoder, head and thresholds θ."""

    def __init__(self, encoder: Encoder, task: TaskInfo, options: LtpOptions) -> None:
        super().__init__(encoder, task, options.pooling, options.sparsity)
        self.temperature = options.temperature
        layers = encoder.config.layers
        self.thresholds = nn.Parameter(options.threshold * torch.arange(1, layers + 1) / layers)
        self.threshold_scale = 1.0

    def keep(self, layer: int, received: Tensor, left: Tensor) -> Tensor:
        """The hard mask: s >= θ_l, times the point's scale."""
        return received >= self.threshold_scale * self.thresholds[layer]

    def log_soft_keep(self, layer: int, received: Tensor, left: Tensor) -> Tensor:
        """Logarithm of the soft mask σ((s - θ_l) / T)."""
        return F.logsigmoid((received - self.thresholds[layer]) / self.temperature)

    def pruning_layers(self) -> list[int]:
        """Layers that can prune: with θ_l at 0 or less all tokens stay, and importance need not be reckoned."""
        return [layer for layer, value in enumerate((self.threshold_scale * self.thresholds).tolist()) if value > 0]


class LearnedTokenPruning(TrainedMethod):
    """Fine-tune; learn weights and thresholds with soft masks and a price on them; fine-tune with hard masks.

    Differences from the paper and its code:
    - Normalisation: importance is the mean over the queries that remain. The code sums over those but divides by the
      padded length, so that there a threshold means more in a short text than in a long one.
    - The soft mask weighs a token as a key of attention and in pooling, so that the limit T → 0 is the hard stage; the
      code scales the token's output, which the norms of the next layer undo. It multiplies down the layers.
    - Regulariser: λ Σ_l mean(mask), the mean over a sample's own tokens, padding left out.
    - Rates: thresholds have one of their own, 1e-4 by default; the encoder's is the same in all stages, and rises and
      decays anew in each.
    - θ starts at threshold · l / L with l from 1; the code counts from 0, so that its first layer starts at 0. A layer
      with θ at or below 0 prunes nothing; the code clips at 1e-5.
    - The first token always stays. Pooling is by mean over what stays, unless told.
    - The paper trains one model for each λ; scaling the thresholds of one model is our extension.
    """

    name = "ltp"
    family = "skimming"
    title = "LTP: learned token pruning"
    paper = "Kim et al. 2022, Learned Token Pruning for Transformers, https://arxiv.org/abs/2107.00910"
    summary = (
        "After each layer's attention a token is dropped for good when the attention it received is below that "
        "layer's learned threshold. Thresholds are learned with soft masks and then made hard. Long inputs with "
        "little evidence lose most tokens."
    )
    options = LtpOptions
    knobs = {"threshold_scale": {"type": "float", "low": 0, "help": "what multiplies the thresholds; 0 never prunes"}}

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> LtpNetwork:
        return LtpNetwork(encoder, task, options)

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> ScaledPruning:
        return ScaledPruning(network, text, task)

    def learn(self, network: Any, training: Training) -> None:
        options = training.options
        for stage, epochs in zip(STAGES, (options.epochs, options.soft_epochs, options.hard_epochs), strict=True):
            network.stage = stage
            network.thresholds.requires_grad_(stage == "soft")
            if epochs:
                training.fit(network, phase=stage, epochs=epochs, rates={"thresholds": options.threshold_rate})

    def sweep(self, network: Any, training: Training) -> Sweep:
        """From no pruning to a scale at which all tokens but the first leave where any can: importance is at most 1."""
        lowest = min((value for value in network.thresholds.tolist() if value > 0), default=1.0)
        largest = 2.0 ** max(1, math.ceil(math.log2(1 / lowest)) + 1)
        return swept("threshold_scale", pruning_sweep(network, training, largest))
