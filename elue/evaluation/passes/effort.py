"""How much CPU time counted work explains on this machine."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from elue.evaluation.passes import checks
from elue.evaluation.request import Evaluation
from elue.record.schema import Flag
from elue.worker.session import START_SECONDS, Worker

FACTOR = 2.5
"""CPU time may be so many times what is explained: kernels differ in how well they use a processor. Honest methods take
0.8 to 1.5 times that, and on a shared machine the price of a call alone moves by a factor of 2 from hour to hour."""
CALLS = 40
"""Calls of operators that a sample may take besides, to be read, cut into tokens, decided on and answered."""
SLACK = 0.25
"""Seconds a run may take besides: clocks tick, libraries set themselves up."""
_ROUNDS = {"calls": 150, "arithmetic": 20, "weights": 10}


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


def calibrate(worker: Worker, profile: dict[str, Any]) -> Calibration | None:
    """Run three static sizes in a worker that has no plugin yet, under a profile (as a dict).

    None where the system shows no CPU times.

    The first is nearly all calls, the second nearly all arithmetic, the third nearly all reading of weights; each gives
    the price of its own, after what the prices before it explain.
    """
    spent: dict[str, tuple[float, dict[str, int]]] = {}
    for size, rounds in _ROUNDS.items():
        worker.call("calibrate", START_SECONDS, size=size, rounds=2, profile=profile)
        before = worker.usage().cpu_seconds
        answer = worker.call("calibrate", START_SECONDS, size=size, rounds=rounds, profile=profile)
        after = worker.usage().cpu_seconds
        if before is None or after is None:
            return None
        spent[size] = after - before, {name: checks.count(answer, name) for name in ("calls", "flops", "params")}
    seconds, counts = spent["calls"]
    call = seconds / counts["calls"]
    seconds, counts = spent["arithmetic"]
    flop = max(0.0, seconds - call * counts["calls"]) / counts["flops"]
    seconds, counts = spent["weights"]
    param = max(0.0, seconds - call * counts["calls"] - flop * counts["flops"]) / counts["params"]
    return Calibration(call, flop, param)


def errand(worker: Worker, evaluation: Evaluation) -> Calibration | None:
    """Calibrate where the compute audits are to be made."""
    return calibrate(worker, asdict(evaluation.profile)) if evaluation.repeat else None


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
