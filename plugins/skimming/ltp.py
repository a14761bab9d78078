"""LTP: tokens that receive little attention are pruned, below a threshold learned for each layer.

Kim et al., "Learned Token Pruning for Transformers", KDD 2022. A token's importance s in layer l is the attention
it receives, mean over heads and queries. With s < θ_l it leaves, between the layer's attention and feed-forward.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.errors import ElueError
from elue.modeling.backbone import load_backbone
from elue.modeling.encoder import Encoder
from elue.modeling.heads import Head, task_loss
from elue.modeling.inference import batched_outputs, quality
from elue.modeling.options import TrainingOptions, option, parse_options
from elue.modeling.pruning import PruningModel, hard_masked, soft_masked
from elue.modeling.saving import load, save, saved_points
from elue.modeling.text import TextEncoder
from elue.modeling.training import fit
from elue.protocol import Method, Point, TaskInfo, TrainingJob

Stage = Literal["dense", "soft", "hard"]

SCALES = tuple(round(2 ** (step / 2), 2) for step in range(-4, 7))
"""Threshold scales the default sweep is chosen from: 0.25 to 8, two to a doubling."""
STEP, LEAST = 0.05, 0.15
"""Shares of all tokens: how far points of the default sweep lie apart, and where it ends."""


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


class LtpNetwork(nn.Module):
    """Encoder, head and thresholds θ. `stage` says how tokens are masked: not at all, softly, or hard."""

    def __init__(self, encoder: Encoder, task: TaskInfo, options: LtpOptions) -> None:
        super().__init__()
        self.task, self.options = task, options
        self.encoder, self.head = encoder, Head(encoder.config, task, options.pooling)
        layers = encoder.config.layers
        self.thresholds = nn.Parameter(options.threshold * torch.arange(1, layers + 1) / layers)
        self.threshold_scale = 1.0
        self.stage: Stage = "hard"

    def keep(self, layer: int, importance: Tensor) -> Tensor:
        """The hard mask: s >= θ_l, times the point's scale."""
        return importance >= self.threshold_scale * self.thresholds[layer]

    def log_soft_keep(self, layer: int, importance: Tensor) -> Tensor:
        """Logarithm of the soft mask σ((s - θ_l) / T)."""
        return F.logsigmoid((importance - self.thresholds[layer]) / self.options.temperature)

    def pruning_layers(self) -> list[int]:
        """Layers that can prune: with θ_l at 0 or less all tokens stay, and importance need not be reckoned."""
        return [layer for layer, value in enumerate((self.threshold_scale * self.thresholds).tolist()) if value > 0]

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
            return {"logits": logits, "kept": kept}
        loss = task_loss(logits, batch["labels"], self.task)
        if self.stage == "soft":
            loss = loss + self.options.sparsity * kept.mean(0).sum()
        return {"logits": logits, "loss": loss}


class LtpModel(PruningModel):
    """Its one knob is `threshold_scale`, which multiplies the learned thresholds: 0 never prunes."""

    def __init__(self, network: LtpNetwork, text: TextEncoder, task: TaskInfo) -> None:
        super().__init__(network, text, task, self.over)
        self.configure({})

    def configure(self, point: Point) -> None:
        scale = float(point.get("threshold_scale", 1.0))
        if not scale >= 0:
            raise ElueError("bad_point", f"threshold_scale can't be {scale}.", "Give a number of 0 or more.")
        self.network.threshold_scale = scale
        self.thresholds: list[float] = (scale * self.network.thresholds).tolist()
        self.pruning_layers = self.network.pruning_layers()

    def over(self, layer: int, importance: Tensor) -> Tensor:
        """s - θ_l, times the point's scale, as a share of it."""
        threshold = self.thresholds[layer]
        return (importance - threshold) / (threshold or 1.0)


class LearnedTokenPruning(Method):
    """Fine-tune; learn weights and thresholds with soft masks and a price on them; fine-tune with hard masks.

    Choices where the paper differs or leaves room: the first token always stays; importance counts the tokens that
    remain; in the soft stage a token's mask weighs it as a key of attention and in pooling, so that the limit T → 0 is
    the hard stage (the paper scales the token's output, which the norms of the next layer undo). The paper trains one
    model for each λ; scaling the thresholds of one model, to get a curve from the same weights, is our extension.
    """

    name = "ltp"
    family = "skimming"
    title = "LTP: learned token pruning"
    paper = "Kim et al. 2022, Learned Token Pruning for Transformers, https://arxiv.org/abs/2107.00910"
    options = LtpOptions

    def load(self, task: TaskInfo, weights: Path | None, seed: int) -> LtpModel:
        saved = load(weights, self, task)
        network = LtpNetwork(saved.encoder(), task, LtpOptions(**saved.options))
        return LtpModel(saved.restore(network), saved.text, task)

    def points(self, task: TaskInfo, weights: Path | None) -> Sequence[Point]:
        return saved_points(weights)

    def train(self, job: TrainingJob) -> None:
        options = parse_options(LtpOptions, job)
        encoder, text, origin = load_backbone(job, options)
        network = LtpNetwork(encoder, job.task, options)
        epochs: dict[Stage, float] = {
            "dense": options.epochs,
            "soft": options.soft_epochs,
            "hard": options.hard_epochs,
        }
        for stage, passes in epochs.items():
            network.stage = stage
            network.thresholds.requires_grad_(stage == "soft")
            if passes:
                rates = {"thresholds": options.threshold_rate}
                fit(network, job, options, text, phase=stage, epochs=passes, rates=rates)
        sweep = default_sweep(network, job, text)
        save(
            job,
            self,
            network,
            options=options,
            config=encoder.config,
            text=text,
            origin=origin,
            points=[{"threshold_scale": scale} for scale in sweep],
            validation={"threshold_scale": sweep},
        )


def default_sweep(network: LtpNetwork, job: TrainingJob, text: TextEncoder) -> dict[float, dict[str, Any]]:
    """Scales that thin out the validation tokens in even steps, 0 and 1 among them, with what each scores."""
    sweep: dict[float, dict[str, Any]] = {}
    last = 1 + STEP
    for network.threshold_scale in (0.0, *SCALES):
        outputs = batched_outputs(network, job.validation, text)
        share = outputs["kept"].mean().item()
        if share <= last - STEP or network.threshold_scale == 1:
            last = share
            score = quality(outputs["logits"], job.validation, job.task)
            sweep[network.threshold_scale] = {"tokens_kept": 100 * share, "score": score}
        if share < LEAST and network.threshold_scale >= 1:
            break
    network.threshold_scale = 1.0
    return sweep
