"""Who is being read: the samples of a batch, with what is noted of them and their states."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn

from elue.modeling.reading.ahead import Shelf, look_ahead
from elue.modeling.reading.book import Book, Numbers
from elue.modeling.reading.units import ReaderUnit, Reading, State

Rows = Sequence[int] | Numbers
TOGETHER = 64
"""Texts that units look ahead in at a time: so few that what they make of them stays in memory that is had already."""


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

    def step(self, batch: Any) -> None:
        """Read, decide and move, once for every sample of the batch."""

    def final(self, state: State) -> Tensor:
        """What the head looks at, (samples, width), of the states that samples ended with."""

    def bound(self, tokens: int) -> int:
        """After how many steps a reading of so many tokens ends at the latest."""


class Company:
    """The samples of a batch. `readings`, columns, (samples,), and the rows of `state` run in parallel."""

    device: torch.device | None = None

    def __init__(self, network: RecurrentNetwork) -> None:
        self.network, self.units = network, network.units()
        self.readings: list[Reading] = []
        self.book, self.lines, self.shelf = Book(), np.zeros(0, np.int64), Shelf()
        self.state: State = ()
        self.doubted = False

    def __len__(self) -> int:
        return len(self.readings)

    def column(self, name: str) -> Numbers:
        """What is noted under a name of all samples, (samples,), whole numbers: 0 at first. A method may have its own.

        Kept here are "at", the places of the current tokens, "length", the numbers of tokens, "second", where a second
        text begins, "turns", the steps of the method so far, and "bound", how many there may be.
        """
        return self.book[name][self.lines]

    def note(self, name: str, values: Numbers | int) -> None:
        """Note something of all samples in a column."""
        self.book[name][self.lines] = values

    def over(self) -> Numbers:
        """Which samples are behind the last token of their text, (samples,)."""
        ended: Numbers = self.column("at") >= self.column("length")
        return ended

    def _index(self, rows: Rows) -> Tensor:
        """Rows as what tensors are indexed by."""
        return torch.from_numpy(np.asarray(rows, np.int64)).to(self.device or "cpu")

    def enter(self, new: Sequence[Reading]) -> None:
        """Take in samples that have read nothing."""
        fresh = self.network.start(len(new))
        self.look_ahead([reading for reading in new if reading.words is None])
        lines = self.book.open([reading.ids for reading in new])
        for reading, line in zip(new, lines.tolist(), strict=True):
            reading.opened(self.book, line)
        for name, values in (
            ("length", [len(reading.ids) for reading in new]),
            ("since", [reading.since for reading in new]),
            ("second", [reading.second for reading in new]),
            ("bound", [self.network.bound(len(reading.ids)) for reading in new]),
        ):
            self.book[name][lines] = values
        if self.network.ahead:
            self._shelve(new, lines)
        if "start" in self.units:
            self.book.ran(lines, "start", (1,))
        self._join(new, lines, fresh)

    def look_ahead(self, coming: Sequence[Reading]) -> None:
        """Embed whole texts, and let the units that look ahead, if any, say what they see at each of their tokens."""
        texts = [reading for reading in coming if reading.ids] if self.network.ahead else []
        units = {unit: self.units[unit] for unit in self.network.ahead}
        for start in range(0, len(texts), TOGETHER):
            look_ahead(own := texts[start : start + TOGETHER], self._embedded_whole(own), units)

    def _shelve(self, new: Sequence[Reading], lines: Numbers) -> None:
        """Note where texts stand among those that they were looked at with."""
        groups, known = self.book["group"], np.concatenate([self.lines, lines])
        for reading, line in zip(new, lines.tolist(), strict=True):
            groups[line] = self.shelf.number(reading, groups[known])
        self.book["begin"][lines] = [reading.start for reading in new]

    def _embedded_whole(self, texts: Sequence[Reading]) -> Tensor:
        """All tokens of texts, one after the other, (tokens of all, width)."""
        return self.network.words(torch.from_numpy(np.concatenate([np.asarray(own.ids, np.int64) for own in texts])))

    def adopt(self, other: Company, since: int) -> None:
        """Take over the samples of another company, with all that was noted of them, as from a time on."""
        lines = self.book.take(other.book, other.lines, [reading.ids for reading in other.readings])
        for reading, line in zip(other.readings, lines.tolist(), strict=True):
            reading.closed()
            reading.opened(self.book, line)
            reading.since = since
        self.book["since"][lines], self.book["unsure"][lines] = since, 0
        if self.network.ahead:
            self._shelve(other.readings, lines)
        self._join(other.readings, lines, other.state)

    def _join(self, new: Sequence[Reading], lines: Numbers, state: State) -> None:
        self.state = tuple(torch.cat(parts) for parts in zip(self.state, state, strict=True)) if self.state else state
        self.readings, self.lines = [*self.readings, *new], np.concatenate([self.lines, lines])

    def leave(self, leaving: Rows) -> None:
        """Drop samples, by position."""
        staying = np.ones(len(self), bool)
        staying[np.asarray(leaving, np.int64)] = False
        rows = staying.nonzero()[0]
        self.readings, self.lines = [self.readings[row] for row in rows], self.lines[rows]
        self.state = self.states_of(rows) if len(rows) else ()

    def states_of(self, rows: Rows) -> State:
        """The states of some samples, by position."""
        chosen = self._index(rows)
        return tuple(part.index_select(0, chosen) for part in self.state)
