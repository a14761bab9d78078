"""Slots: experts run on weighted means of a sample's tokens, and tokens take weighted means of what comes out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.errors import ElueError
from elue.modeling import packed
from elue.modeling.encoder import Encoder, FeedForward, Layer, layers_of, unshared
from elue.modeling.experts.layers import copies
from elue.modeling.flow import Stage
from elue.modeling.heads import Head, task_loss
from elue.modeling.ragged import Pack, Request
from elue.modeling.running import RaggedModel
from elue.modeling.text import TextEncoder
from elue.modeling.tracing import Shape, Unit, blank, encoder_units, head_unit, row_unit
from elue.protocol import Point, TaskInfo


class SlotLayer(nn.Module):
    """What takes a feed-forward's place: E experts of p slots each, Φ (E, p, hidden) and one scale s.

    Scores are s · x̂ Φ̂, rows and slots of length one. A slot is the mean of tokens by a softmax over these, a token
    the mean of what experts make of slots by a softmax over those (Puigcerver et al., ICLR 2024, eq. 1-3).
    """

    def __init__(self, source: FeedForward, experts: int, slots: int) -> None:
        super().__init__()
        hidden = source.inner.in_features
        self.phi = nn.Parameter(torch.randn(experts, slots, hidden) * hidden**-0.5)
        self.scale = nn.Parameter(torch.ones(()))
        self.experts = nn.ModuleList(copies(source, experts))
        self.norm, self.dropout = source.norm, source.dropout
        self.folded = False

    @torch.no_grad()
    def fold(self) -> None:
        """Let Φ be s · Φ̂ from now on, which is the same for every text: nothing is trained any more."""
        if not self.folded:
            self.phi.copy_(self.scale * F.normalize(self.phi.float(), dim=-1))
            self.folded = True

    def scores(self, rows: Tensor, slots: int) -> Tensor:
        """(batch, tokens, E · slots) of rows (batch, tokens, hidden), by the first so many slots of every expert."""
        phi = self.phi[:, :slots].flatten(0, 1)
        if not self.folded:
            phi = self.scale * F.normalize(phi.float(), dim=-1)
        return F.normalize(rows.float(), dim=-1) @ phi.float().t()

    def forward(self, rows: Tensor, mask: Tensor, slots: int) -> Tensor:
        """Transform (batch, tokens, hidden), where `mask` (batch, tokens) is true."""
        scores = self.scores(rows, slots)
        dispatch = scores.masked_fill(~mask[..., None], -torch.inf).softmax(1).to(rows.dtype)
        means = (dispatch.transpose(1, 2) @ rows).unflatten(1, (len(self.experts), slots))
        results = [expert(part) for expert, part in zip(self.experts, means.unbind(1), strict=True)]
        update = scores.softmax(-1).to(rows.dtype) @ torch.cat(results, 1).to(rows.dtype)
        result: Tensor = self.norm(rows + self.dropout(update))
        return result


class SlotNetwork(nn.Module):
    """An encoder in which every so many feed-forwards are experts with slots, and a head.

    `slots` are those in use of every expert; training draws their number for each batch.
    """

    def __init__(self, encoder: Encoder, task: TaskInfo, options: Any) -> None:
        super().__init__()
        self.task, self.options = task, options
        self.encoder, self.head = unshared(encoder), Head(encoder.config, task, options.pooling)
        for layer in layers_of(self.encoder)[options.every - 1 :: options.every]:
            layer.feed_forward = SlotLayer(cast(FeedForward, layer.feed_forward), options.experts, options.slots)
        self.slots = options.slots

    def at(self, point: Point) -> None:
        """Set the slots in use. Raises ElueError for a number that there is not."""
        slots = int(point.get("slots", self.options.slots))
        if not 1 <= slots <= self.options.slots:
            hint = f"Give 1 to {self.options.slots}, which is what was trained."
            raise ElueError("bad_point", f"There are not {slots} slots of an expert.", hint)
        self.slots = slots

    def forward(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """Logits of a padded batch and its `loss`, or without labels what `ran`, (batch,): slots for every token."""
        mask = batch["mask"]
        slots = int(torch.randint(1, self.options.slots + 1, ()).item()) if self.training else self.slots
        hidden = self.encoder.embed(batch["ids"], batch["segments"])
        for layer in cast("Iterable[Layer]", self.encoder.layers):
            hidden = layer.attention(hidden, mask)
            half = layer.feed_forward
            hidden = half(hidden, mask, slots) if isinstance(half, SlotLayer) else half(hidden)
        logits = self.head(hidden, mask)
        if "labels" in batch:
            return {"logits": logits, "loss": task_loss(logits, batch["labels"], self.task)}
        return {"logits": logits, "ran": slots * self.options.experts / mask.sum(1)}


class SlotModel(RaggedModel):
    """A network with slots, each sample by itself. Trace and cost hang on a sample's length alone.

    Units: `slots.i (tokens, slots)`; `expert.i.e (rows)`; `combine.i (tokens, slots)`; slots are those of all experts.
    """

    def __init__(self, network: SlotNetwork, text: TextEncoder, task: TaskInfo) -> None:
        super().__init__(network, text, task)
        encoder, width = network.encoder, network.encoder.config.hidden
        units = encoder_units(encoder) | {"head": head_unit(network.head)}
        for number, layer in enumerate(layers_of(encoder), start=1):
            if isinstance(half := layer.feed_forward, SlotLayer):
                half.fold()
                example = partial(_example, width, len(half.experts))
                units[f"slots.{number}"] = Unit(partial(_fill, half), self._shapes, partial(example, False))
                units[f"combine.{number}"] = Unit(partial(_combine, half), self._shapes, partial(example, True))
                for place, expert in enumerate(half.experts, start=1):
                    run = partial(_run, expert, encoder.config.activation)
                    units[f"expert.{number}.{place}"] = row_unit(run, width)
        self.units.units |= units

    def _shapes(self, pack: Pack) -> Iterable[Shape]:
        slots = self.network.slots * self.network.options.experts
        return ((length, slots) for length in pack.lengths)

    def configure(self, point: Point) -> None:
        self.network.at(point)

    def stages(self) -> Sequence[Stage]:
        return [self._whole]

    def _whole(self, pack: Pack) -> tuple[None, Sequence[Request]]:
        pack = pack.with_rows(self.units.run("embed", pack))
        for number, layer in enumerate(layers_of(self.network.encoder), start=1):
            pack = pack.with_rows(self.units.run(f"attention.{number}", pack))
            half = layer.feed_forward
            if isinstance(half, SlotLayer):
                pack = pack.with_rows(self._slotted(number, half, pack))
            else:
                pack = pack.with_rows(self.units.run(f"ffn.{number}", pack))
        return None, self.answer(pack.requests, self.units.run("head", pack))

    def _slotted(self, number: int, half: SlotLayer, pack: Pack) -> Tensor:
        """The feed-forward half of a layer with slots."""
        slots, samples = self.network.slots, len(pack.requests)
        asked = Pack(pack.requests, pack.lengths, pack.rows, torch.tensor(slots))
        scores, means = self.units.run(f"slots.{number}", asked)
        results = []
        for place, part in enumerate(means.unbind(1), start=1):
            filled = Pack(pack.requests, [slots] * samples, part.reshape(samples * slots, -1))
            results.append(self.units.run(f"expert.{number}.{place}", filled).view(samples, slots, -1))
        outcome = pack.remembering(results=torch.cat(results, 1))
        outcome.state = scores
        return self.units.run(f"combine.{number}", outcome)


def _fill(half: SlotLayer, pack: Pack) -> tuple[Tensor, Tensor]:
    """Scores (tokens, slots), and what fills slots, (samples, E, slots of each, hidden), as many as the state says."""
    assert pack.state is not None
    slots, experts = int(pack.state), len(half.experts)
    scores, means = [], []
    for group in pack.groups():
        rows = group.of(pack.rows)
        told = half.scores(rows, slots)
        scores.append(told.flatten(0, 1))
        means.append(told.softmax(1).transpose(1, 2) @ rows)
    return torch.cat(scores), torch.cat(means).unflatten(1, (experts, slots))


def _run(expert: Any, activation: str, pack: Pack) -> Tensor:
    out = torch.empty_like(pack.rows)
    for into, rows in zip(out.split(packed.ROWS_PER_CHUNK), pack.rows.split(packed.ROWS_PER_CHUNK), strict=True):
        expert.into(rows, activation, into)
    return out


def _combine(half: SlotLayer, pack: Pack) -> Tensor:
    """What tokens take of slots by the scores in the pack's state, residual and norm."""
    assert pack.state is not None
    results, updates, sample = pack.memory["results"], [], 0
    for group in pack.groups():
        weights = group.of(pack.state).softmax(-1)
        updates.append((weights @ results[sample : sample + group.samples]).flatten(0, 1))
        sample += group.samples
    update = torch.cat(updates)
    update += pack.rows
    result: Tensor = half.norm(update)
    return result


def _example(width: int, experts: int, combined: bool, shape: Shape) -> Pack:
    """A sample of shape[0] tokens and shape[1] slots."""
    tokens, slots = shape
    pack = blank((tokens,), width)
    pack.state = torch.zeros(tokens, slots) if combined else torch.tensor(slots // experts)
    pack.memory = {"results": torch.zeros(1, slots, width)}
    return pack
