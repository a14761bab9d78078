"""AdapLeR: before every layer small networks tell how much each token contributes; what contributes little leaves.

Modarressi et al., "AdapLeR: Speeding up Inference by Adaptive Length Reduction", ACL 2022. A contribution predictor,
two small linear maps and a softmax over the tokens left, learns the fine-tuned model's gradient saliency. A token stays
while its share is η_l / (tokens left) or more. In training tokens leave softly, the more steeply the later, while the
thresholds η learn from the task's loss and a price on what is left.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from elue.modeling.encoder import Encoder
from elue.modeling.heads import task_loss
from elue.modeling.keeping.contributions import ContributionModel, ContributionNetwork, contribution_sweep, soft_exit
from elue.modeling.keeping.guides import saliency
from elue.modeling.keeping.masked import soft_masked
from elue.modeling.keeping.predicted import tuned
from elue.modeling.method import Sweep, TrainedMethod, Training, swept
from elue.modeling.options import TrainingOptions, option
from elue.modeling.text import TextEncoder
from elue.protocol import TaskInfo

STEEPER = 5
"""Steepnesses of soft removal over a training, each ten times the one before, from 10 on."""


@dataclass(frozen=True, kw_only=True)
class AdapLeROptions(TrainingOptions):
    TINY: ClassVar[dict[str, Any]] = {**TrainingOptions.TINY, "epochs": 2.0, "skim_epochs": 5.0, "eta_rate": 5e-3}

    skim_epochs: float = option(5.0, "passes in which tokens leave, after plain fine-tuning", 0.0)
    eta: float = option(0.25, "thresholds at the start, in shares of an even contribution", 0.01)
    eta_rate: float = option(2e-3, "learning rate of the thresholds", 0.0)
    contribution_loss: float = option(0.01, "weight γ of how far predicted contributions are from saliency", 0.0)
    price: float = option(0.1, "weight φ of the share of tokens that layers run on: the higher, the fewer", 0.0)


class AdapLeRNetwork(ContributionNetwork):
    """Encoder, head, contribution predictors and thresholds η."""

    def __init__(self, encoder: Encoder, task: TaskInfo, options: AdapLeROptions) -> None:
        super().__init__(encoder, task, options.pooling, options.eta)
        self.gamma, self.price, self.dense = options.contribution_loss, options.price, False

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits and the share of tokens kept in each layer; given labels, the phase's loss."""
        if self.dense:
            return tuned(self, batch)
        if "labels" not in batch:
            answered = self.answered(batch)
            return {**answered, "price": self.price * answered["kept"].sum(1)}
        self.etas.data.clamp_(0.01, 1)
        steep = 10.0 ** (1 + STEEPER * int(batch["step"]) // max(1, int(batch["total"])))
        mask, taught = batch["mask"].float(), batch["saliency"]
        left_for_price, apart, priced = mask, mask.new_zeros(()), mask.new_zeros(())

        def log_keep(layer: int, rows: Tensor, left: Tensor) -> Tensor:
            nonlocal left_for_price, apart, priced
            shares, wanted = self.contributions(layer, rows, left.detach()), taught * left.detach()
            wanted = wanted / wanted.sum(1, keepdim=True).clamp(min=1e-30)
            ratio = (wanted.clamp(min=1e-12) / shares.clamp(min=1e-12)).log()
            apart = apart + (len(self.etas) - layer) * (wanted * ratio).sum(1).mean()
            alike = soft_exit(shares.detach(), self.etas[layer] / left_for_price.sum(1, keepdim=True), steep)
            left_for_price = torch.cat([mask[:, :1], (left_for_price * alike.exp())[:, 1:]], 1)
            priced = priced + (left_for_price.sum(1) / mask.sum(1)).mean()
            return soft_exit(shares, self.etas[layer] / left.sum(1, keepdim=True), steep)

        embedded = self.encoder.embed(batch["ids"], batch["segments"])
        hidden, masks = soft_masked(self.encoder, embedded, batch["mask"], log_keep, site="before")
        logits = self.head(hidden, masks[-1])
        loss = task_loss(logits, batch["labels"], self.task) + self.gamma * apart + self.price * priced
        return {"logits": logits, "loss": loss}


class AdapLeR(TrainedMethod):
    """Fine-tune, tell saliency, then learn contributions and thresholds while tokens leave.

    Differences from the paper and its code: the price is on shares of a text's own tokens, not on their number, and its
    weight ours. Soft removal gets ten times as steep with each fifth of the steps, not with each epoch. The code's
    factors on the first token's share are left out; it never leaves, and its share counts. Saliency of a number is that
    of the output itself. Thresholds see saliency by way of later states, which the code cuts. Pooling is by mean,
    unless told; the paper takes the first token. Scaling thresholds is ours.
    """

    name = "adapler"
    family = "skimming"
    title = "AdapLeR: tokens stay while they contribute"
    paper = "Modarressi et al. 2022, AdapLeR, https://arxiv.org/abs/2203.08991"
    summary = (
        "Before every layer a small network predicts each token's share in the answer, as the model's gradients would "
        "tell it. Tokens far below an even share leave for good. Long texts, whose shares are uneven, lose most."
    )
    options = AdapLeROptions
    knobs = {"threshold_scale": {"type": "float", "low": 0, "help": "what multiplies the thresholds; 0 never prunes"}}

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> AdapLeRNetwork:
        return AdapLeRNetwork(encoder, task, options)

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> ContributionModel:
        return ContributionModel(network, text, task)

    def learn(self, network: Any, training: Training) -> None:
        options, train = training.options, training.job.train
        network.dense = True
        training.fit(network, phase="tune")
        columns = {"saliency": saliency(network, train, training.text)}
        network.dense, rates = False, {"eta_bias": options.eta_rate}
        training.fit(network, phase="skim", epochs=options.skim_epochs, columns=columns, rates=rates)

    def sweep(self, network: Any, training: Training) -> Sweep:
        """From no removal to a scale at which all tokens but the first leave: shares are 1 at most."""
        largest = 2.0 ** math.ceil(math.log2(2 * training.options.max_length / network.etas.min().item()))
        return swept("threshold_scale", contribution_sweep(network, training, largest))
