"""Transkimmer: before every layer a small network decides which tokens it skims; they are done where they are.

Guan et al., "Transkimmer: Transformer Learns to Layer-wise Skim", ACL 2022. A predictor, two linear maps with norms
before them, looks at a token's hidden state before each layer. What it skims takes no part in any layer that follows
and ends with the state it has. Decisions are drawn in training (Gumbel-softmax, straight through), at a price of c
times the mean share of tokens that layers run on.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from elue.modeling.encoder import Encoder
from elue.modeling.heads import task_loss
from elue.modeling.keeping.predicted import WHOLE, PredictedMethod, PredictedNetwork, TwoLogits, sparing
from elue.modeling.options import TrainingOptions, option
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class TranskimmerOptions(TrainingOptions):
    TINY: ClassVar[dict[str, Any]] = {
        **TrainingOptions.TINY,
        "epochs": 6.0,
        "predictor_rate": 2e-2,
        "skim_loss": 0.5,
    }

    predictor_rate: float = option(5e-5, "learning rate of the predictors", 0.0)
    skim_loss: float = option(0.2, "weight c of the share of tokens that layers run on: the higher, the fewer", 0.0)
    whole: float = option(0.25, WHOLE, 0.0)


def skim_predictor(hidden: int, epsilon: float) -> TwoLogits:
    """Norm, linear map, norm, GELU and a linear map, which at the start keeps nearly everything."""
    inner, outer = nn.Linear(hidden, hidden), nn.Linear(hidden, 2)
    for linear in (inner, outer):
        nn.init.normal_(linear.weight, std=0.02)
        nn.init.zeros_(linear.bias)
    with torch.no_grad():
        outer.bias.copy_(torch.tensor([-5.0, 5.0]) + 0.02 * torch.randn(2))
    return TwoLogits(nn.LayerNorm(hidden, eps=epsilon), inner, nn.LayerNorm(hidden, eps=epsilon), nn.GELU(), outer)


class TranskimmerNetwork(PredictedNetwork):
    """Encoder, head and a predictor before every layer."""

    def __init__(self, encoder: Encoder, task: TaskInfo, options: TranskimmerOptions) -> None:
        config, self.skim_loss, self.spared = encoder.config, options.skim_loss, options.whole
        predictors = {index: skim_predictor(config.hidden, config.epsilon) for index in range(config.layers)}
        super().__init__(encoder, task, options.pooling, predictors, parks=True)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits and the share of tokens kept in each layer; given labels, the loss of a draw."""
        if "labels" not in batch:
            answered = self.answered(batch)
            return {**answered, "price": self.skim_loss * answered["kept"].mean(1)}
        whole = self.whole(batch["mask"], self.spared)
        logits, masks = self.kept_by(batch, sparing(self.drawn, whole, 1.0))
        price = (self.shares(batch, masks).mean(1) * ~whole[:, 0]).sum() / (~whole).sum().clamp(min=1)
        return {"logits": logits, "loss": task_loss(logits, batch["labels"], self.task) + self.skim_loss * price}


class Transkimmer(PredictedMethod):
    """One phase: everything learns at once, predictors from where they keep nearly all.

    Differences from the released code, which masks tokens and removes none: here they are removed, and masks in
    training do the same, since dropped keys count nothing before attention is normalised (there they go on taking
    weight, and their states go on changing). At inference nothing is drawn: a token stays where keeping is the
    likelier, where the code still adds noise. The price is the share of a text's own tokens, without padding.
    Predictors cost 8 % of a layer at the usual widths for every token they look at, so that keeping everything costs
    more than the static encoder. A threshold on the probability is ours, and at 0 no predictor runs. Pooling is by mean
    over all tokens, the skimmed ones in the state they have; the paper takes the first. Rates and batches are the
    kit's, the predictors' rate the encoder's, as in the release: at a higher one they drop nearly all before the rest
    has learned anything; the price weighs 0.2, there 0.5 on GLUE, and there is neither warm-up nor weight decay. Some
    texts keep all in training, which the paper's don't: else keeping all is never learned.
    """

    name = "transkimmer"
    family = "skimming"
    title = "Transkimmer: predictors skim tokens layer by layer"
    paper = "Guan et al. 2022, Transkimmer, https://arxiv.org/abs/2205.07324"
    summary = (
        "Before every layer a small network reads each token's state and says whether the token is done. A done token "
        "keeps its state for the answer and costs nothing any more. The small networks cost a twelfth of what they can "
        "save."
    )
    options = TranskimmerOptions
    predictor_rate = "predictor_rate"

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> TranskimmerNetwork:
        return TranskimmerNetwork(encoder, task, options)
