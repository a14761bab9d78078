"""How much CPU time counted work explains on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import astuple, dataclass, replace
from math import inf

from elue.evaluation.request import Evaluation
from elue.evaluation.work import Effort, Work
from elue.meter.profile import Profile
from elue.record.schema import Flag
from elue.worker.frames import Calibrate, Exercised
from elue.worker.session import START_SECONDS, Worker

FACTOR = 2.5
"""CPU time may be so many times what is explained: kernels differ in how well they use a processor. Honest methods take
0.8 to 1.5 times that, and on a shared machine the price of a call alone moves by a factor of 2 from hour to hour."""
BARE = 4.0
"""The same of calls without a Meter: each takes a fifth there, and the Python around it as much as before."""
CALLS, BESIDE = 40, 3.0
"""Calls of operators that a sample may take besides, to be read, cut into tokens, decided on and answered, and how many
times what these explain that may be."""
FULL, MORE, FLOPS_A_CALL, FLOPS_A_FURTHER = 32, 160, 2**17, 2**22
"""A sample's calls explain what a call of a model takes as far as they are so many, `MORE` at one for so many FLOPs,
and one for so many that are further: so a large model that makes more of them wins less than what its FLOPs explain.
All others, and those of operators that cost little, explain what a call takes that does next to nothing."""
LITTLE = 1.5
"""How many times that may be. A model makes such calls between those that compute, and there each takes as long as
these, since its code has left the processor's cache: as many as there are calls that explain in full may take that."""
INSTRUCTIONS = 10
"""Python instructions around operators that explain what a call on little takes: honest readers take half of that."""
OWN, OWN_MOST = 1.5, 2.0
"""How many times what a method was seen to take for its work, where nothing is hidden, it may take elsewhere; and how
many times what others may that is at most."""
LOOSE = 3.0
"""How many times as much as elsewhere the audit's own samples may take under the Meter, whose share depends on what the
processor has at hand: what they take without it is what tells."""
SLACK = 0.1
"""Seconds a pass may take besides, after its first samples: libraries set themselves up."""
_LASTS = 60.0
"""Seconds for which a second calibration holds."""
SETTLED = 0.02
"""The same for samples that were answered before."""


@dataclass(frozen=True, slots=True)
class Calibration:
    """CPU seconds of a call, of one that costs little or nothing, a FLOP, a parameter, and a letter made a token."""

    call: float
    small: float
    free: float
    flop: float
    param: float
    letter: float = 0.0

    def explained(self, work: Work) -> float:
        """CPU seconds that this work takes here, about."""
        return self._at(work, 1.0, 1.0, 1.0, 1.0)

    def allowed(self, work: Work, factor: float) -> float:
        """CPU seconds that it may take at most, where a call may take so many times what is explained."""
        return self._at(work, factor, FACTOR, BESIDE, LITTLE) + factor * _between(work) * self.call

    def _at(self, work: Work, calls: float, other: float, besides: float, little: float) -> float:
        full = _full(work)
        computing = work.flops * self.flop + work.params * self.param + work.letters * self.letter
        beside, small = CALLS * work.samples * self.call, (work.small + work.calls - full) * self.small
        around = work.instructions * self.small / INSTRUCTIONS + work.free * self.free
        return calls * full * self.call + other * computing + besides * beside + little * small + around


def _full(work: Work) -> int:
    more = min(MORE * work.samples, work.flops // FLOPS_A_CALL)
    return min(work.calls, FULL * work.samples + more + work.flops // FLOPS_A_FURTHER)


def _between(work: Work) -> int:
    """Calls that do little or nothing, no more of them than there are full ones."""
    full = _full(work)
    return min(full, work.small + work.free + work.calls - full)


@dataclass(frozen=True, slots=True)
class Machine:
    """What work takes under the Meter, and without it."""

    metered: Calibration
    bare: Calibration

    def or_slower(self, other: Machine) -> Machine:
        """Of each price the higher one."""
        return Machine(_slower(self.metered, other.metered), _slower(self.bare, other.bare))


def _slower(first: Calibration, second: Calibration) -> Calibration:
    return Calibration(*map(max, astuple(first), astuple(second)))


class Recalibrations:
    """What the machine takes later on: it may have become slower since it was calibrated."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._last: tuple[float, Machine] | None = None

    def slower(self, machine: Machine) -> Machine:
        """Of each price the higher one of then and now, by a worker without a plugin."""
        if self._last is None or time.monotonic() - self._last[0] > _LASTS:
            with self._evaluation.worker() as worker:
                now = calibrate(worker, self._evaluation.profile)
            self._last = time.monotonic(), now or machine
        return machine.or_slower(self._last[1])

    def unexplained(
        self, efforts: Sequence[tuple[Effort, float]], machine: Machine, own: Sequence[Effort] = ()
    ) -> Flag | None:
        """A flag for the first of these, each with seconds it may take besides, that what was counted can't explain.

        Nor what the method's `own` efforts, which hide nothing, took for the same. Before one is put the machine
        is calibrated anew: others may have begun to use it.
        """
        over = [(taken, slack) for taken, slack in efforts if unexplained(taken, machine, slack)]
        over = [(taken, slack) for taken, slack in over if not _as_before(taken, own, machine, slack)]
        if not over:
            return None
        slower = self.slower(machine)
        return next(filter(None, (unexplained(taken, slower, slack) for taken, slack in over)), None)

    def confirmed(
        self, taken: Effort, machine: Machine, others: Callable[[], Effort | None], slack: float = SLACK
    ) -> Flag | None:
        """A flag for what can't be explained, unless the same of other samples can be.

        The system's own work shows in CPU times now and then; what a plugin hides it hides in the next samples as well.
        """
        flag = self.unexplained([(taken, slack)], machine)
        more = others() if flag else None
        return None if more and not self.unexplained([(more, slack)], machine) else flag


def calibrate(worker: Worker, profile: Profile) -> Machine | None:
    """Run static sizes in a worker that has no plugin yet, under a profile.

    None where the system shows no CPU times.

    First come calls that cost nothing, calls that cost little, and others, then nearly all arithmetic, then nearly all
    reading of weights; each gives the price of its own, after what the prices before it explain. Then calls once more,
    without the Meter, and texts that are cut into tokens.
    """
    spent: list[tuple[float, Exercised]] = []
    for exercise in (
        Calibrate("free", 20, profile),
        Calibrate("small", 20, profile),
        Calibrate("calls", 150, profile),
        Calibrate("arithmetic", 20, profile),
        Calibrate("weights", 10, profile),
        Calibrate("free", 50, profile, metered=False),
        Calibrate("small", 50, profile, metered=False),
        Calibrate("calls", 300, profile, metered=False),
        Calibrate("letters", 4, profile, metered=False),
    ):
        worker.call(replace(exercise, rounds=2), START_SECONDS)
        before = worker.usage().cpu_seconds
        answer = worker.call(exercise, START_SECONDS)
        after = worker.usage().cpu_seconds
        if before is None or after is None:
            return None
        spent.append((after - before, answer))
    metered, bare = _per_call(*spent[:3]), _per_call(*spent[5:8])
    seconds, counts = spent[3]
    flop = max(0.0, seconds - metered.explained(_work(counts))) / counts.flops
    metered = replace(metered, flop=flop)
    seconds, counts = spent[4]
    param = max(0.0, seconds - metered.explained(_work(counts))) / counts.params
    letter = spent[8][0] / spent[8][1].letters
    prices = {"param": param, "letter": letter}
    return Machine(replace(metered, **prices), replace(bare, flop=flop, **prices))


def unexplained(effort: Effort, machine: Machine, slack: float = SLACK) -> Flag | None:
    """A flag if this CPU time is far more than the counted work explains."""
    rates, factor = (machine.metered, FACTOR) if effort.metered else (machine.bare, BARE)
    if effort.seconds <= effort.loose * rates.allowed(effort.work, factor) + slack:
        return None
    detail = (
        f"{effort.seconds:.2f} CPU seconds over {_samples(effort)}, where the counted work explains "
        f"{rates.explained(effort.work):.2f}: something computed that was not counted"
    )
    return Flag(code="cpu_unexplained", detail=detail)


def _as_before(
    taken: Effort,
    own: Sequence[Effort],
    machine: Machine,
    slack: float,
    times: float = OWN,
    usual: float = OWN_MOST,
) -> bool:
    """Whether an effort is at most so many times what the method takes for such work by others that hide nothing.

    Nor more than `usual` times what others may take.
    """
    rates, factor = (machine.metered, FACTOR) if taken.metered else (machine.bare, BARE)
    most = [
        times * before.seconds * rates.explained(taken.work) / rates.explained(before.work)
        for before in own
        if before.metered == taken.metered and before.work.samples
    ]
    bound = usual * rates.allowed(taken.work, factor)
    return any(taken.seconds <= min(seconds, bound) + slack for seconds in most)


def remembered(early: Effort, settled: Effort, machine: Machine) -> Flag | None:
    """A flag if texts took far more when they were first read, without the Meter, than they take now.

    Neither what was counted explains that, nor twice what they take when nothing is new.
    """
    flag = unexplained(early, machine)
    return None if _as_before(early, [settled], machine, SLACK, times=2, usual=inf) else flag


def _samples(effort: Effort) -> str:
    """How many samples were asked, and how often."""
    often = "" if effort.turns == 1 else f", each asked {effort.turns} times"
    return f"{effort.work.samples // effort.turns} samples{often}"


def forged(metered: Effort, bare: Effort, machine: Machine) -> Flag | None:
    """A flag if calls were told that the Meter, which takes time for each, did not see.

    The efforts are for the same samples, under the Meter and without it.
    """
    turns = metered.work.samples / max(1, bare.work.samples)
    told, taken = replace(metered.work, samples=0, flops=0, params=0), metered.seconds - turns * bare.seconds
    due = machine.metered.explained(told) - machine.bare.explained(told)
    if due < SLACK or taken > due / 4:
        return None
    detail = f"told {told.calls + told.small + told.free:,} calls of operators over {metered.work.samples} samples"
    return Flag(code="cpu_unexplained", detail=f"{detail}, too many for {max(0.0, taken):.2f} CPU seconds of the Meter")


def _per_call(
    free: tuple[float, Exercised], small: tuple[float, Exercised], calls: tuple[float, Exercised]
) -> Calibration:
    """The prices of calls alone."""
    nothing, little = free[0] / free[1].calls.free, small[0] / small[1].calls.small
    seconds, made = calls[0], calls[1].calls
    rest = max(0.0, seconds - nothing * made.free - little * made.small)
    return Calibration(rest / made.full, little, nothing, 0.0, 0.0)


def _work(counts: Exercised) -> Work:
    made = counts.calls
    return Work(0, made.full, counts.flops, counts.params, made.free, made.small)
