"""The network of methods with experts, and their default sweep."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from elue.modeling.encoder import Encoder
from elue.modeling.experts import Assignment, encode, load_balancing_loss, upcycle
from elue.modeling.heads import Head, task_loss
from elue.modeling.method import Training
from elue.modeling.sweep import Tried, choose, middle, refine
from elue.protocol import TaskInfo


class ExpertsNetwork(nn.Module):
    """An encoder in which the feed-forwards of some `layers` are experts, and a head.

    Experts start as copies with outputs times `scale`. `balance` weighs the load-balancing loss. A method says by
    `assign` which token goes where.
    """

    def __init__(
        self,
        encoder: Encoder,
        task: TaskInfo,
        pooling: str,
        layers: Iterable[int],
        *,
        experts: int,
        jitter: float,
        scale: float,
        balance: float,
    ) -> None:
        super().__init__()
        self.task, self.balance = task, balance
        self.encoder, self.head = encoder, Head(encoder.config, task, pooling)
        upcycle(encoder, layers, experts, jitter, scale=scale)

    def assign(self, probabilities: Tensor, mask: Tensor) -> Assignment:
        """Which experts take which rows of a padded batch, in training and out of it."""
        raise NotImplementedError

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits of a padded batch and the share of tokens that experts ran on, (batch,).

        Given labels, the task's loss plus α Σ E Σ f_i P_i over the layers with experts stands in its place.
        """
        mask = batch["mask"]
        ran = torch.zeros_like(mask, dtype=torch.float)

        def assign(probabilities: Tensor, mask: Tensor) -> Assignment:
            pairs = self.assign(probabilities, mask)
            ran.view(-1).index_add_(0, pairs.row, torch.ones_like(pairs.row, dtype=torch.float))
            return pairs

        hidden, routed = encode(self.encoder, self.encoder.embed(batch["ids"], batch["segments"]), mask, assign)
        logits = self.head(hidden, mask)
        if "labels" not in batch:
            return {"logits": logits, "ran": ran.sum(1) / (mask.sum(1) * len(routed))}
        loss = task_loss(logits, batch["labels"], self.task)
        for probabilities in routed:
            real = probabilities[mask.flatten()]
            loss = loss + self.balance * load_balancing_loss(real, real.argmax(-1))
        return {"logits": logits, "loss": loss}


def capacity_sweep(network: Any, training: Training) -> list[Tried]:
    """Values of `network.capacity_factor`, from no room at all to room for all of a sample's tokens in one expert.

    The share of tokens that experts ran on is noted as "ran", in percent, beside the score.
    """

    def measure(factor: float) -> Tried:
        network.capacity_factor = factor
        return training.tried(network, factor, "ran")

    trained = training.options.capacity_factor
    ends = (0.0, float(training.options.experts))
    settings = sorted({*ends, *([trained] if ends[0] < trained < ends[1] else [])})
    chosen = choose(refine(measure, settings, middle), always=settings)
    network.capacity_factor = trained
    return chosen
