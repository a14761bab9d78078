"""Experts: rows (one a token) are assigned to experts, run through them alone, and come back weighted.

A router scores rows, a rule turns scores into an `Assignment`, `run_experts` executes it. Rows that no expert takes
come back as zeros, so a residual connection passes them on unchanged.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.errors import ElueError
from elue.modeling import packed
from elue.modeling.encoder import Encoder, FeedForward, Layer
from elue.modeling.flow import Stage
from elue.modeling.ragged import Pack, Request
from elue.modeling.routing import Margin, Pairs, checked, margin_of_any, note_choices, part_of, read
from elue.modeling.running import RaggedModel, doubt, is_close
from elue.modeling.text import TextEncoder
from elue.modeling.tracing import encoder_units, head_unit, row_unit
from elue.protocol import Explanation, Sample, TaskInfo

PROBABILITY_TOLERANCE = 1e-5
"""An assignment that rests on probabilities nearer to each other than this is left to the sample alone."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Pairs of a row and an expert that takes it, with a weight each: three tensors of shape (pairs,).

    A row may occur in no pair (dropped), one (top-1) or several (top-k, expert choice).
    """

    row: Tensor
    expert: Tensor
    weight: Tensor


AssignRule = Callable[[Tensor, Tensor], Assignment]
"""From the experts' probabilities for each row, (batch · tokens, E), and the mask (batch, tokens) of real tokens.

At inference a sample's pairs may depend on its own rows alone, and what the rule computes on their number alone: it is
part of the unit `router`, whose price is that of its shape.
"""


class Router(nn.Module):
    """A linear layer and a softmax over experts, in float32 under any autocast or model dtype.

    In training the input is multiplied by uniform noise in [1 - jitter, 1 + jitter] (Switch, section 2.4).
    """

    def __init__(self, hidden: int, experts: int, jitter: float = 0.0) -> None:
        super().__init__()
        self.jitter = jitter
        self.weight = nn.Parameter(torch.empty(experts, hidden))
        nn.init.trunc_normal_(self.weight, std=math.sqrt(0.1 / hidden))

    def forward(self, rows: Tensor) -> Tensor:
        """Probabilities of the experts, (rows, experts), float32."""
        with torch.autocast(rows.device.type, enabled=False):
            rows = rows.float()
            if self.training and self.jitter:
                rows = rows * torch.empty_like(rows).uniform_(1 - self.jitter, 1 + self.jitter)
            return F.linear(rows, self.weight.float()).softmax(-1)


class Expert(nn.Module):
    """The two linear maps of a feed-forward, without its residual and norm."""

    def __init__(self, source: FeedForward) -> None:
        super().__init__()
        self.inner = copy.deepcopy(source.inner)
        self.outer = copy.deepcopy(source.outer)
        self.activation = source.activation

    def forward(self, rows: Tensor) -> Tensor:
        """Transform (rows, hidden)."""
        result: Tensor = self.outer(self.activation(self.inner(rows)))
        return result


class ExpertFeedForward(nn.Module):
    """A trained feed-forward upcycled into experts: a router before them, the residual and the norm after.

    Experts start as copies (sparse upcycling, Komatsuzaki et al., ICLR 2023) with outputs times `scale`: 1 / (the
    weight a row starts with) keeps the network's function at the start (He et al., arXiv 2410.07524). The router's
    random weights send them different rows, so no noise is needed to part them.
    """

    def __init__(self, source: FeedForward, experts: int, jitter: float = 0.0, scale: float = 1.0) -> None:
        super().__init__()
        self.router = Router(source.inner.in_features, experts, jitter)
        copies = [Expert(source) for _ in range(experts)]
        with torch.no_grad():
            for expert in copies:
                expert.outer.weight.mul_(scale)
                expert.outer.bias.mul_(scale)
        self.experts = nn.ModuleList(copies)
        self.norm, self.dropout = source.norm, source.dropout

    def forward(self, hidden: Tensor, mask: Tensor, assign: AssignRule) -> tuple[Tensor, Tensor]:
        """Transform (batch, tokens, hidden); also the router's probabilities, (batch · tokens, E)."""
        rows = hidden.flatten(0, 1)
        probabilities = self.router(rows)
        output = run_experts(rows, assign(probabilities, mask), self.experts).view_as(hidden)
        return self.norm(hidden + self.dropout(output)), probabilities


def upcycle(encoder: Encoder, layers: Iterable[int], experts: int, jitter: float, scale: float) -> None:
    """Replace the feed-forwards of the given layers by experts, in place."""
    for index in layers:
        layer = cast(Layer, encoder.layers[index])
        layer.feed_forward = ExpertFeedForward(cast(FeedForward, layer.feed_forward), experts, jitter, scale)


def encode(encoder: Encoder, hidden: Tensor, mask: Tensor | None, assign: AssignRule) -> tuple[Tensor, list[Tensor]]:
    """Run all layers on embedded tokens (batch, tokens, hidden); `mask` may be None where none is padding.

    Returns the last hidden states and the router's probabilities of every layer with experts.
    """
    routed: list[Tensor] = []
    real = torch.ones(hidden.shape[:2], dtype=torch.bool, device=hidden.device) if mask is None else mask
    for layer in cast("Iterable[Layer]", encoder.layers):
        hidden = layer.attention(hidden, mask)
        if isinstance(layer.feed_forward, ExpertFeedForward):
            hidden, probabilities = layer.feed_forward(hidden, real, assign)
            routed.append(probabilities)
        else:
            hidden = layer.feed_forward(hidden)
    return hidden, routed


def capacity(tokens: Tensor, experts: int, factor: float) -> Tensor:
    """Most rows one expert takes: tokens / experts · factor, rounded up (Switch, eq. 3), for each count.

    Never more than there are: an infinite factor is no limit. Raises ElueError for one that is negative or NaN.
    """
    if not factor >= 0:
        raise ElueError(
            "bad_capacity", f"A capacity factor can't be {factor}.", "Give a number of 0 or more; inf is no limit."
        )
    room = tokens.double() * min(float(factor), float(experts)) / experts
    return (room - 1e-9).ceil().long()  # 30 · 0.1 / 3 is one row, whatever the last bit says


def within_capacity(expert: Tensor, limit: Tensor, experts: int, mask: Tensor | None = None) -> Tensor:
    """Which tokens find room: each expert takes the first `limit` that chose it, in order.

    `expert` (groups, tokens) is each token's choice, `limit` (groups,) the room every expert has for a
    group's tokens, `mask` (groups, tokens) is true where a token is real. Returns (groups, tokens).
    """
    chosen = F.one_hot(expert, experts)
    if mask is not None:
        chosen = chosen * mask[..., None]
    place = (chosen.cumsum(1) * chosen).sum(-1)
    return (place > 0) & (place <= limit[:, None])


def run_experts(rows: Tensor, assignment: Assignment, experts: Sequence[nn.Module] | nn.ModuleList) -> Tensor:
    """Σ over a row's experts of weight · expert(row): (rows, hidden); rows without an expert are 0.

    Each expert runs at most once, on its own rows only; one with no rows does not run. Raises ElueError for an
    assignment that names rows or experts that do not exist.
    """
    checked(assignment.row, assignment.expert, assignment.weight, len(rows), len(experts))
    output = torch.zeros_like(rows)
    for index, expert in enumerate(experts):
        pairs = (assignment.expert == index).nonzero().squeeze(-1)
        if pairs.numel() == 0:
            continue
        taken = assignment.row.index_select(0, pairs)
        weight = assignment.weight.index_select(0, pairs)[:, None]
        result = expert(rows.index_select(0, taken)) * weight.to(rows.dtype)
        output = output.index_add(0, taken, result.to(rows.dtype))
    return output


def load_balancing_loss(probabilities: Tensor, expert: Tensor) -> Tensor:
    """E · Σ_i f_i · P_i (Switch, eq. 4-6): 1 when rows and probability are spread evenly.

    f_i is the share of rows whose choice is expert i, P_i the mean probability of expert i;
    `probabilities` is (rows, E), `expert` (rows,).
    """
    experts = probabilities.shape[-1]
    share = torch.bincount(expert, minlength=experts) / expert.numel()
    return experts * (share * probabilities.mean(0)).sum()


class ExpertsModel(RaggedModel):
    """An encoder with one head, some of whose feed-forwards are experts; each sample is a group of its own.

    `assign` says which experts take which token: none, one or several, whose weighted results are added up. `margin`
    says how near that was to being another assignment; it must fit the rule.
    """

    def __init__(
        self, network: Any, text: TextEncoder, task: TaskInfo, assign: AssignRule, margin: Margin = margin_of_any
    ) -> None:
        super().__init__(network, text, task)
        self.assign, self.margin = assign, margin
        config = network.encoder.config
        units = encoder_units(network.encoder) | {"head": head_unit(network.head)}
        for number, layer in enumerate(network.encoder.layers, start=1):
            if isinstance(module := layer.feed_forward, ExpertFeedForward):
                units[f"router.{number}"] = row_unit(partial(self._route, module), config.hidden)
                units[f"sum.{number}"] = row_unit(packed.add, config.hidden)
                units[f"combine.{number}"] = row_unit(partial(packed.add_and_norm, module.norm), config.hidden)
                for index, expert in enumerate(module.experts, start=1):
                    run = partial(_weighted, cast(Expert, expert), config.activation)
                    units[f"expert.{number}.{index}"] = row_unit(run, config.hidden)
        self.units.units |= units

    def _route(self, module: ExpertFeedForward, pack: Pack) -> tuple[Pairs, Tensor]:
        """Which experts take which rows of the pack, and all probabilities (tokens, E)."""
        probabilities = module.router(pack.rows)
        row, expert, weight = [], [], []
        for group in pack.groups():
            mask = torch.ones(group.samples, group.tokens, dtype=torch.bool)
            assignment = self.assign(probabilities[group.rows], mask)
            rows, _ = checked(assignment.row, assignment.expert, assignment.weight, mask.numel(), len(module.experts))
            row.append(rows + group.rows.start)
            expert.append(read(assignment.expert, mask.numel()))
            weight.append(read(assignment.weight.float(), mask.numel()))
        return Pairs.sorted(*(np.concatenate(parts) for parts in (row, expert, weight))), probabilities

    def stages(self) -> Sequence[Stage]:
        return [self._whole]

    def _whole(self, pack: Pack) -> tuple[None, Sequence[Request]]:
        pack = pack.with_rows(self.units.run("embed", pack))
        for number, layer in enumerate(self.network.encoder.layers, start=1):
            pack = pack.with_rows(self.units.run(f"attention.{number}", pack))
            if isinstance(layer.feed_forward, ExpertFeedForward):
                pack = pack.with_rows(self._experts(number, len(layer.feed_forward.experts), pack))
            else:
                pack = pack.with_rows(self.units.run(f"ffn.{number}", pack))
        return None, self.answer(pack.requests, self.units.run("head", pack))

    def _experts(self, number: int, count: int, pack: Pack) -> Tensor:
        """The feed-forward half of a layer with experts: every expert runs on the rows it takes."""
        pairs, probabilities = self.units.run(f"router.{number}", pack)
        if count > 1 and not pack.requests[0].alone:
            margins = [self.margin(group.of(probabilities).numpy()) for group in pack.groups()]
            doubt(pack.requests, is_close(np.concatenate(margins).reshape(len(pack.requests)), PROBABILITY_TOLERANCE))
        note_choices(number, pack, pairs)
        results = [pack.rows.new_zeros(1, pack.rows.shape[1])]
        for index in range(count):
            row, weight = pairs.row[pairs.of(index)], pairs.weight[pairs.of(index)]
            if len(row):
                taken = pack.rows.index_select(0, torch.from_numpy(row))
                part = part_of(pack, row, taken, torch.from_numpy(weight)[:, None])
                results.append(self.units.run(f"expert.{number}.{index + 1}", part))
        update = self._summed(number, pack, pairs, torch.cat(results))
        return self.units.run(f"combine.{number}", Pack(pack.requests, pack.lengths, pack.rows, update))

    def _summed(self, number: int, pack: Pack, pairs: Pairs, results: Tensor) -> Tensor:
        """What experts add to each row, (tokens, hidden), from zeros and then the result of every pair.

        A row's first result is taken as it is, each further one costs an addition: `sum`, on the rows that have it.
        """
        first, *further = pairs.levels() or [np.zeros(0, dtype=np.int64)]
        source = np.zeros(pack.tokens, dtype=np.int64)
        source[pairs.row[first]] = first + 1
        update = results.index_select(0, torch.from_numpy(source))
        for places in further:
            rows = torch.from_numpy(pairs.row[places])
            more = results.index_select(0, torch.from_numpy(places + 1))
            part = part_of(pack, pairs.row[places], update.index_select(0, rows), more)
            update.index_copy_(0, rows, self.units.run(f"sum.{number}", part))
        return update

    def explain(self, samples: Sequence[Sample]) -> list[Explanation]:
        """The tokens of each sample, and the experts each went to in every layer that has some."""
        done = sorted(self.run(samples, noted=True), key=lambda request: request.place)
        return [
            Explanation(self.text.tokens(sample), experts=request.notes.get("experts", {}))
            for sample, request in zip(samples, done, strict=True)
        ]


def _weighted(expert: Expert, activation: str, pack: Pack) -> Tensor:
    """An expert's output times each row's weight (1 where the pack has none)."""
    weight = torch.ones(pack.tokens, 1) if pack.state is None else pack.state
    out = torch.empty_like(pack.rows)
    for into, rows in zip(out.split(packed.ROWS_PER_CHUNK), pack.rows.split(packed.ROWS_PER_CHUNK), strict=True):
        packed.transform(expert, rows, activation, into)
    out *= weight
    return out
