"""Layers of LSTMs with boundaries between them, for HM-RNN (Chung, Ahn and Bengio, ICLR 2017).

A state is the output, the memory and the logit of the boundary of each layer in turn, (batch, size) and (batch, 1).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from elue.modeling.reading.book import Numbers
from elue.modeling.reading.gates import gated, straight_through
from elue.modeling.reading.units import State

NONE = -1e9
"""The logit of no boundary, at the start."""


class Multiscale(nn.Module):
    """Layers of one size. A layer that looks above flushes, one that looks below alone updates, else it copies."""

    def __init__(self, width: int, size: int, layers: int) -> None:
        super().__init__()
        self.layers, self.size, self.slope = layers, size, 1.0
        rows = [4 * size + 1] * (layers - 1) + [4 * size]  # the highest finds no boundaries
        widths = [width] + [size] * (layers - 1)
        self.own = nn.ModuleList(nn.Linear(size, count) for count in rows)
        self.below = nn.ModuleList(nn.Linear(widths[at], rows[at], bias=False) for at in range(layers))
        self.above = nn.ModuleList(nn.Linear(size, count, bias=False) for count in rows[:-1])

    def start(self, count: int) -> State:
        """The state before the first token: zeros, and no boundaries."""
        zeros = next(self.parameters()).new_zeros(count, self.size)
        return (zeros, zeros, torch.full_like(zeros[:, :1], NONE)) * self.layers

    def boundary(self, leaning: Tensor) -> Tensor:
        """z, (batch, 1), of its logit s, backwards max(0, min(1, (slope · s + 1) / 2))."""
        return straight_through(((self.slope * leaning + 1) / 2).clamp(0, 1), 0.5 + 1e-7)

    def layer(self, at: int, word: Tensor, *known: Any) -> State:
        """The state after one layer, the last two of what is `known` being the boundaries below and above.

        They are 0 or 1, and what is multiplied by 0 is not computed; in training they are z, (batch, 1), and it is.
        """
        *state, below, above = known
        output, memory, leaning = state[3 * at : 3 * at + 3]
        own: Any = self.own[at]
        if not any(torch.is_tensor(part) or part for part in (below, above)):
            leaning = nn.functional.linear(output, own.weight[-1:], own.bias[-1:])
        else:
            gates = own(output)
            if torch.is_tensor(below) or below:
                gates = gates + _let(below, self.below[at](state[3 * at - 3] if at else word))
            if torch.is_tensor(above) or above:
                gates = gates + _let(above, self.above[at](state[3 * at + 3]))
            i, f, o, g = gates[:, : 4 * self.size].chunk(4, 1)
            leaning = gates[:, 4 * self.size :] if gates.shape[1] % 4 else leaning
            new = i.sigmoid() * g.tanh() + (1 - above) * f.sigmoid() * memory
            copy, made = (1 - above) * (1 - below), (o.sigmoid() * new.tanh(), new)
            output, memory = gated(1 - copy, made, (output, memory)) if torch.is_tensor(copy) else made
        return (*state[: 3 * at], output, memory, leaning, *state[3 * at + 3 :])

    def mixed(self, at: int, word: Tensor, *known: Any) -> State:
        """As `layer`, where rows differ in their boundaries, (batch,): each product is made for whom it is for."""
        *state, below, above = known
        output, memory, leaning = state[3 * at : 3 * at + 3]
        own: Any = self.own[at]
        rows, idle = ((below + above) > 0).nonzero()[0], ((below + above) == 0).nonzero()[0]
        if not len(rows):
            return self.layer(at, word, *state, 0, 0)
        chosen, most = torch.from_numpy(rows).to(output.device), 4 * self.size
        seen = _some(output, chosen)
        parts = [slice(most)] if own.out_features == most else [slice(most), slice(most, None)]
        gates = [nn.functional.linear(seen, own.weight[part], own.bias[part]) for part in parts]
        sources: list[tuple[Numbers, Any, Tensor]] = [(below, self.below[at], state[3 * at - 3] if at else word)]
        if above.any():
            sources.append((above, self.above[at], state[3 * at + 3]))
        for boundary, product, source in sources:
            among = boundary[rows].nonzero()[0]
            if len(among) == len(rows):
                looked = _some(source, chosen)
                gates = [gate.addmm_(looked, product.weight[part].T) for gate, part in zip(gates, parts, strict=True)]
            elif len(among):
                looked = source.index_select(0, torch.from_numpy(rows[among]).to(output.device))
                places = torch.from_numpy(among).to(output.device)
                gates = [
                    gate.index_add_(0, places, nn.functional.linear(looked, product.weight[part]))
                    for gate, part in zip(gates, parts, strict=True)
                ]
        i, f, o, g = gates[0].chunk(4, 1)
        kept = f.sigmoid() * _some(memory, chosen)
        if above.any():
            kept = kept * torch.from_numpy(1 - above[rows]).to(kept)[:, None]
        new = i.sigmoid() * g.tanh() + kept
        made = [o.sigmoid() * new.tanh(), new, *gates[1:]]
        if len(idle):
            made = [old.index_copy(0, chosen, part) for old, part in zip((output, memory, leaning), made, strict=False)]
            if len(parts) > 1:
                resting = torch.from_numpy(idle).to(output.device)
                told = nn.functional.linear(output.index_select(0, resting), own.weight[parts[1]], own.bias[parts[1]])
                made[2] = made[2].index_copy_(0, resting, told)
        return (*state[: 3 * at], *made, *([] if len(parts) > 1 else [leaning]), *state[3 * at + 3 :])

    def products(self, at: int, below: int, above: int) -> int:
        """Products of one step of a layer that looks below and above or not."""
        own: Any = self.own[at]
        lower: Any = self.below[at]
        if not below and not above:
            return self.size
        rows: int = own.out_features
        return rows * (self.size + below * lower.in_features + above * self.size)


def _some(known: Tensor, rows: Tensor) -> Tensor:
    """Some rows, which rise: all where they are as many."""
    return known if len(rows) == len(known) else known.index_select(0, rows)


def _let(share: Tensor | int, product: Tensor) -> Tensor:
    """What a boundary lets through of a product."""
    return share * product if torch.is_tensor(share) else product


class Output(nn.Module):
    """Logits of the outputs of all layers, side by side, each let through by a gate that sees all."""

    def __init__(self, layers: int, size: int, outputs: int) -> None:
        super().__init__()
        self.gate, self.embed = nn.Linear(layers * size, layers), nn.Linear(layers * size, size, bias=False)
        self.answer, self.size = nn.Linear(size, outputs), size

    def forward(self, known: Tensor) -> Tensor:
        shares = self.gate(known).sigmoid().repeat_interleave(self.size, 1)
        return self.answer(self.embed(shares * known).relu())
