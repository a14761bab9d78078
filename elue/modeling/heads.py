"""Pooling, task heads and their losses, for classification and regression alike."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.kinds import kind_of
from elue.protocol import TaskInfo

POOLINGS = ("mean", "first")


def pool(hidden: Tensor, mask: Tensor | None = None, how: str = "mean") -> Tensor:
    """One vector a text, (batch, hidden), from (batch, tokens, hidden).

    "first" takes the first token; "mean" averages over the tokens that `mask` (batch, tokens) calls real.
    Encoders trained for mean pooling put nothing into the first token of their lower layers.
    """
    if how == "first":
        return hidden[:, 0]
    if mask is None:
        return hidden.mean(1)
    weights = mask.to(hidden.dtype).unsqueeze(-1)
    return (hidden * weights).sum(1) / weights.sum(1)


class Head(nn.Module):
    """Pool, dense and tanh, then a linear map to `task.outputs`, with dropout before each map."""

    def __init__(self, config: EncoderConfig, task: TaskInfo, pooling: str = "mean") -> None:
        super().__init__()
        self.pooling = pooling
        self.dropout = nn.Dropout(config.dropout)
        self.dense = nn.Linear(config.hidden, config.hidden)
        self.output = nn.Linear(config.hidden, task.outputs)
        self.reset()

    def reset(self) -> None:
        """Draw the weights anew, as BERT does: normal with standard deviation 0.02, biases 0."""
        for linear in (self.dense, self.output):
            nn.init.normal_(linear.weight, std=0.02)
            nn.init.zeros_(linear.bias)

    def forward(self, hidden: Tensor, mask: Tensor | None = None) -> Tensor:
        """Logits (batch, outputs) from hidden states (batch, tokens, hidden)."""
        pooled = self.dropout(pool(hidden, mask, self.pooling))
        return self.output(self.dropout(torch.tanh(self.dense(pooled))))


def unit_label(label: float, task: TaskInfo) -> float:
    """A label as heads are trained on it: a regression's range becomes 0..1, whatever its unit."""
    return kind_of(task).unit(label, task)


def task_loss(logits: Tensor, labels: Tensor, task: TaskInfo) -> Tensor:
    """Mean loss of logits (batch, outputs): cross-entropy, or squared error against unit labels."""
    return kind_of(task).loss(logits, labels, "mean")


class EncoderWithHead(nn.Module):
    """The plain network: an encoder, run to its end, and one head."""

    def __init__(self, encoder: Encoder, task: TaskInfo, pooling: str = "mean") -> None:
        super().__init__()
        self.task = task
        self.encoder = encoder
        self.head = Head(encoder.config, task, pooling)

    def logits(self, ids: Tensor, segments: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        """Logits (batch, outputs) for ids (batch, tokens)."""
        hidden = self.encoder.embed(ids, segments)
        for layer in self.encoder.layers:
            hidden = layer(hidden, mask)
        return self.head(hidden, mask)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits of a padded batch and, given labels, the task's loss."""
        logits = self.logits(batch["ids"], batch["segments"], batch["mask"])
        if "labels" not in batch:
            return {"logits": logits}
        return {"logits": logits, "loss": task_loss(logits, batch["labels"], self.task)}
