"""MrT5: one gate in a low layer deletes tokens; in training it only turns attention away from them.

Kallini et al., "MrT5: Dynamic Token Merging for Efficient Byte-level Language Models", ICLR 2025. After a quarter of
the encoder's layers a norm and a linear map give each token a logit. In training -10 · σ(-logit) is added to the
attention scores of all later layers; at inference tokens whose logit is below 0 are removed. A controller sets the
price of what is kept so that a chosen share of the tokens is deleted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.heads import task_loss
from elue.modeling.keeping.controller import Controller
from elue.modeling.keeping.masked import soft_masked
from elue.modeling.keeping.predicted import WHOLE, PredictedMethod, PredictedNetwork, sparing
from elue.modeling.options import TrainingOptions, option
from elue.protocol import TaskInfo

SCALE, OPEN = 10.0, 4.0
"""What a deleted token loses of its attention scores; the gate's bias at first."""


@dataclass(frozen=True, kw_only=True)
class MrT5Options(TrainingOptions):
    TINY: ClassVar[dict[str, Any]] = {**TrainingOptions.TINY, "epochs": 6.0, "gate_rate": 1e-2}

    tuned_epochs: float = option(1.0, "passes of plain fine-tuning, before the gate comes in", 0.0)
    deleted: float = option(0.5, "share of the tokens that training aims to delete, below 1", 0.0)
    gate_rate: float = option(1e-3, "learning rate of the gate", 0.0)
    whole: float = option(0.25, WHOLE, 0.0)


class MrT5Network(PredictedNetwork):
    """Encoder, head, a gate and the controller."""

    def __init__(self, encoder: Encoder, task: TaskInfo, options: MrT5Options) -> None:
        config, self.spared = encoder.config, options.whole
        norm, linear = nn.LayerNorm(config.hidden, eps=config.epsilon), nn.Linear(config.hidden, 1)
        nn.init.constant_(linear.bias, OPEN)
        gate = nn.Sequential(norm, linear, nn.Flatten(-2))
        super().__init__(encoder, task, options.pooling, {max(1, config.layers // 4): gate})
        self.controller = Controller(options.deleted)

    def log_soft_keep(self, layer: int, rows: Tensor, left: Tensor) -> Tensor:
        """-10 · σ(-logit) where the gate is, else 0, (batch, tokens)."""
        if layer not in self.asked:
            return torch.zeros_like(left)
        return -SCALE * (-self.leaning(layer, rows)).sigmoid()

    def controlled(self, gates: Tensor, mask: Tensor) -> Tensor:
        """The price: the controller's weight, which is no gradient's affair, times the mean of the gates' values."""
        values = gates[:, 1:][mask[:, 1:]]
        if not len(values):
            return values.sum()
        return self.controller.weight((values.detach() < -SCALE / 2).float().mean()) * values.mean()

    def common_price(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """What is missing to the share that is to be deleted, of the tokens of all texts together."""
        tokens, kept = outputs["tokens"], outputs["kept"][:, self.asked[0]]
        deleted = (tokens * (1 - kept)).sum() / (tokens - 1).sum().clamp(min=1)
        return self.controller.missing(deleted, SCALE)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits and the share of tokens kept in each layer; given labels, the loss under the soft gate."""
        if "labels" not in batch:
            return {**self.answered(batch), "tokens": batch["mask"].sum(1)}
        mask, seen = batch["mask"], []
        whole = self.whole(mask, self.spared)

        def log_keep(layer: int, rows: Tensor, left: Tensor) -> Tensor:
            seen.append(self.log_soft_keep(layer, rows, left))
            return seen[-1]

        embedded = self.encoder.embed(batch["ids"], batch["segments"])
        hidden, masks = soft_masked(self.encoder, embedded, mask, sparing(log_keep, whole, 0.0), site="before")
        logits = self.head(hidden, masks[-1])
        loss = task_loss(logits, batch["labels"], self.task)
        return {"logits": logits, "loss": loss + self.controlled(seen[self.asked[0]], mask & ~whole)}


class MrT5(PredictedMethod):
    """Fine-tune, then encoder, head and gate together under the soft gate.

    Differences: the paper's models read bytes and write text; here an encoder of word pieces is tuned, whose tokens are
    fewer and worth more, with a head that pools what stays, by mean unless told, each token by its gate in training.
    The paper's gate stands after the third of twelve layers, here after a quarter of them. It starts open, and some
    texts keep all tokens in training, which the paper's don't: else keeping all is never learned. Fine-tuning comes
    first, as the code can delay the penalty, which would make all tokens of an encoder that knows nothing alike. The
    penalty and its controller leave out the first token, which always stays, and padding. The noise that the code can
    add to logits is left out. Thresholds other than one half are ours; at 0 the gate isn't asked.
    """

    name = "mrt5"
    family = "skimming"
    title = "MrT5: a delete gate in a low layer"
    paper = "Kallini et al. 2025, MrT5, https://arxiv.org/abs/2410.20771"
    summary = (
        "After the first layers one small gate says of every token whether the rest of the encoder needs it. In "
        "training attention is turned away from what the gate would delete, so that the two agree. Deleted tokens save "
        "all layers above the gate."
    )
    options = MrT5Options
    predictor_rate, tuning = "gate_rate", "tuned_epochs"

    def settled(self, options: MrT5Options, config: EncoderConfig) -> MrT5Options:
        if config.layers < 2 or not options.deleted < 1:
            message = f"deleted is {options.deleted:g}, and the backbone has {config.layers} layers."
            raise ElueError("bad_option", message, "Give a share below 1 and a backbone of two layers or more.")
        return options

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> MrT5Network:
        return MrT5Network(encoder, task, options)
