"""The compute audits: samples asked again in a process that never saw them, in another order, once more, and bare.

What a sample is answered and costs must not depend on when, after what and how often it is asked, and the CPU time
that takes, as the system tells it, must be what the counted work explains. That is judged without the Meter, on texts
that are new to the process and on texts that are not; what a Meter takes depends too much on the code around it to be
held to as little. Findings are flags on the run.
"""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import cycle, islice

from elue.evaluation.passes import bare, effort
from elue.evaluation.passes.audit import Auditor
from elue.evaluation.passes.context import Context
from elue.evaluation.passes.effort import Machine
from elue.evaluation.passes.observed import Observation, observe
from elue.evaluation.passes.traced import differs
from elue.evaluation.passes.traces import KnownTraces
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Measured, PassResult
from elue.evaluation.request import Evaluation
from elue.evaluation.work import Effort, Work
from elue.meter.counts import Counts
from elue.record.schema import Flag
from elue.worker.frames import Configure
from elue.worker.session import Worker


class Repeats:
    """Which samples are asked again: all have their turn before one comes a second time.

    So what a method remembers of one operating point cannot show at the next.
    """

    def __init__(self, evaluation: Evaluation) -> None:
        places = list(range(len(evaluation.data.samples)))
        random.Random(f"repeat {evaluation.seed}").shuffle(places)
        self._places, self._most = cycle(places), min(evaluation.repeat, len(places))
        self._new = len(places)

    def next(self) -> list[int]:
        """The places of those for the next run."""
        self._new -= self._most
        return list(islice(self._places, self._most))

    def unseen(self) -> list[int]:
        """The same of samples that no run asked yet; none where there are too few."""
        return self.next() if self._new >= self._most else []


def measure(context: Context, run: PlannedRun, measured: Measured) -> PassResult:
    """All findings about a run. Raises WorkerFailure where the model fails at being asked again."""
    evaluation, places = context.evaluation, context.of_share(Repeats).next()
    answers, ties = measured.answers, measured.ties
    auditor = context.of_share(Auditor)
    machine, worker = auditor.machine(), auditor.started().worker
    worker.call(Configure((run.identity.point,), evaluation.seed), evaluation.sample_seconds)
    known = KnownTraces()
    fresh = places[: len(places) // 2]
    early = bare.seconds(context, worker, fresh)
    first, spent = _ask(context, worker, places, known)
    second, more = _ask(context, worker, places, known)
    changed = {place: differs(asked.value, answers, ties, place) for place, asked in first.items()}
    counted = {place: (answers.values[place], answers.counts[place]) for place in places}
    flags = [_differing(context, "order_differs", "another order in a fresh process", counted, first, changed)]
    before = {place: (asked.value, asked.counts) for place, asked in first.items()}
    changed = {place: asked.value != first[place].value for place, asked in second.items()}
    flags.append(_differing(context, "repeat_differs", "a second time", before, second, changed))
    flags += bare.differing(context, second, settled := bare.ask(context, worker, second, machine))
    if machine is not None and spent is not None and more is not None:
        work = sum((asked.work for turn in (first, second) for asked in turn.values()), Work())
        metered = Effort(spent + more, work, True, 2, effort.LOOSE)
        machines = context.of_share(effort.Recalibrations)
        hidden = machines.confirmed(metered, machine, partial(_others, context, worker, known))
        own, told = [metered], None
        if settled.effort and not hidden:
            told = effort.forged(metered, settled.effort, machine)
            looked, hidden = _hidden(context, worker, second, settled.effort, machine, known)
            own.append(looked)
            if early is not None and not hidden:
                new = Effort(early, sum((first[place].work for place in fresh), Work()), False)
                hidden = effort.remembered(new, looked, machine)
        efforts = [(taken, effort.SLACK) for taken in measured.efforts]
        flags.append(hidden or machines.unexplained(efforts, machine, own) or told)
    return PassResult(flags=tuple(flag for flag in flags if flag is not None))


def _hidden(
    context: Context,
    worker: Worker,
    observed: Mapping[int, Observation],
    settled: Effort,
    machine: Machine,
    known: KnownTraces,
) -> tuple[Effort, Flag | None]:
    """A flag for what samples take without the Meter and nothing explains; and what they took and what was looked at.

    Only where the count does not explain it the Python around the operators is looked at.
    """
    around = Work()
    if effort.unexplained(settled, machine, effort.SETTLED):
        around = bare.around(context, worker, observed, machine)
        settled = replace(settled, work=settled.work + around * settled.turns)
    others = partial(_others, context, worker, known, machine, around)
    machines = context.of_share(effort.Recalibrations)
    return settled, machines.confirmed(settled, machine, others, effort.SETTLED)


def _others(
    context: Context, worker: Worker, known: KnownTraces, bare_on: Machine | None = None, around: Work | None = None
) -> Effort | None:
    """What samples that no run asked yet take under the Meter, or without it; None where there are too few.

    Without it they may run as much Python `around` operators as as many others did.
    """
    places = context.of_share(Repeats).unseen()
    asked, spent = _ask(context, worker, places, known) if places else ({}, None)
    if bare_on is not None:
        taken = bare.ask(context, worker, asked, bare_on).effort if asked else None
        return taken and replace(taken, work=taken.work + (around or Work()) * taken.turns)
    work = sum((observation.work for observation in asked.values()), Work())
    return None if spent is None else Effort(spent, work, True, loose=effort.LOOSE)


def _ask(
    context: Context, worker: Worker, places: Sequence[int], known: KnownTraces
) -> tuple[dict[int, Observation], float | None]:
    """Put samples to the worker: what each gave, and CPU seconds of all. The first is asked before, to warm up."""
    seconds, info = context.evaluation.sample_seconds, context.evaluation.data.spec.info()
    asked: dict[int, Observation] = {}
    before = None
    for number, place in enumerate([places[0], *places]):
        context.go_on()
        if number == 1:
            before = worker.usage().cpu_seconds
        observation = observe(worker, context.anonymised(place), seconds, info, known)
        asked.setdefault(place, observation)
    after = worker.usage().cpu_seconds
    return asked, None if before is None or after is None else after - before


def _differing(
    context: Context,
    code: str,
    how: str,
    before: Mapping[int, tuple[float, Counts]],
    now: Mapping[int, Observation],
    changed: Mapping[int, bool],
) -> Flag | None:
    """A flag where samples are answered otherwise than before, or cost otherwise."""
    dearer = {place: _dearer(before[place][1], observation.counts) for place, observation in now.items()}
    places = [place for place in now if changed[place] or dearer[place]]
    if not places:
        return None
    (value, counts), observation = before[places[0]], now[places[0]]
    detail = (
        f"asked {how}, {sum(changed.values())} of {len(now)} samples are answered otherwise and {sum(dearer.values())} "
        f"cost otherwise; the first, '{context.evaluation.data.samples[places[0]].id}': {value:g} at "
        f"{counts.flops:,} FLOPs, then {observation.value:g} at {observation.counts.flops:,}"
    )
    return Flag(code=code, detail=detail)


def _dearer(before: Counts, now: Counts) -> bool:
    return (now.flops, now.matmul_flops) != (before.flops, before.matmul_flops)
