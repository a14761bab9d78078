"""Keeping by predictors: small networks look at hidden rows before some layers and say which of them go on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.errors import ElueError
from elue.modeling.encoder import Encoder
from elue.modeling.heads import Head, task_loss
from elue.modeling.keeping.gates import Decision, Gate, judged, longer_than_one, nobody
from elue.modeling.keeping.masked import Look, Site, straight_masked
from elue.modeling.keeping.model import KeepingModel
from elue.modeling.method import Sweep, TrainedMethod, Training, swept
from elue.modeling.ragged import Pack
from elue.modeling.reading.gates import logit
from elue.modeling.sweep import Tried, choose, even_odds, refine, short
from elue.modeling.text import TextEncoder
from elue.protocol import KnobSpec, Point, TaskInfo

USUAL = 0.5
"""The probability of staying from which on a token stays, where papers have no other."""
MOST_TOLD = 10_000
"""Probabilities that a sweep remembers of each setting, spread evenly by rank."""
WHOLE = "share of texts that keep all tokens in training, drawn anew each step, so that keeping all is learned as well"


def sparing(keep: Look, whole: Tensor, kept: float) -> Look:
    """What `keep` says of tokens, but of texts that are `whole` (batch, 1) all are `kept`."""

    def told(layer: int, rows: Tensor, left: Tensor) -> Tensor:
        said = keep(layer, rows, left)
        return torch.where(whole, torch.full_like(said, kept), said)

    return told


class TwoLogits(nn.Sequential):
    """Layers that end in the logits of leaving and of staying, (..., 2); what they say is the difference."""

    def forward(self, rows: Tensor) -> Tensor:
        logits = super().forward(rows)
        return logits[..., 1] - logits[..., 0]

    def drawn(self, rows: Tensor) -> Tensor:
        """1 where a draw says to stay, else 0, (...), with the gradients of its probability (Gumbel-softmax at 1)."""
        logits = super().forward(rows)
        return F.gumbel_softmax(logits.float(), tau=1.0, hard=True)[..., 1].to(rows.dtype)


def scorer(hidden: int, inner: int) -> nn.Sequential:
    """Two linear maps with a GELU between them: rows (..., hidden) -> (...)."""
    return nn.Sequential(nn.Linear(hidden, inner), nn.GELU(), nn.Linear(inner, 1), nn.Flatten(-2))


class PredictedNetwork(nn.Module):
    """Encoder, head, and predictors by the index of the layer they stand before: rows (..., hidden) -> logits (...).

    `threshold` is the probability from which on tokens stay, at the point in force; at 0 all stay, and no predictor is
    asked. What is dropped comes back for the head with `parks`, and after a single layer with `returning`.
    """

    def __init__(
        self,
        encoder: Encoder,
        task: TaskInfo,
        pooling: str,
        predictors: Mapping[int, nn.Module],
        parks: bool = False,
        returning: bool = False,
    ) -> None:
        super().__init__()
        self.task, self.parks, self.returning = task, parks, returning
        self.encoder, self.head = encoder, Head(encoder.config, task, pooling)
        self.predictors = nn.ModuleDict({str(index): module for index, module in predictors.items()})
        self.threshold = USUAL
        self.told: list[Tensor] | None = None  # with a list, the leanings of tokens that were asked about

    @property
    def asked(self) -> list[int]:
        """The layers with predictors, by index."""
        return [int(index) for index in self.predictors]

    def leaning(self, layer: int, rows: Tensor) -> Tensor:
        """The logit of staying, (...), of rows (..., hidden) before a layer."""
        leaning: Tensor = self.predictors[str(layer)](rows)
        return leaning

    def stays(self, layer: int, rows: Tensor, left: Tensor) -> Tensor:
        """1 where a token stays, else 0, (batch, tokens)."""
        leaning = self.leaning(layer, rows)
        if self.told is not None:
            self.told.append(leaning[left > 0].double().cpu())
        return (leaning - logit(self.threshold) >= 0).to(rows.dtype)

    def drawn(self, layer: int, rows: Tensor, left: Tensor) -> Tensor:
        """What a predictor of two logits draws, (batch, tokens)."""
        return cast(TwoLogits, self.predictors[str(layer)]).drawn(rows)

    def whole(self, mask: Tensor, share: float) -> Tensor:
        """Which texts of a batch keep all tokens, (batch, 1): in training so large a share of them in the mean."""
        return torch.rand(len(mask), 1, device=mask.device) < (share if self.training else 0.0)

    def kept_by(self, batch: dict[str, Tensor], keep: Look) -> tuple[Tensor, list[Tensor]]:
        """Logits of a padded batch, and what each layer ran on, (batch, tokens), by what is said before layers."""
        embedded = self.encoder.embed(batch["ids"], batch["segments"])
        layers = self.asked if self.threshold > 0 else []
        hidden, masks = straight_masked(self.encoder, embedded, batch["mask"], keep, layers, self.returning)
        whole = self.parks or self.returning
        return self.head(hidden, batch["mask"] if whole else masks[-1]), masks

    def shares(self, batch: dict[str, Tensor], masks: list[Tensor]) -> Tensor:
        """The share of each text's tokens that each layer ran on, (batch, layers)."""
        return torch.stack(masks, 1).sum(-1) / batch["mask"].sum(-1, keepdim=True)

    def answered(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits with tokens really dropped, and the share that is kept in each layer, (batch, layers)."""
        logits, masks = self.kept_by(batch, self.stays)
        return {"logits": logits, "kept": self.shares(batch, masks)}


def tuned(network: Any, batch: dict[str, Tensor]) -> dict[str, Tensor]:
    """What plain fine-tuning, in which all tokens stay, makes of a batch: logits and, given labels, the task's loss."""
    hidden = network.encoder.embed(batch["ids"], batch["segments"])
    for layer in network.encoder.layers:
        hidden = layer(hidden, batch["mask"])
    logits = network.head(hidden, batch["mask"])
    if "labels" not in batch:
        return {"logits": logits}
    return {"logits": logits, "loss": task_loss(logits, batch["labels"], network.task)}


class Tuned(nn.Module):
    """The encoder and head of a network, as plain fine-tuning runs them; what they learn, the network has learned."""

    def __init__(self, network: Any) -> None:
        super().__init__()
        self.encoder, self.head, self.task = network.encoder, network.head, network.task

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """As `tuned`."""
        return tuned(self, batch)


class PredictedModel(KeepingModel):
    """Keeps the rows that predictors lean to keep, by the point's `threshold` of the probability of staying."""

    def __init__(self, network: PredictedNetwork, text: TextEncoder, task: TaskInfo) -> None:
        site: Site = "around" if network.returning else "before"
        gates = {index: Gate(site, self.asks, partial(self.decide, index)) for index in network.asked}
        super().__init__(network, text, task, gates, network.parks)
        self.configure({})

    def configure(self, point: Point) -> None:
        threshold = float(point.get("threshold", USUAL))
        if not 0 <= threshold <= 1:
            raise ElueError("bad_point", f"threshold can't be {threshold}.", "Give a probability, 0 to 1.")
        self.network.threshold = threshold
        self.margin = logit(threshold)

    def asks(self, pack: Pack) -> Any:
        """Samples with more than their first row, where anything can leave."""
        return nobody(pack) if self.margin == -math.inf else longer_than_one(pack)

    def decide(self, index: int, pack: Pack, rows: Tensor) -> Decision:
        """Rows stay whose leaning reaches the margin."""
        return judged(pack, lambda asked: self.network.leaning(index, asked) - self.margin)


def spent(network: Any, kept: Tensor, training: Training) -> Tensor:
    """About the multiply-adds of layers and predictors for each sample, (samples,), by shares that layers ran on."""
    config, tokens = training.encoder.config, training.judged_tokens[:, None]
    stays = (kept.double() * tokens).round()
    came = tokens.expand_as(stays) if network.returning else torch.cat([tokens, stays[:, :-1]], 1)
    asked = network.asked if network.threshold > 0 else []
    sizes = [sum(p.numel() for p in network.predictors[str(layer)].parameters()) for layer in asked]
    predicting = came[:, asked] @ torch.tensor(sizes, dtype=came.dtype) if asked else 0.0
    return (config.attention_products(stays) + config.feed_forward_products(stays)).sum(1) + predicting


def predicted_sweep(network: Any, training: Training) -> Sweep:
    """Thresholds from 0, which keeps all tokens, by way of the usual one to 1, even in tokens kept.

    Between two it is the median of the probabilities there that predictors have told, which may lie ever so near one
    another. Where nothing is kept out, predictors are not asked: what is dearer than that for asking them is left out.
    """
    told: list[Tensor] = []

    def measure(threshold: float) -> Tried:
        network.threshold, network.told = threshold, []
        tried = training.tried(network, threshold, "kept")
        tried = replace(tried, costs=spent(network, tried.costs, training), weights=None)
        said = torch.cat(network.told or [torch.empty(0)]).sigmoid().sort().values
        told.append(said[torch.linspace(0, len(said) - 1, min(len(said), MOST_TOLD)).long()])
        return tried

    def halfway(low: float, high: float) -> float | None:
        every = torch.cat(told)
        between = every[(every > low) & (every < high)]
        return short(low, high, between.median().item()) if len(between) else even_odds(low, high)

    settings = [0.0, USUAL, 1.0]
    tried = refine(measure, settings, halfway)
    chosen = choose([own for own in tried if own.compute <= tried[0].compute], always=settings)
    network.threshold, network.told = USUAL, None
    return swept("threshold", chosen)


class PredictedMethod(TrainedMethod):
    """A method whose predictors say which tokens go on. It brings its network, and its phases where it has several."""

    family = "skimming"
    knobs: ClassVar[Mapping[str, KnobSpec]] = {
        "threshold": {"type": "float", "low": 0, "high": 1, "help": "probability of staying from which a token stays"}
    }
    predictor_rate: ClassVar[str] = ""
    """The option that is the learning rate of the predictors, where they have one of their own."""
    tuning: ClassVar[str] = ""
    """The option that is the number of passes of plain fine-tuning, where it comes first."""

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> PredictedModel:
        return PredictedModel(network, text, task)

    def rates(self, options: Any) -> dict[str, float]:
        """The learning rates that differ."""
        return {"predictors": getattr(options, self.predictor_rate)} if self.predictor_rate else {}

    def learn(self, network: Any, training: Training) -> None:
        if self.tuning:
            training.fit(Tuned(network), phase="tune", epochs=getattr(training.options, self.tuning))
        training.fit(network, rates=self.rates(training.options))

    def sweep(self, network: Any, training: Training) -> Sweep:
        return predicted_sweep(network, training)
