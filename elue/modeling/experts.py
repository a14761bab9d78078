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

from elue.modeling.encoder import Encoder, FeedForward, Layer
from elue.modeling.flow import Stage
from elue.modeling.packed import CHUNK, transform
from elue.modeling.ragged import Pack, Request
from elue.modeling.running import RaggedModel, doubt, is_close
from elue.modeling.text import TextEncoder
from elue.modeling.tracing import encoder_units, head_unit, row_unit
from elue.protocol import Explanation, Sample, TaskInfo

NOISE = 1e-5
"""Two experts whose probabilities differ by less than this: who gets the token is left to the sample alone."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """Pairs of a row and an expert that takes it, with a weight each: three tensors of shape (pairs,).

    A row may occur in no pair (dropped), one (top-1) or several (top-k, expert choice).
    """

    row: Tensor
    expert: Tensor
    weight: Tensor


AssignRule = Callable[[Tensor, Tensor], Assignment]
"""From the experts' probabilities for each row, (batch · tokens, E), and the mask (batch, tokens) of real tokens."""


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
    """Most rows one expert takes: tokens / experts · factor, rounded up (Switch, eq. 3), for each count."""
    room = tokens.double() * factor / experts
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

    Each expert runs at most once, on its own rows only; one with no rows does not run.
    """
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

    `assign` says which expert takes which token, at most one each.
    """

    def __init__(self, network: Any, text: TextEncoder, task: TaskInfo, assign: AssignRule) -> None:
        super().__init__(network, text, task)
        self.assign = assign
        config = network.encoder.config
        units = encoder_units(network.encoder) | {"head": head_unit(network.head)}
        for number, layer in enumerate(network.encoder.layers, start=1):
            if isinstance(module := layer.feed_forward, ExpertFeedForward):
                units[f"router.{number}"] = row_unit(partial(self._route, module.router), config.hidden)
                units[f"combine.{number}"] = row_unit(partial(_combine, module.norm), config.hidden)
                for index, expert in enumerate(module.experts, start=1):
                    run = partial(_weighted, cast(Expert, expert), config.activation)
                    units[f"expert.{number}.{index}"] = row_unit(run, config.hidden)
        self.units.units |= units

    def _route(self, router: Router, pack: Pack) -> tuple[np.ndarray, np.ndarray, Tensor]:
        """For each row the expert that takes it, -1 for none, and the weight; and all probabilities."""
        probabilities = router(pack.rows)
        expert, weight = torch.full((pack.tokens,), -1), torch.zeros(pack.tokens)
        for group in pack.groups():
            mask = torch.ones(group.samples, group.tokens, dtype=torch.bool)
            pairs = self.assign(probabilities[group.rows], mask)
            expert[group.rows].index_copy_(0, pairs.row, pairs.expert)
            weight[group.rows].index_copy_(0, pairs.row, pairs.weight)
        return expert.numpy(), weight.numpy(), probabilities

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
        expert, weight, probabilities = self.units.run(f"router.{number}", pack)
        if count > 1 and not pack.requests[0].alone:
            best = np.partition(probabilities.numpy(), -2, 1)[:, -2:]
            doubt(pack.requests, np.logical_or.reduceat(is_close(best[:, 1] - best[:, 0], NOISE), pack.starts()))
        _note_experts(number, pack, expert)
        owner = np.repeat(np.arange(len(pack.requests)), pack.lengths)
        source = np.zeros(pack.tokens, dtype=np.int64)
        results = [pack.rows.new_zeros(1, pack.rows.shape[1])]
        filled = 1
        for index in range(count):
            rows = np.flatnonzero(expert == index)
            if len(rows):
                members, lengths = np.unique(owner[rows], return_counts=True)
                requests = [pack.requests[place] for place in members]
                part = Pack(requests, lengths.tolist(), pack.rows.index_select(0, torch.from_numpy(rows)))
                part.state = torch.from_numpy(weight[rows])[:, None]
                results.append(self.units.run(f"expert.{number}.{index + 1}", part))
                source[rows] = np.arange(filled, filled + len(rows))
                filled += len(rows)
        update = torch.cat(results).index_select(0, torch.from_numpy(source))
        return self.units.run(f"combine.{number}", Pack(pack.requests, pack.lengths, pack.rows, update))

    def explain(self, samples: Sequence[Sample]) -> list[Explanation]:
        """The tokens of each sample, and the expert each went to in every layer that has some."""
        done = sorted(self.run(samples, noted=True), key=lambda request: request.place)
        return [
            Explanation(self.text.tokens(sample), experts=request.notes.get("experts", {}))
            for sample, request in zip(samples, done, strict=True)
        ]


def _weighted(expert: Expert, activation: str, pack: Pack) -> Tensor:
    """An expert's output times each row's weight (1 where the pack has none)."""
    weight = torch.ones(pack.tokens, 1) if pack.state is None else pack.state
    out = torch.empty_like(pack.rows)
    for into, rows in zip(out.split(CHUNK), pack.rows.split(CHUNK), strict=True):
        transform(expert, rows, activation, into)
    out *= weight
    return out


def _combine(norm: nn.LayerNorm, pack: Pack) -> Tensor:
    """The residual and the norm after experts; what they add to the rows is in the pack's state."""
    update = torch.zeros_like(pack.rows) if pack.state is None else pack.state
    update += pack.rows
    return norm(update)


def _note_experts(number: int, pack: Pack, expert: np.ndarray) -> None:
    """Note where tokens go, -1 for nowhere, for the samples that gather notes."""
    for request, start, length in zip(pack.requests, pack.starts(), pack.lengths, strict=True):
        if request.noted:
            request.notes.setdefault("experts", {})[str(number)] = tuple(expert[start : start + length].tolist())
