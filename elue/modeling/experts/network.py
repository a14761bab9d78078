"""Networks with experts as training sees them: padded batches, whose real tokens are routed as packs are."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import numpy as np
import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, FeedForward, Layer, layers_of, unshared
from elue.modeling.experts.layers import ExpertLayer, Router, copies
from elue.modeling.experts.look import Choice, Look, array
from elue.modeling.experts.losses import Routed, summed
from elue.modeling.experts.seats import Pairs, seat
from elue.modeling.heads import Head, task_loss
from elue.modeling.kinds import kind_of
from elue.modeling.options import TrainingOptions, option
from elue.protocol import Point, TaskInfo


@dataclass(frozen=True, kw_only=True)
class ExpertsOptions(TrainingOptions):
    """Options of methods with experts."""

    experts: int = option(4, "experts in each layer that has some", 1)
    every: int = option(2, "every how many layers a feed-forward becomes experts", 1)


@dataclass(frozen=True, kw_only=True)
class RouterOptions(ExpertsOptions):
    """Options of methods whose routers learn."""

    router_rate: float = option(1e-3, "learning rate of the routers", 0.0)


@dataclass(frozen=True, kw_only=True)
class CapacityOptions(RouterOptions):
    """Options of methods whose experts have room for so many tokens."""

    capacity_factor: float = option(1.25, "room of an expert in training, in even shares of a batch's choices", 0.0)
    balance: float = option(0.01, "weight of the load-balancing loss, which is 1 at balance", 0.0)


class ExpertsNetwork(nn.Module):
    """An encoder in which every so many feed-forwards are experts, and a head.

    A method says what routes (`router`), what is chosen (`choose`), how much room there is (`room`) and what is lost
    beside the task (`losses`). Its knobs, by name in `KNOBS`, are attributes, set by `at`; training has them as the
    options say, or the class. What `choose` computes must be the same at every point: prices are by unit and shape.
    Layers that share weights (ALBERT) are set apart.
    """

    KNOBS: ClassVar[tuple[str, ...]] = ()
    weighted = True
    """Whether results of experts are multiplied by a weight."""

    def __init__(self, encoder: Encoder, task: TaskInfo, options: Any) -> None:
        super().__init__()
        self.task, self.options = task, options
        self.encoder = unshared(encoder)
        self.head: nn.Module = Head(encoder.config, task, options.pooling)
        self.trained: dict[str, Any] = {
            name: getattr(options, name, getattr(type(self), name, None)) for name in self.KNOBS
        }
        self.at({})
        for place in self.places():
            layer = layers_of(self.encoder)[place]
            layer.feed_forward = self.layer(cast(FeedForward, layer.feed_forward))

    def places(self) -> Iterable[int]:
        """The layers whose feed-forwards become experts, from 0."""
        return range(self.options.every - 1, self.encoder.config.layers, self.options.every)

    def layer(self, source: FeedForward) -> ExpertLayer:
        """What takes the place of a feed-forward."""
        router = self.router(source.inner.in_features)
        return ExpertLayer(source, router, copies(source, self.options.experts, self.scale()))

    def numbered(self) -> dict[int, ExpertLayer]:
        """The layers with experts, by their numbers from 1."""
        layers = enumerate(layers_of(self.encoder), start=1)
        return {number: half for number, layer in layers if isinstance(half := layer.feed_forward, ExpertLayer)}

    def router(self, hidden: int) -> nn.Module | None:
        """What scores rows, from a `Look` to (tokens, ...); None where no score is asked."""
        return Router(hidden, self.options.experts, getattr(self.options, "jitter", 0.0))

    def scale(self) -> float:
        """What outputs of experts are multiplied by at the start."""
        return 1.0

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        """Which experts take which rows, and with what weight."""
        raise NotImplementedError

    def room(self, tokens: np.ndarray) -> np.ndarray | None:
        """Most rows that each expert takes of so many tokens, (groups,); None for no limit."""
        return None

    def losses(self, routed: Routed) -> Tensor | None:
        """What one layer adds to the task's loss."""
        return None

    def at(self, point: Point) -> None:
        """Set the knobs, those that the point lacks to what they were in training."""
        for name, value in {**self.trained, **{name: point[name] for name in self.KNOBS if name in point}}.items():
            if not isinstance(value, str) and not value >= 0:
                raise ElueError("bad_point", f"{name} can't be {value}.", "Give a number of 0 or more.")
            setattr(self, name, value)

    def seats(self, layer: ExpertLayer, choice: Choice, look: Look) -> Pairs:
        """Who gets a seat: of each sample's own room, or in training of one that a batch shares."""
        shared = look.training
        room = self.room(np.array([look.lengths.sum()]) if shared else look.lengths)
        return seat(choice.checked(len(look.rows), len(layer.experts)), look, len(layer.experts), room, shared)

    def turns(self) -> tuple[float, ...]:
        """Passes over the text, by the weight that each one's answer has, 1 in all."""
        return (1.0,)

    def mean_answer(self, logits: Tensor, turns: tuple[float, ...]) -> Tensor:
        """Logits (batch, outputs) of the mean answer, by these weights, of those of passes, (batch, turns, outputs)."""
        weights = torch.tensor(turns, dtype=logits.dtype, device=logits.device)
        return kind_of(self.task).mean(logits, weights)

    def forward(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Logits of a padded batch and the share of feed-forwards that `ran` where experts are, (batch,).

        Given labels, the task's loss plus that of every layer with experts stands in its place.
        """
        if "labels" not in batch:
            turns = self.turns()
            passes = [self.encode(batch, turn) for turn in range(len(turns))]
            logits = torch.stack([logits for logits, _, _ in passes], 1)
            ran = torch.stack([ran for _, _, ran in passes]).sum(0)
            return {"logits": self.mean_answer(logits, turns) if len(turns) > 1 else logits[:, 0], "ran": ran}
        return self.lesson(batch)

    def lesson(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Logits and loss of a batch with labels."""
        logits, seen, _ = self.encode(batch)
        loss = task_loss(logits, batch["labels"], self.task)
        lost = [part for routed in seen if (part := self.losses(routed)) is not None]
        return {"logits": logits, "loss": loss + summed(lost) if lost else loss}

    def encode(self, batch: Mapping[str, Any], turn: int = 0) -> tuple[Tensor, list[Routed], Tensor]:
        """One pass over a batch: logits, what each layer with experts did, and the share that ran, (batch,)."""
        mask = batch["mask"]
        lengths = array(mask.sum(1))
        hidden = self.encoder.embed(batch["ids"], batch["segments"])
        seen: list[Routed] = []
        ran, layers = np.zeros(len(lengths)), 0
        for number, layer in enumerate(cast("Iterable[Layer]", self.encoder.layers), start=1):
            hidden, half = layer.attention(hidden, mask), layer.feed_forward
            if not isinstance(half, ExpertLayer):
                hidden = half(hidden)
                continue
            if half.before is not None:
                hidden = half.before(hidden)
            rows = hidden[mask]
            look = Look(
                rows,
                lengths,
                lambda: array(batch["ids"][mask]),
                number,
                turn,
                self.training,
                int(batch.get("step", 0)),
                int(batch.get("total", 1)),
            )
            scores = None if half.router is None else half.router(look)
            choice = self.choose(look, scores)
            pairs = self.seats(half, choice, look)
            output = half(rows, pairs, choice.weight)
            hidden = hidden.index_put((mask,), output.to(hidden.dtype))
            ran += np.add.reduceat(half.share(pairs, len(rows)), look.starts) / lengths
            layers += 1
            seen.append(Routed(look, rows if scores is None else scores, choice, pairs))
        return self.head(hidden, mask), seen, torch.from_numpy(ran / max(1, layers)).float()
