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
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from elue.protocol import Step

State = tuple[Tensor, ...]
"""What a cell carries from token to token: tensors of one row a sample, (samples, width)."""

BATCH_SIZE = 64
"""Samples read side by side, unless asked otherwise."""
RELATIVE_TOLERANCE = 1e-4
"""How near to its limit a decision, relative to the limit where that is above 1, counts as close.

The same sample in another batch differs by some 1e-6, as matrix products of other sizes sum in another order.
"""


@dataclass(frozen=True, slots=True)
class ReaderUnit:
    """A part that computes: `run` on tensors of these `widths`, (rows, width) each.

    `run` may take integers after them, the sizes of what is to be done: they become part of the traced shape.
    `listed` is true where the result goes to Python, as decisions and answers do.
    """

    run: Callable[..., Any]
    widths: tuple[int, ...]
    listed: bool = False

    def __call__(self, *inputs: Tensor, sizes: Sequence[int] = ()) -> Any:
        """Run on tensors of one row a sample."""
        result = self.run(*inputs, *sizes)
        return result.tolist() if self.listed else result


class RecurrentNetwork(Protocol):
    """What the Reader asks of a network."""

    words: nn.Embedding

    def units(self) -> dict[str, ReaderUnit]:
        """The parts that compute, by the name they have in traces. "head" makes answers of final states.

        A state at the start that is learned, and so read from parameters, is the unit "start".
        """

    def start(self, count: int) -> State:
        """The state of `count` samples that have read nothing."""

    def step(self, batch: Batch) -> None:
        """Read, decide and move, once for every sample of the batch."""

    def final(self, state: State) -> Tensor:
        """What the head looks at, (samples, width), of the states that samples ended with."""


@dataclass(slots=True)
class Reading:
    """One text on its way through the Reader: `at` is the place of its current token, `read` the places it read.

    `notes` is the method's own memory of this sample; `steps` counts the units it went through.
    """

    number: int
    ids: Sequence[int]
    since: int
    at: int = 0
    read: list[int] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    steps: dict[tuple[str, tuple[int, ...]], int] = field(default_factory=dict)
    sure: bool = True

    def ran(self, unit: str, shape: tuple[int, ...]) -> None:
        """Note that a unit ran for this sample."""
        key = (unit, shape)
        self.steps[key] = self.steps.get(key, 0) + 1

    def trace(self) -> tuple[Step, ...]:
        """All that ran: the look-ups `embed (tokens, distinct tokens)`, then units in the order they first ran."""
        looked = len(self.read), len({self.ids[place] for place in self.read})
        counted = (Step(unit, shape, times) for (unit, shape), times in self.steps.items())
        return (Step("embed", looked), *counted) if self.read else tuple(counted)


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a text: its `number` in the stream, the head's output, its trace and the places it read."""

    number: int
    outputs: list[float]
    trace: tuple[Step, ...]
    read: tuple[int, ...]


class Batch:
    """The samples being read right now, as a method's `step` sees them.

    `readings` and the rows of `state` run in parallel. Calls that take `rows` act on some samples only, by position;
    others neither compute anything nor change.
    """

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
            ids = []
            for reading in self.readings:
                reading.read.append(reading.at)
                ids.append(reading.ids[reading.at])
            self._inputs = self.network.words(torch.tensor(ids))
        return self._inputs

    def update(self, unit: str, rows: Sequence[int] | None = None, sizes: Sequence[int] = ()) -> None:
        """Let a unit make new states of the current tokens and the states: `(inputs, *state, *sizes) -> state`.

        A new state may be narrower than the old one: then only the first dimensions change.
        """
        subset = self._subset(rows)
        if subset is not None and not subset:
            return
        new = self._run(unit, (self.inputs, *self.state), subset, sizes)
        self.state = tuple(_replaced(old, part, subset) for old, part in zip(self.state, new, strict=True))

    def ask(
        self, unit: str, *inputs: Tensor, rows: Sequence[int] | None = None, sizes: Sequence[int] = ()
    ) -> list[Any]:
        """What a unit says to tensors of one row a sample: one value for each of the samples asked."""
        subset = self._subset(rows)
        if subset is not None and not subset:
            return []
        answers: list[Any] = self._run(unit, inputs, subset, sizes)
        return answers

    def _subset(self, rows: Sequence[int] | None) -> Sequence[int] | None:
        return None if rows is None or len(rows) == len(self.readings) else rows

    def _run(self, unit: str, inputs: Sequence[Tensor], subset: Sequence[int] | None, sizes: Sequence[int]) -> Any:
        shape = (1, *sizes)
        for reading in self.readings if subset is None else [self.readings[row] for row in subset]:
            reading.ran(unit, shape)
        if subset is not None:
            chosen = torch.tensor(subset)
            inputs = [tensor.index_select(0, chosen) for tensor in inputs]
        return self.units[unit](*inputs, sizes=sizes)

    def move(self, by: int | Sequence[int]) -> None:
        """Move every sample in its text: 1 reads on, k jumps, -k goes back (to the start at most), 0 stops."""
        for row, reading in enumerate(self.readings):
            step = by if isinstance(by, int) else by[row]
            reading.at = max(0, reading.at + step) if step else len(reading.ids)

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
        self.state = tuple(torch.cat(parts) for parts in zip(self.state, fresh, strict=True)) if self.state else fresh
        self.readings.extend(new)

    def leave(self, leaving: set[int]) -> None:
        """Drop samples, by position."""
        staying = [row for row in range(len(self.readings)) if row not in leaving]
        self.readings = [self.readings[row] for row in staying]
        self.state = self.states_of(staying) if staying else ()

    def states_of(self, rows: Sequence[int]) -> State:
        """The states of some samples, by position."""
        chosen = torch.tensor(rows)
        return tuple(part.index_select(0, chosen) for part in self.state)

    def advance(self) -> None:
        """One step of the method for every sample."""
        self._inputs = None
        self.network.step(self)


def _replaced(old: Tensor, new: Tensor, rows: Sequence[int] | None) -> Tensor:
    """The state with new values in some rows (None: all) and its first dimensions, as many as there are."""
    if rows is None and new.shape == old.shape:
        return new
    width = new.shape[1]
    if rows is None:
        return torch.cat([new, old[:, width:]], 1)
    chosen = torch.tensor(rows)
    if width < old.shape[1]:
        new = torch.cat([new, old.index_select(0, chosen)[:, width:]], 1)
    return old.index_copy(0, chosen, new)


@torch.inference_mode()
def read(network: RecurrentNetwork, texts: Iterable[Sequence[int]], batch_size: int = BATCH_SIZE) -> Iterator[Ending]:
    """Read texts, given as token ids, at most `batch_size` side by side; each ending is told as soon as it is known.

    Texts are taken from `texts` only as places become free, and nothing is kept of those that ended: memory depends
    on the batch alone.
    """
    batch, waiting = Batch(network), enumerate(texts)
    ended: list[Reading] = []
    states: list[State] = []
    clock = together = 0
    while True:
        new = [Reading(number, ids, clock) for number, ids in islice(waiting, batch_size - len(batch))]
        if new:
            batch.enter(new)
        if not len(batch):
            break
        clock += 1
        together = clock if len(batch) > 1 else together
        if all(len(reading.ids) for reading in new):  # else those without a token leave first
            batch.advance()
        doubted = [row for row, text in enumerate(batch.readings) if not text.sure and text.since < together]
        leaving = [row for row, text in enumerate(batch.readings) if text.at >= len(text.ids) and row not in doubted]
        for row in doubted:
            yield _alone(network, batch.readings[row])
        if leaving:
            ended += [batch.readings[row] for row in leaving]
            states.append(batch.states_of(leaving))
        if leaving or doubted:
            batch.leave({*leaving, *doubted})
        if len(ended) >= batch_size:
            yield from _answer(network, ended, states, together)
            ended, states = [], []
    if ended:
        yield from _answer(network, ended, states, together)


def _answer(
    network: RecurrentNetwork, ended: Sequence[Reading], states: Sequence[State], together: int
) -> Iterator[Ending]:
    """Ask the head for all that ended; read again alone those to which it gives two answers nearly alike."""
    final = network.final(tuple(torch.cat(parts) for parts in zip(*states, strict=True)))
    for reading, outputs in zip(ended, network.units()["head"](final), strict=True):
        reading.ran("head", (1,))
        *_, second, first = [-1.0, *sorted(outputs)] if len(outputs) > 1 else (0.0, 1.0)
        if near(first, second) and (len(ended) > 1 or reading.since < together):
            yield _alone(network, reading)
        else:
            yield Ending(reading.number, outputs, reading.trace(), tuple(reading.read))


def _alone(network: RecurrentNetwork, reading: Reading) -> Ending:
    return replace(next(read(network, [reading.ids], 1)), number=reading.number)


def near(value: float, limit: float) -> bool:
    """Whether a decision between two sides of `limit` is so close that another batch may round it over.

    Ask it of what is not squeezed: of a logit rather than a probability near 0 or 1.
    """
    return math.isfinite(limit) and abs(value - limit) <= RELATIVE_TOLERANCE * max(1.0, abs(limit))
