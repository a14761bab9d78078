"""Work that was counted, and the processor time that a pass took for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from itertools import pairwise
from operator import add, attrgetter

from elue.meter.counts import Counts
from elue.protocol import Sample
from elue.worker.frames import CallKinds

LONG = 8192
"""Letters of a text that are cut into tokens in the time of the calls that a sample may take besides."""


def long_letters(sample: Sample) -> int:
    """How many letters of a sample's texts are past what is usual."""
    return sum(max(0, len(text) - LONG) for text in (sample.text, sample.pair or ""))


@dataclass(frozen=True, slots=True)
class Work:
    """What was counted: samples, calls of operators, FLOPs, parameters read (by each sample anew).

    `letters` are those past the first LONG of a text: to cut that into tokens takes time that no operator explains;
    and `instructions` those of Python around operators, each once between one operator and the next, if looked at.
    `small` are the calls of operators that cost little, and `free` those of operators that cost nothing; `calls` are
    the others.
    """

    samples: int = 0
    calls: int = 0
    flops: int = 0
    params: int = 0
    free: int = 0
    small: int = 0
    letters: int = 0
    instructions: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(*map(add, _parts(self), _parts(other)))

    def __mul__(self, times: int) -> Work:
        return Work(*(times * part for part in _parts(self)))


_NAMES = tuple(entry.name for entry in fields(Work))
_parts: Callable[[Work], tuple[int, ...]] = attrgetter(*_NAMES)
"""All of its numbers, as `astuple` gives them, which takes ten times as long."""


@dataclass(frozen=True, slots=True)
class Effort:
    """CPU seconds of a pass, the work that was counted for it, and whether it ran under the Meter.

    `turns` is how often each of its samples was asked, and `loose` how many times what is usual it may take.
    """

    seconds: float
    work: Work
    metered: bool
    turns: int = 1
    loose: float = 1.0


def of_samples(samples: int, counts: Counts, calls: CallKinds) -> Work:
    """The work of many samples that were counted together; each may have read the parameters anew."""
    return Work(samples, calls.full, counts.flops, counts.params_touched * samples, calls.free, calls.small)


def of_sample(counts: Counts, calls: CallKinds, letters: int = 0) -> Work:
    """The work of one sample."""
    return Work(1, calls.full, counts.flops, counts.params_touched, calls.free, calls.small, letters)


UNSTEADY = 12
"""Of so many samples that are asked one by one the one that took longest counts for nothing: the system's own work
shows in one of them now and then, and what a plugin hides for each sample shows in the others."""


def one_by_one(clocks: Sequence[float | None], works: Sequence[Work]) -> Effort | None:
    """What samples took under the Meter: CPU seconds before each and after the last, and the work of each.

    None where the system does not tell.
    """
    known = [clock for clock in clocks if clock is not None]
    if len(known) <= len(works):
        return None
    taken = sorted(((after - before, place) for place, (before, after) in enumerate(pairwise(known))), reverse=True)
    kept = taken[len(works) // UNSTEADY :]
    return Effort(sum(seconds for seconds, _ in kept), sum((works[place] for _, place in kept), Work()), True)
