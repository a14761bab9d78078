"""Keeping by predicted contributions: a token stays while its share is near enough to an even one (AdapLeR)."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.encoder import Encoder
from elue.modeling.heads import Head
from elue.modeling.keeping.gates import Decision, Gate, longer_than_one, nobody, over
from elue.modeling.keeping.masked import straight_masked
from elue.modeling.keeping.model import KeepingModel
from elue.modeling.keeping.predicted import scorer
from elue.modeling.method import Training
from elue.modeling.ragged import Pack
from elue.modeling.sweep import Tried, choose, ratio_middle, refine
from elue.modeling.text import TextEncoder
from elue.protocol import Point, TaskInfo

INNER = 32
"""Width of a contribution predictor."""
SHARE_TOLERANCE = 1e-5
"""A share nearer to its threshold than this, relative to it, is left to the sample alone."""
SLOPE = 0.1
"""What still sets tokens that stay apart by their shares in soft removal, the less the steeper it is."""


class ContributionNetwork(nn.Module):
    """Encoder, head, a contribution predictor before each layer, and thresholds η, (layers,).

    `threshold_scale` multiplies the thresholds at the point in force; at 0 all tokens stay, and nobody is asked.
    """

    def __init__(self, encoder: Encoder, task: TaskInfo, pooling: str, eta: float) -> None:
        super().__init__()
        config, self.task, self.threshold_scale = encoder.config, task, 1.0
        self.encoder, self.head = encoder, Head(config, task, pooling)
        self.predictors = nn.ModuleList(scorer(config.hidden, INNER) for _ in range(config.layers))
        self.eta_bias = nn.Parameter(torch.full((config.layers,), eta))  # so called, it has no weight decay

    @property
    def etas(self) -> nn.Parameter:
        """The thresholds η, (layers,), in shares of an even contribution."""
        return self.eta_bias

    def contributions(self, layer: int, rows: Tensor, left: Tensor) -> Tensor:
        """Predicted shares of the tokens that are left, (batch, tokens): their softmax, weighted by `left`."""
        logits = self.predictors[layer](rows).float().masked_fill(left == 0, -torch.inf)
        weighed = (logits - logits.amax(1, keepdim=True).detach()).exp() * left
        return weighed / weighed.sum(1, keepdim=True)

    def stays(self, layer: int, rows: Tensor, left: Tensor) -> Tensor:
        """1 where a token's share is η_l / (tokens left) or more, times the point's scale; else 0."""
        limit = self.threshold_scale * self.etas[layer] / left.sum(1, keepdim=True)
        return (self.contributions(layer, rows, left) >= limit).to(rows.dtype)

    def kept_by(self, batch: dict[str, Tensor], layers: Collection[int]) -> tuple[Tensor, list[Tensor]]:
        """Logits of a padded batch whose tokens leave in these layers, and which are left in each, (batch, tokens)."""
        embedded = self.encoder.embed(batch["ids"], batch["segments"])
        hidden, masks = straight_masked(self.encoder, embedded, batch["mask"], self.stays, layers)
        return self.head(hidden, masks[-1]), masks

    def answered(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits with tokens really dropped, and the share that is kept in each layer, (batch, layers)."""
        logits, masks = self.kept_by(batch, range(len(self.etas)) if self.threshold_scale > 0 else [])
        return {"logits": logits, "kept": torch.stack(masks, 1).sum(-1) / batch["mask"].sum(-1, keepdim=True)}


def soft_exit(shares: Tensor, limits: Tensor, steepness: float) -> Tensor:
    """Logarithm of the soft mask of tokens with these shares, both (batch, tokens) or alike: 0 at a share of 1.

    It falls slowly to the limit δ and steeply below it: λ (s - δ) / δ - β / λ, or (s - 1) β / λ / (1 - δ) where less.
    """
    flat = SLOPE / steepness
    below = steepness * (shares - limits) / limits - flat
    above = (shares - 1) * flat / (1 - limits + 1e-7)
    return torch.minimum(below, above).clamp(min=-1e4, max=0)


class ContributionModel(KeepingModel):
    """Drops tokens whose predicted share is below the network's thresholds, times the point's `threshold_scale`."""

    def __init__(self, network: ContributionNetwork, text: TextEncoder, task: TaskInfo) -> None:
        gates = {index: Gate("before", self.asks, partial(self.decide, index)) for index in range(len(network.etas))}
        super().__init__(network, text, task, gates)
        self.configure({})

    def configure(self, point: Point) -> None:
        scale = float(point.get("threshold_scale", 1.0))
        if not scale >= 0:
            raise ElueError("bad_point", f"threshold_scale can't be {scale}.", "Give a number of 0 or more.")
        self.network.threshold_scale = scale
        self.limits: list[float] = (scale * self.network.etas).tolist()

    def asks(self, pack: Pack) -> Any:
        """Samples with more than their first row, where anything can leave."""
        return longer_than_one(pack) if self.network.threshold_scale > 0 else nobody(pack)

    def decide(self, index: int, pack: Pack, rows: Tensor) -> Decision:
        """By how far each share is over its limit, as a share of that: share · tokens / η - 1."""
        logits: Tensor = self.network.predictors[index](rows)
        margins = [
            group.of(logits[:, None]).squeeze(-1).softmax(-1) * (group.tokens / (self.limits[index] or 1.0)) - 1
            for group in pack.groups()
        ]
        return over(pack, torch.cat([margin.flatten() for margin in margins]), SHARE_TOLERANCE)


def contribution_sweep(network: ContributionNetwork, training: Training, largest: float) -> list[Tried]:
    """Values of `threshold_scale` from 0, which keeps all tokens, to the `largest`, even in multiply-adds, and 1.

    At 0 predictors are not asked: what is dearer than that for asking them is left out.
    """

    def measure(scale: float) -> Tried:
        network.threshold_scale = scale
        tried = training.tried(network, scale, "kept")
        return replace(tried, costs=_spent(network, tried.costs, training), weights=None)

    settings = sorted({0.0, 1.0, largest})
    tried = refine(measure, settings, ratio_middle)
    network.threshold_scale = 1.0
    return choose([own for own in tried if own.compute <= tried[0].compute], always=settings)


def _spent(network: ContributionNetwork, kept: Tensor, training: Training) -> Tensor:
    """Multiply-adds of all layers and predictors for each sample, (samples,), by shares kept before each layer."""
    config, tokens = training.encoder.config, training.judged_tokens[:, None]
    stays = (kept.double() * tokens).round()
    came = torch.cat([tokens, stays[:, :-1]], 1) if network.threshold_scale > 0 else torch.zeros_like(stays)
    asking = sum(part.numel() for part in network.predictors[0].parameters() if part.dim() > 1)
    return (config.attention_products(stays) + config.feed_forward_products(stays) + asking * came).sum(1)
