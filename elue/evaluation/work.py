"""Work that was counted, and the processor time that a pass took for it."""

from __future__ import annotations

from dataclasses import astuple, dataclass

from elue.meter.counts import Counts
from elue.worker.frames import CallKinds


@dataclass(frozen=True, slots=True)
class Work:
    """What was counted: samples, calls of operators, FLOPs, parameters read (by each sample anew).

    `small` are the calls of operators that cost little, and `free` those of operators that cost nothing; `calls` are
    the others.
    """

    samples: int = 0
    calls: int = 0
    flops: int = 0
    params: int = 0
    free: int = 0
    small: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.samples + other.samples,
            self.calls + other.calls,
            self.flops + other.flops,
            self.params + other.params,
            self.free + other.free,
            self.small + other.small,
        )

    def __mul__(self, times: int) -> Work:
        return Work(*(times * part for part in astuple(self)))


@dataclass(frozen=True, slots=True)
class Effort:
    """CPU seconds of a pass, the work that was counted for it, and whether it ran under the Meter."""

    seconds: float
    work: Work
    metered: bool


def of_samples(samples: int, counts: Counts, calls: CallKinds) -> Work:
    """The work of many samples that were counted together; each may have read the parameters anew."""
    return Work(samples, calls.full, counts.flops, counts.params_touched * samples, calls.free, calls.small)


def of_sample(counts: Counts, calls: CallKinds) -> Work:
    """The work of one sample."""
    return Work(1, calls.full, counts.flops, counts.params_touched, calls.free, calls.small)
