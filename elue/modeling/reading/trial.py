"""Reading as training runs it: the steps of the method on the batch that inference reads with, under gradients.

Decisions are drawn and kept with their log-probabilities, gates are shares, and every text may be read several times
over. In eval mode all is decided as inference decides, so that what is validated is what will be read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from elue.modeling.reading.batch import Batch
from elue.modeling.reading.book import Numbers
from elue.modeling.reading.company import Rows
from elue.modeling.reading.gates import gated, straight_through
from elue.modeling.reading.network import ReaderNetwork
from elue.modeling.reading.units import Amount, Gate, Reading, State, replaced


@dataclass(frozen=True, slots=True, eq=False)
class Decision:
    """What was decided of some readings at one step: their `numbers` (rows,), and log-probabilities (rows,).

    `inputs` are what the unit looked at, (rows, width) each, and `paid` (rows,) what had been paid before.
    """

    unit: str
    numbers: Tensor
    log_p: Tensor
    inputs: tuple[Tensor, ...]
    paid: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """A gate of some readings at one step: their `numbers` (rows,), the logits and the shares that it let through.

    Of a wait the logits are how far its sum is above the bar.
    """

    unit: str
    numbers: Tensor
    leaning: Tensor
    share: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Waiting:
    """What readings wait with: the sum that is to come to a bar, what it grows by, and what is let through, (rows,)."""

    total: Tensor
    growth: Tensor
    share: Tensor

    def of(self, rows: Tensor) -> Waiting:
        """That of some rows."""
        return Waiting(self.total[rows], self.growth[rows], self.share[rows])


class Trial(Batch):
    """Padded texts, `ids` and `mask` (texts, tokens), of pairs `second` (texts,), each read `copies` times, to the end.

    Reading number `copy · texts + text` is of that text. Its cost is in `paid` (readings,), by `pay`.
    """

    def __init__(
        self, network: ReaderNetwork, ids: Tensor, mask: Tensor, copies: int = 1, second: Tensor | None = None
    ) -> None:
        super().__init__(network)
        self.learner, self.texts, self.copies, self.device = network, len(ids), copies, ids.device
        self.embedded = network.words(ids)
        self.places = [text.unbind(0) for text in self.embedded.unbind(0)]
        self.lengths = mask.sum(1).tolist()
        listed = [row[:length] for row, length in zip(ids.tolist(), self.lengths, strict=True)]
        seconds = [0] * self.texts if second is None else second.tolist()
        self.all = [
            Reading(number, listed[number % self.texts], 0, second=seconds[number % self.texts])
            for number in range(copies * self.texts)
        ]
        self.paid = [0.0] * len(self.all)
        self.decisions: list[Decision] = []
        self.gates: list[Opened] = []
        self.waiting: Waiting | None = None

    def run(self) -> State:
        """Read all to their ends: the final states, (readings, width), in order of their numbers."""
        self.enter(self.all)
        order: list[int] = []
        states: list[State] = []
        while len(self):
            ended = (self.column("at") >= self.column("length")).nonzero()[0]
            if len(ended):
                order += self._numbers()[ended].tolist()
                states.append(self.states_of(ended))
                self.leave(ended)
            if len(self):
                self.advance()
        back = torch.tensor(order, device=self.device).argsort()
        return tuple(torch.cat(parts)[back] for parts in zip(*states, strict=True))

    def choose(
        self, unit: str, *inputs: Tensor, rows: Rows | None = None, lean: Mapping[int, float] | None = None
    ) -> Numbers:
        asked = np.arange(len(self)) if rows is None else np.asarray(rows, np.int64)
        if not len(asked):
            return asked
        chosen = self._index(asked)
        known = tuple(tensor.index_select(0, chosen) for tensor in inputs)
        self.book.ran(self.lines[asked], unit, (1,))
        logits = self.units[unit].run(*known)
        for option, more in (lean or {}).items():
            logits = logits + more * torch.eye(logits.shape[1], device=self.device)[option]
        log_p = logits.log_softmax(-1)
        drawn = torch.multinomial(log_p.exp(), 1) if self.learner.training else logits.argmax(-1, keepdim=True)
        numbers = self._numbers()[asked]
        paid = torch.tensor([self.paid[number] for number in numbers], device=self.device)
        taken = log_p.gather(1, drawn).squeeze(1)
        self.decisions.append(Decision(unit, torch.from_numpy(numbers).to(taken.device), taken, known, paid))
        return np.array(drawn.squeeze(1).tolist(), np.int64)

    def gate(self, unit: str, *inputs: Tensor, bar: float = 0.0) -> Gate:
        self.book.ran(self.lines, unit, (1,))
        leaning = self.units[unit].run(*inputs)
        hard = (leaning > bar).to(leaning.dtype)
        share = self.learner.relaxed(unit, leaning) if self.learner.training else hard
        self.gates.append(Opened(unit, self._index(self._numbers()), leaning, share))
        return Gate(np.array(torch.nonzero(leaning > bar).flatten().tolist(), np.int64), share)

    def opened(self, unit: str, leaning: Tensor, bar: float) -> Amount:
        if not self.learner.training:
            return super().opened(unit, leaning, bar)
        return Amount(np.zeros(len(self), np.int64), self.learner.relaxed(unit, leaning))

    def graded(
        self, unit: str, *inputs: Tensor, bars: Sequence[float], sizes: Sequence[int], lean: float, sure: bool
    ) -> Amount:
        if sure or not self.learner.training:
            return super().graded(unit, *inputs, bars=bars, sizes=sizes, lean=lean, sure=sure)
        share = self.gate(unit, *inputs).share
        assert share is not None
        return Amount(np.zeros(len(self), np.int64), share[:, None])

    def through(self, unit: str, *amounts: Amount, idle: bool = False) -> None:
        """In training everything is computed, and shares let it through."""
        if all(amount.share is None for amount in amounts):
            super().through(unit, *amounts, idle=idle)
            return
        told = [int(own.sizes[0]) if own.share is None else own.share for own in amounts]
        self.book.ran(self.lines, unit, (1,))
        new = self.units[unit].run(self.inputs, *self.state, *told)
        self.state = tuple(replaced(old, part, None) for part, old in zip(new, self.state, strict=True))

    def blend(self, gate: Gate, on: str | None, off: str | None) -> None:
        if not self.learner.training:
            super().blend(gate, on, off)
            return
        assert gate.share is not None
        self.state = gated(gate.share, self._updated(on), self._updated(off))

    def update(
        self,
        unit: str,
        rows: Rows | None = None,
        sizes: Sequence[int] = (),
        extra: Sequence[Tensor] = (),
        inputs: Tensor | None = None,
    ) -> None:
        before = self.state
        super().update(unit, rows, sizes, extra, inputs)
        if self.waiting is not None:
            self.state = gated(self.waiting.share, self.state, before)

    def wait(self, unit: str, *inputs: Tensor, bar: float) -> None:
        """In training tokens are passed over one by one, as gates that are learned from (straight through)."""
        numbers = self._index(self._numbers())
        if not self.learner.training:
            sure = inputs[0].new_ones(len(self))
            self.gates.append(Opened(unit, numbers, sure, sure))
            super().wait(unit, *inputs, bar=bar)
            return
        self.book.ran(self.lines, unit, (1,))
        growth = bar / self.units[unit].run(*inputs)
        old, sure = self.waiting, torch.ones_like(growth)
        if old is None:  # the first token is read in any case
            self.gates.append(Opened(unit, numbers, sure, sure))
            total = growth
        else:
            self.gates.append(Opened(unit, numbers, old.total - bar, old.share))
            growth = old.share * growth + (1 - old.share) * old.growth
            total = old.share * growth + (1 - old.share) * (old.total + torch.minimum(growth, 1 - old.total))
        self.waiting = Waiting(total, growth, straight_through(total, bar))
        self.move(1)

    def leave(self, leaving: Rows) -> None:
        if self.waiting is not None:
            self.waiting = self.waiting.of(self._index(np.delete(np.arange(len(self)), leaving)))
        super().leave(leaving)

    def pay(self, amounts: Sequence[float] | Numbers) -> None:
        for reading, amount in zip(self.readings, amounts, strict=True):
            self.paid[reading.number] += float(amount)

    def totals(self, unit: str) -> tuple[Tensor, Tensor]:
        """Over all steps, for each reading the sum of what a gate let through, and of log σ(logit): (readings,)."""
        shares = likely = self.embedded.new_zeros(len(self.all))
        for opened in self.gates:
            if opened.unit == unit:
                shares = shares.index_add(0, opened.numbers, opened.share.to(shares.dtype))
                sure = torch.nn.functional.logsigmoid(opened.leaning)
                likely = likely.index_add(0, opened.numbers, sure.to(likely.dtype))
        return shares, likely

    def counts(self, unit: str) -> Tensor:
        """On how many tokens a unit ran for each reading, (readings,)."""
        times = [
            sum(n * shape[0] for (name, shape), n in reading.steps.items() if name == unit) for reading in self.all
        ]
        return torch.tensor(times, device=self.device)

    def sized(self) -> list[list[tuple[str, tuple[int, ...], int]]]:
        """What each reading's units did that were told sizes: the unit, the sizes, and how often."""
        return [[(unit, shape[1:], n) for (unit, shape), n in own.steps.items() if shape[1:]] for own in self.all]

    def _updated(self, unit: str | None) -> State:
        """The states as a unit makes them of all samples."""
        if unit is None:
            return self.state
        new = self._run(unit, (self.inputs, *self.state), None, (), None)
        return tuple(replaced(old, part, None) for part, old in zip(new, self.state, strict=True))

    def _numbers(self) -> Numbers:
        """The numbers of the readings under way, (readings,)."""
        return np.array([reading.number for reading in self.readings], np.int64)

    @property
    def ahead(self) -> Tensor:
        return torch.stack([reading.seen[at] for reading, at in self._places() if reading.seen is not None])

    def _embedded(self) -> Tensor:
        return torch.stack([self.places[reading.number % self.texts][at] for reading, at in self._places()])

    def _places(self) -> Iterable[tuple[Reading, int]]:
        return zip(self.readings, self.column("at").tolist(), strict=True)

    def _embedded_spans(
        self, spans: Sequence[tuple[int, int]], rows: Rows | None, lines: Numbers, places: Numbers
    ) -> Sequence[Tensor]:
        readings = self.readings if rows is None else [self.readings[row] for row in rows]
        return [self._text(reading)[start:end] for reading, (start, end) in zip(readings, spans, strict=True)]

    def _embedded_whole(self, texts: Sequence[Reading]) -> Tensor:
        return torch.cat([self._text(reading)[: len(reading.ids)] for reading in texts])

    def _text(self, reading: Reading) -> Tensor:
        return self.embedded[reading.number % self.texts]
