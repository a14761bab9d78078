"""How much CPU time counted work explains on this machine."""

from __future__ import annotations

from dataclasses import dataclass, replace

from elue.evaluation.request import Evaluation
from elue.meter.profile import Profile
from elue.record.schema import Flag
from elue.worker.frames import Calibrate, Exercised
from elue.worker.session import START_SECONDS, Worker

FACTOR = 2.5
"""CPU time may be so many times what is explained: kernels differ in how well they use a processor. Honest methods take
0.8 to 1.5 times that, and on a shared machine the price of a call alone moves by a factor of 2 from hour to hour."""
CALLS = 40
"""Calls of operators that a sample may take besides, to be read, cut into tokens, decided on and answered."""
SLACK = 0.25
"""Seconds a run may take besides: clocks tick, libraries set themselves up."""


@dataclass(frozen=True, slots=True)
class Work:
    """What was counted: samples, calls of operators, FLOPs, and parameters read (by each sample anew)."""

    samples: int = 0
    calls: int = 0
    flops: int = 0
    params: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.samples + other.samples,
            self.calls + other.calls,
            self.flops + other.flops,
            self.params + other.params,
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """CPU seconds of one call, of one FLOP, and of one parameter read, on this machine under worker conditions."""

    call: float
    flop: float
    param: float

    def explained(self, work: Work) -> float:
        """CPU seconds that this work takes here, about."""
        calls = work.calls + CALLS * work.samples
        return self.call * calls + self.flop * work.flops + self.param * work.params


def calibrate(worker: Worker, profile: Profile) -> Calibration | None:
    """Run three static sizes in a worker that has no plugin yet, under a profile.

    None where the system shows no CPU times.

    The first is nearly all calls, the second nearly all arithmetic, the third nearly all reading of weights; each gives
    the price of its own, after what the prices before it explain.
    """
    spent: list[tuple[float, Exercised]] = []
    for exercise in (
        Calibrate("calls", 150, profile),
        Calibrate("arithmetic", 20, profile),
        Calibrate("weights", 10, profile),
    ):
        worker.call(replace(exercise, rounds=2), START_SECONDS)
        before = worker.usage().cpu_seconds
        answer = worker.call(exercise, START_SECONDS)
        after = worker.usage().cpu_seconds
        if before is None or after is None:
            return None
        spent.append((after - before, answer))
    (seconds, counts), arithmetic, weights = spent
    call = seconds / counts.calls
    seconds, counts = arithmetic
    flop = max(0.0, seconds - call * counts.calls) / counts.flops
    seconds, counts = weights
    param = max(0.0, seconds - call * counts.calls - flop * counts.flops) / counts.params
    return Calibration(call, flop, param)


def errand(worker: Worker, evaluation: Evaluation) -> Calibration | None:
    """Calibrate where the compute audits are to be made."""
    return calibrate(worker, evaluation.profile) if evaluation.repeat else None


def unexplained(seconds: float, work: Work, calibration: Calibration) -> Flag | None:
    """A flag if this CPU time is far more than the counted work explains."""
    explained = calibration.explained(work)
    if seconds <= FACTOR * explained + SLACK:
        return None
    detail = (
        f"{seconds:.2f} CPU seconds over {work.samples} samples, where the counted work explains {explained:.2f}: "
        "something computed that was not counted"
    )
    return Flag(code="cpu_unexplained", detail=detail)
