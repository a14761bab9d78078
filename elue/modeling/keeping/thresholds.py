"""Networks that learn which tokens to keep, in stages: no masks, soft masks with a price on them, hard masks."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.encoder import Encoder
from elue.modeling.heads import Head, task_loss
from elue.modeling.keeping.gates import IMPORTANCE_TOLERANCE, Decision, Gate, everyone, nobody, over
from elue.modeling.keeping.masked import hard_masked, soft_masked
from elue.modeling.keeping.model import KeepingModel
from elue.modeling.keeping.sweeps import kept_between
from elue.modeling.method import Training
from elue.modeling.ragged import Pack
from elue.modeling.sweep import Tried, choose, ratio_middle, refine
from elue.modeling.text import TextEncoder
from elue.protocol import Point, TaskInfo

Stage = Literal["dense", "soft", "hard"]
STAGES: tuple[Stage, ...] = ("dense", "soft", "hard")


class MaskedNetwork(nn.Module):
    """Encoder and head. `stage` says how tokens are masked: not at all, softly, or hard.

    `sparsity` is the weight of the mean soft mask in the loss: the higher, the fewer tokens stay.
    """

    def __init__(self, encoder: Encoder, task: TaskInfo, pooling: str, sparsity: float) -> None:
        super().__init__()
        self.task, self.sparsity = task, sparsity
        self.encoder, self.head = encoder, Head(encoder.config, task, pooling)
        self.stage: Stage = "hard"

    def keep(self, layer: int, received: Tensor, left: Tensor) -> Tensor:
        """The hard mask of tokens that receive this attention, (batch, tokens)."""
        raise NotImplementedError

    def log_soft_keep(self, layer: int, received: Tensor, left: Tensor) -> Tensor:
        """Logarithm of the soft mask, (batch, tokens)."""
        raise NotImplementedError

    def pruning_layers(self) -> Collection[int]:
        """Layers that can prune; in the others all tokens stay, and importance need not be reckoned."""
        return range(len(self.encoder.layers))

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits, the share of tokens kept after each layer (batch, layers) and, given labels, the stage's loss."""
        hidden, mask = self.encoder.embed(batch["ids"], batch["segments"]), batch["mask"]
        if self.stage == "soft":
            hidden, masks = soft_masked(self.encoder, hidden, mask, self.log_soft_keep)
        else:
            layers = self.pruning_layers() if self.stage == "hard" else []
            hidden, masks = hard_masked(self.encoder, hidden, mask, self.keep, layers)
        logits = self.head(hidden, masks[-1])
        kept = torch.stack(masks, 1).sum(-1) / mask.sum(-1, keepdim=True)
        if "labels" not in batch:
            price = self.sparsity * kept.sum(1) if self.stage == "soft" else torch.zeros_like(kept[:, 0])
            return {"logits": logits, "kept": kept, "price": price}
        loss = task_loss(logits, batch["labels"], self.task)
        if self.stage == "soft":
            loss = loss + self.sparsity * kept.mean(0).sum()
        return {"logits": logits, "loss": loss}


class ScaledPruning(KeepingModel):
    """Drops tokens below the `thresholds` of a network, times the point's `threshold_scale`."""

    def __init__(self, network: Any, text: TextEncoder, task: TaskInfo) -> None:
        gates = {index: self._gate(index) for index in range(len(network.encoder.layers))}
        super().__init__(network, text, task, gates)
        self.configure({})

    def configure(self, point: Point) -> None:
        scale = float(point.get("threshold_scale", 1.0))
        if not scale >= 0:
            raise ElueError("bad_point", f"threshold_scale can't be {scale}.", "Give a number of 0 or more.")
        self.network.threshold_scale = scale
        self.thresholds: list[float] = (scale * self.network.thresholds).tolist()
        self.pruning_layers = set(self.network.pruning_layers())

    def _gate(self, index: int) -> Gate:
        """Asks all samples where the layer can drop tokens at all."""

        def asks(pack: Pack) -> np.ndarray:
            return everyone(pack) if index in self.pruning_layers else nobody(pack)

        def decide(pack: Pack, received: Tensor) -> Decision:
            """s - θ_l, times the point's scale, as a share of it: below 0 a token leaves."""
            threshold = self.thresholds[index]
            return over(pack, (received - threshold) / (threshold or 1.0), IMPORTANCE_TOLERANCE)

        return Gate("between", asks, decide)


def pruning_sweep(network: Any, training: Training, largest: float) -> list[Tried]:
    """Values of `network.threshold_scale` from 0, which keeps all tokens, to the `largest`, even in tokens kept.

    Those kept are noted as "kept", in percent, beside the score. 1 is always among them.
    """

    def measure(scale: float) -> Tried:
        network.threshold_scale = scale
        return kept_between(network, training, scale)

    settings = sorted({0.0, 1.0, largest})
    chosen = choose(refine(measure, settings, ratio_middle), always=settings)
    network.threshold_scale = 1.0
    return chosen
