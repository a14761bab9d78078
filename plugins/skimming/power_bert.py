"""PoWER-BERT: each layer keeps a learned number of tokens, those that receive most attention.

Goyal et al., "PoWER-BERT: Accelerating BERT Inference via Progressive Word-vector Elimination", ICML 2020. A token's
significance is the attention others give it, summed over heads and queries. The first token and the l_j - 1 most
significant of the others go on from layer j, between its attention and its feed-forward. The list l is learned: the
state of rank k is multiplied by r_j[k] in [0, 1], at a price of λ Σ j Σ_k r_j[k]; then l_j = ⌊Σ_k r_j[k]⌋.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from elue.modeling.encoder import Encoder, layers_of
from elue.modeling.heads import task_loss
from elue.modeling.keeping.importance import importance, ranks
from elue.modeling.keeping.lengths import Lengths
from elue.modeling.keeping.ranked import RankedModel, RankedNetwork
from elue.modeling.keeping.sweeps import between_lists
from elue.modeling.method import Sweep, TrainedMethod, Training
from elue.modeling.options import TrainingOptions, option
from elue.modeling.text import TextEncoder
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class PowerBertOptions(TrainingOptions):
    TINY: ClassVar[dict[str, Any]] = {**TrainingOptions.TINY, "epochs": 2.0, "retention_rate": 2e-2}

    epochs: float = option(3.0, "passes over the training data, in each of the three phases", 0.0)
    retention_rate: float = option(3e-3, "learning rate of the retention of ranks", 0.0)
    price: float = option(1e-3, "weight of the retained mass in the loss: the higher, the fewer tokens stay", 0.0)


class PowerBertNetwork(RankedNetwork):
    """Encoder, head, retention r (layers, ranks) and the list learned with it."""

    def __init__(self, encoder: Encoder, task: TaskInfo, options: PowerBertOptions) -> None:
        super().__init__(encoder, task, options.pooling, shares=False, diagonal=False, parks=False)
        self.price, self.longest = options.price, options.max_length
        retention = torch.ones(encoder.config.layers, options.max_length)
        self.retention_bias = nn.Parameter(retention, requires_grad=False)  # so called, it has no weight decay
        self.register_buffer("learned", torch.tensor(self.all_of_them))

    def retained(self) -> Lengths:
        """l_j = ⌊Σ_k r_j[k]⌋, 1 at least, and no more than the layer before has."""
        masses = self.retention_bias.data.clamp(0, 1)[:, : self.longest].double().sum(1)
        whole = (masses + 1e-4).floor().clamp(min=1)
        return tuple(whole.cummin(0).values.long().tolist())

    def extracted(self, batch: dict[str, Tensor]) -> Tensor:
        """Logits where each layer multiplies states by the retention of their ranks, as pooling does their weights."""
        hidden, mask = self.encoder.embed(batch["ids"], batch["segments"]), batch["mask"]
        left = mask.to(hidden.dtype)
        for layer, retention in zip(layers_of(self.encoder), self.retention_bias.clamp(0, 1), strict=True):
            hidden, weights = layer.attention.with_weights(hidden, mask)
            received = importance(weights, mask.to(weights.dtype), diagonal=False)
            factors = retention[ranks(received, mask)]
            hidden, left = layer.feed_forward(hidden * factors[..., None]), left * factors
        return self.head(hidden, left.clamp(min=1e-6) * mask)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits, the share of tokens kept after each layer (batch, layers) and, given labels, the phase's loss."""
        if self.retention_bias.requires_grad:
            self.retention_bias.data.clamp_(0, 1)
            logits, mass = self.extracted(batch), self.retention_bias.clamp(0, 1)[:, : self.longest].sum(1)
            price = self.price * (torch.arange(1, len(mass) + 1, device=mass.device) * mass).sum()
            kept = mass.expand(len(logits), -1)
        else:
            (logits, kept), price = self.ranked(batch, self.lengths), self.retention_bias.new_zeros(())
        if "labels" not in batch:
            return {"logits": logits, "kept": kept, "price": price.expand(len(logits))}
        return {"logits": logits, "loss": task_loss(logits, batch["labels"], self.task) + price}


class PowerBert(TrainedMethod):
    """Fine-tune, learn how many tokens each layer needs, and fine-tune again with that list.

    Differences from the paper and its code: inputs have their natural length, so that no padding is ranked or dropped
    and a list saves nothing on shorter texts; most of the published speed-up, which is against padding to 64 to 256
    tokens, is gone. l_j counts tokens and is the same for all texts. Ranks go as far as the longest text of the
    training data. Pooling is by mean over what stays, unless told, and in the soft phase weighted by what is retained;
    the paper takes the first token. Layers in which a sample has no more tokens than it may don't weigh them. The paper
    has one list a training, which is in the sweep; shorter and longer lists of the same weights are ours.
    """

    name = "power_bert"
    family = "skimming"
    title = "PoWER-BERT: a learned number of tokens a layer"
    paper = "Goyal et al. 2020, PoWER-BERT, https://arxiv.org/abs/2001.08950"
    summary = (
        "Each layer keeps a fixed number of tokens, those that the others attend to most. How many is learned, by a "
        "price on what is kept. Texts with more tokens than that save, short ones hardly."
    )
    options = PowerBertOptions
    knobs = {"lengths": {"type": "str", "help": "tokens that each layer leaves at most, such as all-40-12-5"}}

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> PowerBertNetwork:
        return PowerBertNetwork(encoder, task, options)

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> RankedModel:
        return RankedModel(network, text, task, tuple(network.learned.tolist()))

    def learn(self, network: Any, training: Training) -> None:
        texts = training.text.encode_all([example.sample for example in training.job.train])
        network.longest = max(len(text.ids) for text in texts)
        training.fit(network, phase="tune")
        network.retention_bias.requires_grad_(True)
        training.fit(network, phase="soft", rates={"retention": training.options.retention_rate})
        network.retention_bias.requires_grad_(False)
        network.lengths = network.retained()
        network.learned.copy_(torch.tensor(network.lengths))
        training.fit(network, phase="hard")

    def sweep(self, network: Any, training: Training) -> Sweep:
        return between_lists(network, training, network.longest)
