"""The Reader: recurrent methods that go through a text at their own pace, many texts in one batch.

Every sample has a place in its text and moves on its own: it reads the next token, jumps, goes back, or stops. A
method's network says by `step(batch)` what happens between two tokens:

    def step(self, batch):
        batch.update("cell")                            # the state takes in the current token
        jumps = batch.choose("policy", batch.state[0])  # an array, one number a sample
        batch.move(jumps)                               # 1: read on, k: jump, 0: stop

What computes is a `ReaderUnit` of the network. Between units there are only places, counts and indexing, which cost no
FLOPs, so that the trace of a sample is all it executed. They are kept in columns, an entry a sample: what costs time
with every token goes over a whole batch at once. A sample that stops or comes to its end leaves the batch at once, and
the next one waiting takes its place; no padding is ever computed.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from elue.modeling.reading.book import Numbers
from elue.modeling.reading.company import Company, RecurrentNetwork, Rows
from elue.modeling.reading.units import WAIT_TOLERANCE, Amount, Gate, State, nearly, numbers_of, replaced, within

FAR, SET = 2.0**40, 1e8
"""A wait of so many tokens passes over any text; no unit reckons a logit as large."""


class Batch(Company):
    """The samples being read right now, as a method's `step` sees them.

    Calls that take `rows` act on some samples only, by position; others neither compute anything nor change.
    """

    def __init__(self, network: RecurrentNetwork) -> None:
        super().__init__(network)
        self._inputs: Tensor | None = None
        self.largest: dict[str, float] = {}

    @property
    def inputs(self) -> Tensor:
        """The current tokens of all samples, embedded: (samples, width). Asking for them is reading them."""
        if self._inputs is None:
            self.book.read(self.lines, self.column("at"))
            self._inputs = self._embedded()
        return self._inputs

    def _embedded(self) -> Tensor:
        places = self.column("at")
        if self.network.ahead:
            return self._seen("words")
        return self.network.words(torch.from_numpy(self.book.ids[self.lines, places]))

    @property
    def ahead(self) -> Tensor:
        """What the units that look ahead said of the current tokens, (samples, width), side by side."""
        return self._seen("seen")

    def _seen(self, what: Literal["words", "seen"]) -> Tensor:
        return self.shelf.rows(self.column("group"), self.column("begin") + self.column("at"), what)

    def update(
        self,
        unit: str,
        rows: Rows | None = None,
        sizes: Sequence[int] = (),
        extra: Sequence[Tensor] = (),
        inputs: Tensor | None = None,
    ) -> None:
        """Let a unit make new states of current tokens and states: `(inputs, *extra, *state, *sizes) -> state`.

        Other `inputs`, (samples, width), take the place of the tokens.

        A new state may be narrower than the old one: then only the first dimensions change.
        """
        subset = self._subset(rows)
        if subset is not None and not len(subset):
            return
        takes, makes = self.units[unit].takes, self.units[unit].makes or range(len(self.state))
        if takes is None:
            known = (self.inputs if inputs is None else inputs, *extra, *self.state)
        else:
            known = tuple(self.state[place] for place in takes)
        chosen = None if subset is None else self._index(subset)
        new, state = self._run(unit, known, subset, sizes, chosen), list(self.state)
        for place, part in zip(makes, new, strict=True):
            state[place] = replaced(state[place], part, chosen)
        self.state = tuple(state)

    def ask(self, unit: str, *inputs: Tensor, rows: Rows | None = None) -> Numbers:
        """What a unit lists of tensors of one row a sample: one value or row for each of the samples asked."""
        subset = self._subset(rows)
        if subset is not None:
            if not len(subset):
                return np.zeros(0)
            chosen = self._index(subset)
            inputs = tuple(tensor.index_select(0, chosen) for tensor in inputs)
        self.book.ran(self.lines if subset is None else self.lines[subset], unit, (1,))
        return self.units[unit].numbers(*inputs)

    def look(self, unit: str, spans: Sequence[tuple[int, int]], rows: Rows | None = None) -> Tensor:
        """What a unit makes of a chunk of each of the samples asked, from one place up to another: (samples, width)."""
        made: Tensor = self._apart(unit, self._chunks(spans, rows), rows, ())
        return made

    def take(self, unit: str, spans: Sequence[tuple[int, int]], rows: Rows | None = None) -> None:
        """Let a unit make new states of a chunk of each text and the states: as `look`, `(chunks, *state) -> state`."""
        self._remake(unit, self._chunks(spans, rows), self._subset(rows))

    def question(self, unit: str) -> None:
        """Let a unit make new states of the second texts of pairs that have read nothing yet: as `take`."""
        rows = np.flatnonzero((self.column("second") > 0) & (self.column("turns") == 0))
        if len(rows):
            pairs = [self.readings[row] for row in rows]
            self.take(unit, [(text.second, len(text.ids)) for text in pairs], rows)

    def recall(self, unit: str) -> None:
        """Let a unit make new states of all that those which look ahead said of a text: `(seen, *state) -> state`."""
        self._remake(unit, [reading.seen for reading in self.readings if reading.seen is not None], None)

    def _chunks(self, spans: Sequence[tuple[int, int]], rows: Rows | None) -> Sequence[Tensor]:
        """The chunks of some texts, (tokens, width) each, which are read."""
        if not len(spans):
            return []
        starts, ends = np.asarray(spans, np.int64).T
        lines = np.repeat(self.lines if rows is None else self.lines[rows], lengths := ends - starts)
        places = np.arange(len(lines)) - np.repeat(lengths.cumsum() - ends, lengths)
        self.book.read(lines, places)
        return self._embedded_spans(spans, rows, lines, places)

    def _embedded_spans(
        self, spans: Sequence[tuple[int, int]], rows: Rows | None, lines: Numbers, places: Numbers
    ) -> Sequence[Tensor]:
        """Spans of some texts embedded, whose tokens, one after the other, stand on these lines and places."""
        words = self.network.words(torch.from_numpy(self.book.ids[lines, places]))
        return words.split([end - start for start, end in spans])

    def _remake(self, unit: str, chunks: Sequence[Tensor], rows: Rows | None) -> None:
        if chunks:
            new, chosen = self._apart(unit, chunks, rows, self.state), None if rows is None else self._index(rows)
            self.state = tuple(replaced(old, part, chosen) for old, part in zip(self.state, new, strict=True))

    def _apart(self, unit: str, chunks: Sequence[Tensor], rows: Rows | None, state: State) -> Any:
        """Run a unit on a chunk of each text, (tokens, width) each, and their states."""
        lines, lengths = self.lines if rows is None else self.lines[rows], np.array([len(chunk) for chunk in chunks])
        for length in np.unique(lengths).tolist():
            self.book.ran(lines[lengths == length], unit, (length,))
        if rows is not None:
            state = tuple(part.index_select(0, self._index(rows)) for part in state)
        return self.units[unit](chunks, *state)

    def choose(
        self, unit: str, *inputs: Tensor, rows: Rows | None = None, lean: Mapping[int, float] | None = None
    ) -> Numbers:
        """One option for each of the samples asked: the likeliest by the logits that a unit lists, in training drawn.

        `lean` adds to the logits of some options. Where two options are nearly as likely, the sample is read alone.
        """
        logits = self.ask(unit, *inputs, rows=rows)
        if not len(logits):
            return np.zeros(0, np.int64)
        largest = self._largest(unit, logits)
        for option, more in (lean or {}).items():
            logits[:, option] += more
        best, every = logits.argmax(1), np.arange(len(logits))
        highest, logits[every, best] = logits[every, best], -np.inf
        if (close := nearly(highest - logits.max(1), 0.0, largest)).any():
            self.doubt((np.arange(len(self)) if rows is None else np.asarray(rows))[close])
        return best

    def gate(self, unit: str, *inputs: Tensor, bar: float = 0.0) -> Gate:
        """For which samples the logit that a unit lists is above a bar. In training a share, to be learned from."""
        leanings = self.ask(unit, *inputs)
        self.doubt(nearly(leanings, bar, self._largest(unit, leanings)).nonzero()[0])
        return Gate((leanings > bar).nonzero()[0])

    def all_of_it(self, size: int) -> Amount:
        """The same size for all samples, in training as well."""
        return Amount(np.full(len(self), size))

    def opened(self, unit: str, leaning: Tensor, bar: float) -> Amount:
        """1 for samples whose logit, (samples, 1), which a unit made part of the state, is above a bar, else 0."""
        leanings = numbers_of(leaning.squeeze(1))
        self.doubt(nearly(leanings, bar, self._largest(unit, leanings)).nonzero()[0])
        return Amount((leanings > bar).astype(np.int64))

    def graded(
        self, unit: str, *inputs: Tensor, bars: Sequence[float], sizes: Sequence[int], lean: float, sure: bool
    ) -> Amount:
        """One of some sizes, by how many bars a logit that a unit lists, and `lean` more, reaches.

        Unless it is `sure`, training learns from it.
        """
        leanings = self.ask(unit, *inputs)
        largest, leanings = self._largest(unit, leanings), leanings + lean
        self.doubt(within(leanings, np.asarray(bars), largest).nonzero()[0])
        return Amount(np.asarray(sizes)[np.searchsorted(bars, leanings, side="right")])

    def through(self, unit: str, *amounts: Amount, idle: bool = False) -> None:
        """Let as much of a unit update the states as is said, `(inputs, *state, *amounts) -> state`.

        Where all amounts are 0 it runs if `idle`.
        """
        kinds = np.stack([amount.sizes for amount in amounts], 1)
        several, mixed = sorted(set(map(tuple, kinds.tolist()))), self.units[unit].mixed
        told = [(sizes, (kinds == sizes).all(1).nonzero()[0]) for sizes in several if idle or any(sizes)]
        if mixed is None or len(several) == 1:
            for sizes, rows in told:
                self.update(unit, rows, sizes)
            return
        for sizes, rows in told:
            self.book.ran(self.lines[rows], unit, (1, *sizes))
        new = mixed(self.inputs, *self.state, *kinds.T)
        self.state = tuple(replaced(old, part, None) for old, part in zip(self.state, new, strict=True))

    def _largest(self, unit: str, leanings: Numbers) -> float:
        """The largest that a unit ever reckoned, up to now; what is larger than any was set."""
        sizes = np.abs(leanings)
        self.largest[unit] = max(self.largest.get(unit, 0.0), float(sizes[sizes < SET].max(initial=0.0)))
        return self.largest[unit]

    def blend(self, gate: Gate, on: str | None, off: str | None) -> None:
        """Let one unit update the states where a gate is on, and another where it is off; None leaves them."""
        closed = np.ones(len(self), bool)
        closed[gate.on] = False
        for unit, rows in ((off, closed.nonzero()[0]), (on, gate.on)):
            if unit is not None:
                self.update(unit, rows)

    def wait(self, unit: str, *inputs: Tensor, bar: float) -> None:
        """Go on at the token by which a sum, so much more with every token but 1 at most, has come to a bar.

        A unit lists after how many tokens that is, not rounded up. They are passed over; above 1 it ends the reading.
        """
        waits, lengths = self.ask(unit, *inputs).clip(max=FAR), self.column("length")
        self.move(np.ceil(waits).clip(min=1).astype(np.int64) if bar <= 1 else 0)
        self.doubt(
            ((waits > 0.5) & (waits < lengths) & nearly(waits, np.round(waits), tolerance=WAIT_TOLERANCE)).nonzero()[0]
        )

    def _subset(self, rows: Rows | None) -> Rows | None:
        return None if rows is None or len(rows) == len(self.readings) else rows

    def _run(
        self, unit: str, inputs: Sequence[Tensor], subset: Rows | None, sizes: Sequence[int], chosen: Tensor | None
    ) -> Any:
        self.book.ran(self.lines if subset is None else self.lines[subset], unit, (1, *sizes))
        if chosen is not None:
            inputs = [tensor.index_select(0, chosen) for tensor in inputs]
        return self.units[unit](*inputs, sizes=sizes)

    def move(self, by: int | Rows) -> None:
        """Move every sample in its text: 1 reads on, k jumps, -k goes back (to the start at most), 0 stops."""
        if isinstance(by, int) and by > 0:
            self.book["at"][self.lines] += by
            return
        steps = np.asarray(by)
        self.note("at", np.where(steps == 0, self.column("length"), np.maximum(self.column("at") + steps, 0)))

    def go(self, places: Rows) -> None:
        """Send every sample to a place of its text; one before its start or behind its end ends the reading."""
        wanted, lengths = np.asarray(places), self.column("length")
        self.note("at", np.where((wanted >= 0) & (wanted < lengths), wanted, lengths))

    def pay(self, amounts: Sequence[float] | Numbers) -> None:
        """Say what this step cost each sample, in the method's own unit: training alone goes by it."""

    def doubt(self, rows: Iterable[int] | Numbers) -> None:
        """Say that these samples' decisions were so close that rounding, which differs by batch, may turn them.

        They leave and are read again alone, so that no answer and no trace depends on company.
        """
        chosen = rows if isinstance(rows, np.ndarray) else np.array(list(rows), np.int64)
        if len(chosen):
            self.doubted = True
            self.book["unsure"][self.lines[chosen]] = 1

    def advance(self) -> None:
        """One step of the method for every sample; one that has taken as many as its text allows ends."""
        self._inputs = None
        self.network.step(self)
        turns = self.book["turns"]
        turns[self.lines] += 1
        over = self.lines[turns[self.lines] >= self.column("bound")]
        if len(over):
            self.book["at"][over] = self.book["length"][over]
