"""The Reader: recurrent methods that go through a text at their own pace, many texts in one batch.

Every sample has a place in its text and moves on its own: it reads the next token, jumps, goes back, or stops. A
method's network says by `step(batch)` what happens between two tokens:

    def step(self, batch):
        batch.update("cell")                            # the state takes in the current token
        jumps = batch.ask("policy", batch.state[0])     # a list, one number a sample
        batch.move([int(jump) for jump in jumps])       # 1: read on, k: jump, 0: stop

What computes is a `ReaderUnit` of the network. Between units there is only Python and indexing, which costs no FLOPs,
so that the trace of a sample is all it executed. A sample that stops or comes to its end leaves the batch at once, and
the next one waiting takes its place; no padding is ever computed.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from elue.modeling.reading.units import Gate, ReaderUnit, Reading, State, near, replaced


class RecurrentNetwork(Protocol):
    """What the Reader asks of a network."""

    words: nn.Embedding
    ahead: Sequence[str]
    """Units, chunked, that look at whole texts before their first token is read, and say (tokens, …) of each."""

    answer_unit: str
    """The unit that makes answers of final states."""

    def units(self) -> dict[str, ReaderUnit]:
        """The parts that compute, by the name they have in traces.

        A state at the start that is learned, and so read from parameters, is the unit "start".
        """

    def start(self, count: int) -> State:
        """The state of `count` samples that have read nothing."""

    def step(self, batch: Batch) -> None:
        """Read, decide and move, once for every sample of the batch."""

    def final(self, state: State) -> Tensor:
        """What the head looks at, (samples, width), of the states that samples ended with."""

    def bound(self, tokens: int) -> int:
        """After how many steps a reading of so many tokens ends at the latest."""


class Batch:
    """The samples being read right now, as a method's `step` sees them.

    `readings` and the rows of `state` run in parallel. Calls that take `rows` act on some samples only, by position;
    others neither compute anything nor change.
    """

    device: torch.device | None = None

    def __init__(self, network: RecurrentNetwork) -> None:
        self.network, self.units = network, network.units()
        self.readings: list[Reading] = []
        self.state: State = ()
        self._inputs: Tensor | None = None

    def __len__(self) -> int:
        return len(self.readings)

    @property
    def inputs(self) -> Tensor:
        """The current tokens of all samples, embedded: (samples, width). Asking for them is reading them."""
        if self._inputs is None:
            for reading in self.readings:
                reading.read.append(reading.at)
            self._inputs = self._embedded()
        return self._inputs

    def _embedded(self) -> Tensor:
        if self.network.ahead:
            return torch.stack([_at(reading.words, reading.at) for reading in self.readings])
        return self.network.words(torch.tensor([reading.ids[reading.at] for reading in self.readings]))

    @property
    def ahead(self) -> Tensor:
        """What the units that look ahead said of the current tokens, (samples, width), side by side."""
        return torch.stack([_at(reading.seen, reading.at) for reading in self.readings])

    def update(
        self,
        unit: str,
        rows: Sequence[int] | None = None,
        sizes: Sequence[int] = (),
        extra: Sequence[Tensor] = (),
        inputs: Tensor | None = None,
    ) -> None:
        """Let a unit make new states of current tokens and states: `(inputs, *extra, *state, *sizes) -> state`.

        Other `inputs`, (samples, width), take the place of the tokens.

        A new state may be narrower than the old one: then only the first dimensions change.
        """
        subset = self._subset(rows)
        if subset is not None and not subset:
            return
        known = self.inputs if inputs is None else inputs
        new = self._run(unit, (known, *extra, *self.state), subset, sizes)
        self.state = tuple(replaced(old, part, subset) for old, part in zip(self.state, new, strict=True))

    def ask(
        self, unit: str, *inputs: Tensor, rows: Sequence[int] | None = None, sizes: Sequence[int] = ()
    ) -> list[Any]:
        """What a unit says to tensors of one row a sample: one value for each of the samples asked."""
        subset = self._subset(rows)
        if subset is not None and not subset:
            return []
        answers: list[Any] = self._run(unit, inputs, subset, sizes)
        return answers

    def look(self, unit: str, spans: Sequence[tuple[int, int]], rows: Sequence[int] | None = None) -> Tensor:
        """What a unit makes of a chunk of each of the samples asked, from one place up to another: (samples, width)."""
        made: Tensor = self._apart(unit, self._chunks(spans, rows), rows, ())
        return made

    def take(self, unit: str, spans: Sequence[tuple[int, int]], rows: Sequence[int] | None = None) -> None:
        """Let a unit make new states of a chunk of each text and the states: as `look`, `(chunks, *state) -> state`."""
        self._remake(unit, self._chunks(spans, rows), self._subset(rows))

    def question(self, unit: str) -> None:
        """Let a unit make new states of the second texts of pairs that have read nothing yet: as `take`."""
        rows = [row for row, text in enumerate(self.readings) if text.second and not text.turns]
        pairs = [self.readings[row] for row in rows]
        self.take(unit, [(text.second, len(text.ids)) for text in pairs], rows)

    def recall(self, unit: str) -> None:
        """Let a unit make new states of all that those which look ahead said of a text: `(seen, *state) -> state`."""
        self._remake(unit, [reading.seen for reading in self.readings if reading.seen is not None], None)

    def _chunks(self, spans: Sequence[tuple[int, int]], rows: Sequence[int] | None) -> list[Tensor]:
        """The chunks of some texts, (tokens, width) each, which are read."""
        chunks = []
        for reading, (start, end) in zip(self._readings(rows), spans, strict=True):
            reading.read.extend(range(start, end))
            chunks.append(self._chunk(reading, start, end))
        return chunks

    def _remake(self, unit: str, chunks: Sequence[Tensor], rows: Sequence[int] | None) -> None:
        if chunks:
            new = self._apart(unit, chunks, rows, self.state)
            self.state = tuple(replaced(old, part, rows) for old, part in zip(self.state, new, strict=True))

    def _apart(self, unit: str, chunks: Sequence[Tensor], rows: Sequence[int] | None, state: State) -> Any:
        """Run a unit on a chunk of each text, (tokens, width) each, and their states."""
        for reading, chunk in zip(self._readings(rows), chunks, strict=True):
            reading.ran(unit, (len(chunk),))
        if rows is not None:
            chosen = torch.tensor(rows, device=self.device)
            state = tuple(part.index_select(0, chosen) for part in state)
        return self.units[unit](chunks, *state)

    def _readings(self, rows: Sequence[int] | None) -> Sequence[Reading]:
        return self.readings if rows is None else [self.readings[row] for row in rows]

    def choose(
        self, unit: str, *inputs: Tensor, rows: Sequence[int] | None = None, lean: Mapping[int, float] | None = None
    ) -> list[int]:
        """One option for each of the samples asked: the likeliest by the logits that a unit lists, in training drawn.

        `lean` adds to the logits of some options. Where two options are nearly as likely, the sample is read alone.
        """
        asked = range(len(self)) if rows is None else rows
        options = []
        for row, logits in zip(asked, self.ask(unit, *inputs, rows=rows), strict=True):
            leaning = [logit + (lean or {}).get(option, 0.0) for option, logit in enumerate(logits)]
            second, best = sorted(leaning)[-2:]
            if near(best - second, 0.0):
                self.doubt([row])
            options.append(leaning.index(best))
        return options

    def gate(self, unit: str, *inputs: Tensor, bar: float = 0.0) -> Gate:
        """For which samples the logit that a unit lists is above a bar. In training a share, to be learned from."""
        leanings = self.ask(unit, *inputs)
        self.doubt(row for row, leaning in enumerate(leanings) if near(leaning, bar))
        return Gate([row for row, leaning in enumerate(leanings) if leaning > bar])

    def blend(self, gate: Gate, on: str | None, off: str | None) -> None:
        """Let one unit update the states where a gate is on, and another where it is off; None leaves them."""
        closed = sorted(set(range(len(self))) - set(gate.on))
        for unit, rows in ((off, closed), (on, gate.on)):
            if unit is not None:
                self.update(unit, rows)

    def wait(self, unit: str, *inputs: Tensor, bar: float) -> None:
        """Go on at the token by which a sum, so much more with every token but 1 at most, has come to a bar.

        A unit lists after how many tokens that is, not rounded up. They are passed over; above 1 it ends the reading.
        """
        waits = self.ask(unit, *inputs)
        self.move([max(1, math.ceil(wait)) if bar <= 1 else 0 for wait in waits])
        rows = zip(self.readings, waits, strict=True)
        self.doubt(
            row for row, (text, wait) in enumerate(rows) if 0.5 < wait < len(text.ids) and near(wait, round(wait))
        )

    def _subset(self, rows: Sequence[int] | None) -> Sequence[int] | None:
        return None if rows is None or len(rows) == len(self.readings) else rows

    def _run(self, unit: str, inputs: Sequence[Tensor], subset: Sequence[int] | None, sizes: Sequence[int]) -> Any:
        shape = (1, *sizes)
        for reading in self._readings(subset):
            reading.ran(unit, shape)
        if subset is not None:
            chosen = torch.tensor(subset, device=self.device)
            inputs = [tensor.index_select(0, chosen) for tensor in inputs]
        return self.units[unit](*inputs, sizes=sizes)

    def move(self, by: int | Sequence[int]) -> None:
        """Move every sample in its text: 1 reads on, k jumps, -k goes back (to the start at most), 0 stops."""
        for row, reading in enumerate(self.readings):
            step = by if isinstance(by, int) else by[row]
            reading.at = max(0, reading.at + step) if step else len(reading.ids)

    def go(self, places: Sequence[int]) -> None:
        """Send every sample to a place of its text; one before its start or behind its end ends the reading."""
        for reading, place in zip(self.readings, places, strict=True):
            reading.at = place if 0 <= place < len(reading.ids) else len(reading.ids)

    def pay(self, amounts: Sequence[float]) -> None:
        """Say what this step cost each sample, in the method's own unit: training alone goes by it."""

    def doubt(self, rows: Iterable[int]) -> None:
        """Say that these samples' decisions were so close that rounding, which differs by batch, may turn them.

        They leave and are read again alone, so that no answer and no trace depends on company.
        """
        for row in rows:
            self.readings[row].sure = False

    def enter(self, new: Sequence[Reading]) -> None:
        """Take in samples that have read nothing."""
        fresh = self.network.start(len(new))
        if "start" in self.units:
            for reading in new:
                reading.ran("start", (1,))
        self.look_ahead([reading for reading in new if reading.words is None])
        self.state = tuple(torch.cat(parts) for parts in zip(self.state, fresh, strict=True)) if self.state else fresh
        self.readings.extend(new)

    def look_ahead(self, coming: Sequence[Reading]) -> None:
        """Embed whole texts, and let the units that look ahead, if any, say what they see at each of their tokens."""
        if not self.network.ahead:
            return
        for reading in coming:
            reading.words = self._chunk(reading, 0, len(reading.ids))
            reading.looked = range(len(reading.ids))
            for unit in self.network.ahead if reading.ids else ():
                reading.ran(unit, (len(reading.ids),))
        texts = [reading for reading in coming if reading.ids]
        if texts:
            said = [self.units[unit]([text.words for text in texts]) for unit in self.network.ahead]
            for text, *parts in zip(texts, *said, strict=True):
                text.seen = torch.cat(parts, 1) if parts[1:] else parts[0]

    def _chunk(self, reading: Reading, start: int, end: int) -> Tensor:
        return self.network.words(torch.tensor(reading.ids[start:end], dtype=torch.long))

    def leave(self, leaving: set[int]) -> None:
        """Drop samples, by position."""
        staying = [row for row in range(len(self.readings)) if row not in leaving]
        self.readings = [self.readings[row] for row in staying]
        self.state = self.states_of(staying) if staying else ()

    def states_of(self, rows: Sequence[int]) -> State:
        """The states of some samples, by position."""
        chosen = torch.tensor(rows, device=self.device)
        return tuple(part.index_select(0, chosen) for part in self.state)

    def advance(self) -> None:
        """One step of the method for every sample; one that has taken as many as its text allows ends."""
        self._inputs = None
        self.network.step(self)
        for reading in self.readings:
            reading.turns += 1
            if reading.turns >= self.network.bound(len(reading.ids)):
                reading.at = len(reading.ids)


def _at(rows: Tensor | None, place: int) -> Tensor:
    assert rows is not None
    return rows[place]
