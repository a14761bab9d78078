"""Packs: the tokens of many samples as rows of one matrix, without padding.

Samples lie in order of length, so those of one length are a contiguous block: a view of shape (samples, tokens,
hidden), which is all that attention needs. Samples leave by `select`, tokens by `keep`; what has left costs nothing
from there on. Indices are made with numpy, data is moved by torch: neither is arithmetic that a Meter would count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elue.modeling.text import Encoded
from elue.protocol import Step


@dataclass(slots=True, eq=False)
class Request:
    """One sample on its way through a model.

    `place` is its position in what was asked, `trace` what has run for it, `scores` what its answer is made of.
    `alone` says that it travels by itself, which is the reference; `doubtful`, that among others float noise could
    have turned one of its decisions. With `noted`, `notes` gathers what a survey or an explanation needs.
    `parked` are rows that left for a while, each time with their positions in the text; `positions` those of the rows
    that are left, None where all are.
    """

    place: int
    encoded: Encoded
    alone: bool = False
    trace: list[Step] = field(default_factory=list)
    scores: tuple[float, ...] = ()
    doubtful: bool = False
    noted: bool = False
    notes: dict[str, Any] = field(default_factory=dict)
    parked: list[tuple[np.ndarray, Tensor]] = field(default_factory=list)
    positions: np.ndarray | None = None

    @property
    def tokens(self) -> int:
        """Length of the input in tokens."""
        return len(self.encoded.ids)


@dataclass(frozen=True, slots=True)
class Group:
    """Samples of one length in a pack: `rows` are theirs, `samples` of `tokens` each."""

    rows: slice
    samples: int
    tokens: int

    def of(self, rows: Tensor) -> Tensor:
        """The group's part of (rows, width), as a view (samples, tokens, width)."""
        return rows[self.rows].view(self.samples, self.tokens, -1)


@dataclass(slots=True, eq=False)
class Pack:
    """Samples in order of length, and their tokens in `rows`, one sample after the other.

    `rows` is (tokens, hidden); before the embedding, ids and segments, (tokens, 2). `lengths` are the rows of each
    sample, `memory` by name what is carried along for each of them, (samples, ...). `state` is what one unit takes
    beside the rows: it goes no further.
    """

    requests: list[Request]
    lengths: list[int]
    rows: Tensor
    state: Tensor | None = None
    memory: dict[str, Tensor] = field(default_factory=dict)

    @classmethod
    def fresh(cls, requests: Sequence[Request]) -> Pack:
        """A pack of samples that are to be embedded."""
        ordered = sorted(requests, key=lambda request: request.tokens)
        ids = np.concatenate([np.array(request.encoded.ids) for request in ordered])
        segments = np.concatenate([np.array(request.encoded.segments) for request in ordered])
        rows = torch.from_numpy(np.stack([ids, segments], 1))
        return cls(ordered, [request.tokens for request in ordered], rows)

    @property
    def tokens(self) -> int:
        """Number of rows."""
        return int(self.rows.shape[0])

    def groups(self) -> Iterator[Group]:
        """The blocks of samples of equal length, in order."""
        start = 0
        for length, members in groupby(self.lengths):
            count = len(list(members))
            yield Group(slice(start, start + count * length), count, length)
            start += count * length

    def starts(self) -> np.ndarray:
        """The first row of each sample, (samples,)."""
        ends = np.cumsum(self.lengths)
        return ends - self.lengths

    def with_rows(self, rows: Tensor) -> Pack:
        """The same samples and lengths with other rows."""
        return Pack(self.requests, self.lengths, rows, self.state, self.memory)

    def remembering(self, **values: Tensor) -> Pack:
        """The same samples and rows with these values, (samples, ...) each, in memory too."""
        return Pack(self.requests, self.lengths, self.rows, self.state, self.memory | values)

    def select(self, chosen: np.ndarray) -> Pack:
        """The samples at these places, rising: all others leave."""
        if len(chosen) == len(self.requests):
            return self
        lengths = np.asarray(self.lengths, dtype=np.int64)[chosen]
        index = _ranges(self.starts()[chosen], lengths)
        rows = self.rows.index_select(0, torch.from_numpy(index))
        requests = [self.requests[place] for place in chosen]
        return Pack(requests, lengths.tolist(), rows, memory=taken(self.memory, chosen))

    def keep(self, tokens: np.ndarray) -> Pack:
        """The rows where `tokens` (rows,) is true, at least one a sample: all others leave."""
        if tokens.all():
            return self
        counts = np.add.reduceat(tokens.astype(np.int64), self.starts())
        order = np.argsort(counts, kind="stable")
        kept = np.flatnonzero(tokens)
        first = np.cumsum(counts) - counts
        index = kept[_ranges(first[order], counts[order])]
        rows = self.rows.index_select(0, torch.from_numpy(index))
        requests = [self.requests[place] for place in order]
        return Pack(requests, counts[order].tolist(), rows, memory=taken(self.memory, order))

    def cut(self, budget: int) -> tuple[Pack, Pack | None]:
        """The first samples, of no more than `budget` tokens (but one sample at least), and the rest. No copies."""
        fit = int(np.searchsorted(np.cumsum(self.lengths), budget, side="right"))
        fit = max(1, fit)
        if fit >= len(self.requests):
            return self, None
        row = sum(self.lengths[:fit])
        heads = {name: values[:fit] for name, values in self.memory.items()}
        tails = {name: values[fit:] for name, values in self.memory.items()}
        first = Pack(self.requests[:fit], self.lengths[:fit], self.rows[:row], memory=heads)
        return first, Pack(self.requests[fit:], self.lengths[fit:], self.rows[row:], memory=tails)


def join(packs: Sequence[Pack]) -> Pack:
    """One pack of all samples of several."""
    if len(packs) == 1:
        return packs[0]
    requests = [request for pack in packs for request in pack.requests]
    lengths = np.concatenate([np.asarray(pack.lengths, dtype=np.int64) for pack in packs])
    order = np.argsort(lengths, kind="stable")
    first = np.cumsum(lengths) - lengths
    index = torch.from_numpy(_ranges(first[order], lengths[order]))
    rows = torch.cat([pack.rows for pack in packs]).index_select(0, index)
    together = {name: torch.cat([pack.memory[name] for pack in packs]) for name in packs[0].memory}
    return Pack([requests[place] for place in order], lengths[order].tolist(), rows, memory=taken(together, order))


def taken(memory: dict[str, Tensor], places: np.ndarray) -> dict[str, Tensor]:
    """What is remembered of the samples at these places."""
    chosen = torch.from_numpy(places)
    return {name: values.index_select(0, chosen) for name, values in memory.items()}


def _ranges(starts: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    """start, start + 1, ... for each start, as many as its length says, one after the other."""
    ends = np.cumsum(lengths)
    return np.arange(ends[-1] if len(ends) else 0) + np.repeat(starts - (ends - lengths), lengths)
