"""Recurrent cells, whole and partial."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.errors import unknown
from elue.modeling.reading.book import Numbers
from elue.modeling.reading.units import ReaderUnit, State

CELLS: dict[str, Callable[[int, int], nn.Module]] = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}


class Cell(nn.Module):
    """An LSTM, GRU or plain tanh cell; its state is a tuple of tensors (batch, size), the output first."""

    def __init__(self, kind: str, width: int, size: int) -> None:
        super().__init__()
        if kind not in CELLS:
            raise unknown("cell", kind, CELLS)
        self.kind, self.width, self.size = kind, width, size
        self.cell = CELLS[kind](width, size)
        self._open_gates()

    def _open_gates(self) -> None:
        """Start the gates that keep memory open, at a bias of 1, as the released code of the reading methods does.

        An LSTM's forget gate, a GRU's reset and update gates; else a fresh cell forgets within a few tokens.
        """
        gates = {"lstm": slice(self.size, 2 * self.size), "gru": slice(2 * self.size)}.get(self.kind)
        if gates is not None:
            self.cell.get_parameter("bias_ih").data[gates] = 1.0
            self.cell.get_parameter("bias_hh").data[gates] = 0.0

    @property
    def parts(self) -> int:
        """Number of tensors in the state."""
        return 2 if self.kind == "lstm" else 1

    def start(self, count: int) -> State:
        """The state before the first token: zeros."""
        parameter = next(self.parameters())
        return tuple(parameter.new_zeros(count, self.size) for _ in range(self.parts))

    def forward(self, inputs: Tensor, *state: Tensor) -> State:
        """The state (batch, size) after one more token (batch, width)."""
        if self.kind == "lstm":
            output, memory = self.cell(inputs, state)
            return output, memory
        return (self.cell(inputs, *state),)

    def through(self, words: Tensor, *state: Tensor) -> State:
        """The state (batch, size) after tokens (batch, tokens, width), one after the other."""
        for word in words.unbind(1):
            state = self(word, *state)
        return state

    def unit(self) -> ReaderUnit:
        """The cell as a unit: `(inputs, *state) -> state`."""
        return ReaderUnit(self, (self.width, *[self.size] * self.parts))


class PartialCell(Cell):
    """A cell that updates the first `part` of the `size` dimensions of a state, from a token and all of the output."""

    def __init__(self, kind: str, width: int, size: int, part: int) -> None:
        super().__init__(kind, width + size - part, part)

    def update(self, inputs: Tensor, *state: Tensor) -> State:
        """The part of the next state, (batch, part)."""
        rest = state[0][:, self.size :]
        return self(torch.cat([inputs, rest], 1), *(tensor[:, : self.size] for tensor in state))

    def whole(self, inputs: Tensor, *state: Tensor) -> State:
        """The next state, (batch, size): the part updated and the rest copied."""
        updated = zip(self.update(inputs, *state), state, strict=True)
        return tuple(torch.cat([new, old[:, self.size :]], 1) for new, old in updated)


AT_ONCE = 1 << 20
"""What a matrix product costs beside its size, in dimensions times dimensions times rows."""


def bands(dimensions: Numbers, size: int) -> list[tuple[int, int]]:
    """Numbers of dimensions, (rows,), cut into bands, above one up to another, the widest first.

    Rows of few dimensions are computed with those of more where a product of their own would take longer.
    """
    counts = np.bincount(dimensions, minlength=size + 1)
    ends = (counts[1:].nonzero()[0][::-1] + 1).tolist()
    cut, high, wasted = list[tuple[int, int]](), ends[0], 0
    for end in ends:
        wasted += int(counts[end]) * (high * high - end * end)
        if wasted > AT_ONCE:
            cut.append((end, high))
            high, wasted = end, 0
    return [*cut, (0, high)]


HARD = 0.05
"""How near to 0 or 1 a mask is taken for it."""


class CutCell(Cell):
    """A GRU or plain tanh cell that may read and make only the first dimensions of tokens and states."""

    def first(self, inputs: Tensor, state: Tensor, dimensions: int) -> State:
        """The first so many dimensions of the next state, (batch, dimensions), of as many of token and state."""
        seen, kept = min(dimensions, self.width), state[:, :dimensions]

        def gates(of: str, known: Tensor) -> list[Tensor]:
            """Each of the cell's gates by views of its weights, which no copy is made of."""
            weights, biases = self.cell.get_parameter(f"weight_{of}"), self.cell.get_parameter(f"bias_{of}")
            return [
                F.linear(
                    known, weights[start : start + dimensions, : known.shape[1]], biases[start : start + dimensions]
                )
                for start in range(0, len(weights), self.size)
            ]

        told, known = gates("ih", inputs[:, :seen]), gates("hh", kept)
        if self.kind == "rnn":
            return ((told[0] + known[0]).tanh(),)
        (reset, update, new), (old_reset, old_update, old) = told, known
        candidate = (new + (reset + old_reset).sigmoid() * old).tanh()
        return (candidate + (update + old_update).sigmoid() * (kept - candidate),)

    def several(self, inputs: Tensor, state: Tensor, dimensions: Numbers) -> State:
        """The next state, (batch, size), of rows that each make their own first dimensions, so many, (batch,)."""
        made = state.clone()
        for low, high in bands(dimensions, self.size):
            rows = ((dimensions > low) & (dimensions <= high)).nonzero()[0]
            own, chosen = dimensions[rows], torch.from_numpy(rows).to(state.device)
            seen = inputs[:, : min(high, self.width)].index_select(0, chosen)
            kept = state[:, :high].index_select(0, chosen)
            if (own == high).all():
                new = self._side_by_side(seen, kept)
            else:
                mask = torch.from_numpy(np.arange(high) < own[:, None]).to(state.device)
                new = self._side_by_side(seen * mask[:, : seen.shape[1]], kept * mask)
                new = torch.where(mask, new, kept)
            made[:, :high].index_copy_(0, chosen, new.to(made.dtype))
        return (made,)

    def _side_by_side(self, seen: Tensor, kept: Tensor) -> Tensor:
        """As `first`, each of both products for all gates at once."""
        high = kept.shape[1]

        def gates(of: str, known: Tensor) -> Tensor:
            weights, biases = self.cell.get_parameter(f"weight_{of}"), self.cell.get_parameter(f"bias_{of}")
            count = len(biases) // self.size
            cut = weights.view(count, self.size, -1)[:, :high, : known.shape[1]].transpose(1, 2)
            return torch.baddbmm(biases.view(count, 1, self.size)[:, :, :high], known.expand(count, -1, -1), cut)

        told, known = gates("ih", seen), gates("hh", kept)
        if self.kind == "rnn":
            return (told[0] + known[0]).tanh()
        reset, update = (told[:2] + known[:2]).sigmoid()
        candidate = (told[2] + reset * known[2]).tanh()
        return candidate + update * (kept - candidate)

    def masked(self, inputs: Tensor, state: Tensor, share: Tensor, sharpness: float) -> State:
        """The next state, (batch, size), where a share of the dimensions, (batch, 1), is updated softly.

        Dimension i of token and state is masked by σ(sharpness · (share · size - i)), i from 1.
        """
        places = torch.arange(1, self.size + 1, device=share.device)
        mask = (sharpness * (share * self.size - places)).sigmoid()
        mask = torch.where(mask > 1 - HARD, 1.0, torch.where(mask < HARD, 0.0, mask))
        seen = F.pad(mask, (0, max(0, self.width - self.size)))[:, : self.width]
        (new,) = self.first(seen * inputs, mask * state, self.size)
        return (mask * new + (1 - mask) * state,)
