"""What a reading is made of: units that compute, the text on its way through them, and what becomes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elue.modeling.reading.book import Book, Key, Numbers
from elue.protocol import Step

State = tuple[Tensor, ...]
"""What a cell carries from token to token: tensors of one row a sample, (samples, width)."""

RELATIVE_TOLERANCE = 1e-4
"""How near two answers, relative to one where that is above 1, count as alike."""
DECISION_TOLERANCE = 4e-6
"""How near to its limit a decision between tokens counts as close, relative to limit or largest logit above 1.

The same sample in another batch differs, as matrix products of other sizes sum in another order. In half a million
decisions of twelve networks about reviews of up to 512 tokens logits differed by 9e-7 of the larger of 1 and a unit's
largest logit at most, by 3e-7 in the mean square, and by 1.5e-6 with all weights doubled.
"""
WAIT_TOLERANCE = 2e-5
"""How near to a whole number a wait counts as close, relative to itself: waits differed by 2.7e-6, doubled by 7e-6."""


@dataclass(frozen=True, slots=True)
class ReaderUnit:
    """A part that computes: `run` on tensors of these `widths`, (rows, width) each.

    `run` may take integers after them, the sizes of what is to be done: they become part of the traced shape.
    `listed` is true where the result goes to Python, as decisions and answers do. One that is `chunked` runs on a list
    of chunks of texts, (tokens, width) each, and on tensors of one row a chunk: its traced shape is (tokens,).
    `mixed` does for rows of several sizes at once, arrays (rows,), what `run` does for those of one; rows that have
    nothing to do it leaves. It may compute more than what is traced, where that takes less time. One that `takes` some
    parts of the state, by their places, gets these alone, and no inputs, and makes the parts that it `makes`.
    """

    run: Callable[..., Any]
    widths: tuple[int, ...]
    listed: bool = False
    chunked: bool = False
    mixed: Callable[..., State] | None = None
    takes: Sequence[int] | None = None
    makes: Sequence[int] = ()

    def rehearse(self, rows: int, sizes: Sequence[int]) -> None:
        """Run once on zeros: on so many rows, or on a chunk of so many tokens."""
        inputs: list[Any] = [torch.zeros(1 if self.chunked else rows, width) for width in self.widths]
        if self.chunked:
            inputs[0] = [torch.zeros(rows, self.widths[0])]
        self(*inputs, sizes=sizes)

    def __call__(self, *inputs: Any, sizes: Sequence[int] = ()) -> Any:
        """Run on tensors of one row a sample."""
        result = self.run(*inputs, *sizes)
        return result.tolist() if self.listed else result

    def numbers(self, *inputs: Tensor) -> Numbers:
        """What one that is `listed` says, as an array."""
        return numbers_of(self.run(*inputs))


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """A decision between two for every sample of a batch: the rows where it is `on`.

    In training `share` (samples,) says by how much, and carries the gradient.
    """

    on: Numbers
    share: Tensor | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Amount:
    """How much of a unit runs for every sample of a batch: the size that it is told, (samples,), 0 for none.

    In training `share`, one row a sample, says so instead, and carries the gradient.
    """

    sizes: Numbers
    share: Tensor | None = None


@dataclass(slots=True, eq=False)
class Reading:
    """One text on its way through the Reader. What is noted of it on the way stands on its `line` of the batch's book.

    Of a pair `second` is the place where its second text begins, else 0. It came at `since` of the clock, -1 where it
    was looked at in company before. `notes` is the method's own memory of this sample. Where units look ahead, `words`
    (tokens, width) is the text embedded, `seen` (tokens, …) what they said, `looked` the places looked at, and `among`
    the texts that it was looked at with, in which it begins at `start`.
    """

    number: int
    ids: Sequence[int]
    since: int = 0
    second: int = 0
    notes: dict[str, Any] = field(default_factory=dict)
    looked: Sequence[int] = ()
    words: Tensor | None = None
    seen: Tensor | None = None
    among: Looked | None = None
    start: int = 0
    line: int = -1
    _book: Book | None = None
    _read: list[int] = field(default_factory=list)
    _steps: dict[Key, int] = field(default_factory=dict)

    def opened(self, book: Book, line: int) -> None:
        """Let what comes be noted on a line of a book."""
        self._book, self.line = book, line

    def closed(self) -> None:
        """Keep what was noted, and give the line back."""
        if self._book is not None:
            self._read, self._steps = self.read, self.steps
            self._book.close(self.line)
            self._book = None

    @property
    def at(self) -> int:
        """The place of its current token."""
        return 0 if self._book is None else int(self._book["at"][self.line])

    @property
    def turns(self) -> int:
        """How many steps of the method it took."""
        return 0 if self._book is None else int(self._book["turns"][self.line])

    @property
    def read(self) -> list[int]:
        """The places it read, in order."""
        return self._read if self._book is None else [*self._read, *self._book.were_read(self.line)]

    @property
    def steps(self) -> dict[Key, int]:
        """How often units ran for it, in the order in which they first did."""
        later = {} if self._book is None else self._book.steps(self.line)
        return self._steps | {key: times + self._steps.get(key, 0) for key, times in later.items()}

    def ran(self, unit: str, shape: tuple[int, ...]) -> None:
        """Note that a unit ran for it while it had no line."""
        self._steps[unit, shape] = self._steps.get((unit, shape), 0) + 1

    def trace(self) -> tuple[Step, ...]:
        """All that ran: the look-ups `embed (tokens, distinct tokens)`, then units in the order they first ran."""
        places = self.looked or self.read
        looked = len(places), len({self.ids[place] for place in places})
        counted = (Step(unit, shape, times) for (unit, shape), times in self.steps.items())
        return (Step("embed", looked), *counted) if places else tuple(counted)


@dataclass(frozen=True, slots=True, eq=False)
class Looked:
    """Texts that were looked at together, one after the other: embedded, and what was said, (tokens of all, width)."""

    words: Tensor
    seen: Tensor


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a text: its `number` in the stream, the head's output, its trace and the places it read."""

    number: int
    outputs: list[float]
    trace: tuple[Step, ...]
    read: tuple[int, ...]


def numbers_of(told: Tensor) -> Numbers:
    """A tensor's numbers, in double precision."""
    if told.dtype == torch.float32 and told.device.type == "cpu":
        return told.detach().numpy().astype(float)
    return np.array(told.tolist(), float)


def replaced(old: Tensor, new: Tensor, rows: Tensor | None) -> Tensor:
    """The state with new values in some rows (None: all) and its first dimensions, as many as there are.

    It keeps its precision: under autocast units give numbers of less.
    """
    new = new.to(old.dtype)
    if rows is None and new.shape == old.shape:
        return new
    width = new.shape[1]
    if rows is None:
        return torch.cat([new, old[:, width:]], 1)
    if width < old.shape[1]:
        new = torch.cat([new, old.index_select(0, rows)[:, width:]], 1)
    return old.index_copy(0, rows, new)


def near(value: float, limit: float) -> bool:
    """Whether a decision between two sides of `limit` is so close that another batch may round it over.

    Ask it of what is not squeezed: of a logit rather than a probability near 0 or 1.
    """
    return math.isfinite(limit) and abs(value - limit) <= RELATIVE_TOLERANCE * max(1.0, abs(limit))


def nearly(
    values: Numbers, limits: Numbers | float, largest: float = 0.0, tolerance: float = DECISION_TOLERANCE
) -> Numbers:
    """Whether decisions between the sides of limits are so close, where values are as large as is said.

    Limits are as many as values, or broadcast with them.
    """
    limits = np.asarray(limits, float)
    return np.isfinite(limits) & (np.abs(values - limits) <= _apart(limits, largest, tolerance))


def within(values: Numbers, limits: Numbers, largest: float) -> Numbers:
    """Whether decisions are so close to any of several limits, which rise."""
    limits = limits[np.isfinite(limits)]
    apart = _apart(limits, largest, DECISION_TOLERANCE)
    from_below = np.searchsorted(np.sort(limits - apart), values, side="right")
    close: Numbers = from_below > np.searchsorted(np.sort(limits + apart), values, side="left")
    return close


def _apart(limits: Numbers, largest: float, tolerance: float) -> Numbers:
    scale: Numbers = tolerance * np.maximum(max(1.0, largest), np.abs(limits))
    return scale
