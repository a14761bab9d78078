"""The observed pass: every sample at batch 1 under the Meter."""

from __future__ import annotations

from dataclasses import dataclass

from elue.evaluation.passes.context import Context
from elue.evaluation.passes.traced import mean_claimed
from elue.evaluation.passes.traces import KnownTraces, distinct
from elue.evaluation.passes.values import checked
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Answers
from elue.evaluation.work import Effort, Work, long_letters, of_sample
from elue.meter.counts import Counts
from elue.protocol import Sample, TaskInfo
from elue.worker.frames import CallKinds, Predict
from elue.worker.session import Worker


@dataclass(frozen=True, slots=True)
class Observation:
    """What one sample answered and took, alone under the Meter.

    `trace` is the number of its trace, `calls` are those of operators.
    """

    value: float
    ties: frozenset[int]
    trace: int
    claimed: int | None
    counts: Counts
    calls: CallKinds
    letters: int = 0

    @property
    def work(self) -> Work:
        """What was counted."""
        return of_sample(self.counts, self.calls, self.letters)


def observe(worker: Worker, sample: Sample, seconds: float, info: TaskInfo, known: KnownTraces) -> Observation:
    """Run one sample. Raises WorkerFailure for an answer that is none."""
    answer = worker.call(Predict((sample,)), seconds)
    known.learn(answer.news)
    columns = answer.answers
    return Observation(
        value=checked(columns.values[0], info),
        ties=frozenset(tied for _, classes in columns.ties for tied in classes),
        trace=known.number(columns.traces[0]),
        claimed=columns.claimed[0],
        counts=answer.took,
        calls=answer.kinds,
        letters=long_letters(sample),
    )


def measure(context: Context, run: PlannedRun) -> tuple[Answers, dict[int, frozenset[int]], Effort | None]:
    """Put every sample to the worker, one at a time, in an order and under ids that tell it nothing.

    Returns the measurements, for samples whose best classes are tied which these are, and what all but the first took.
    """
    seconds, info = context.evaluation.sample_seconds, context.evaluation.data.spec.info()
    (total,) = context.configure(run)
    observed: dict[int, Observation] = {}
    before, places = None, context.order()
    for number, place in enumerate(places):
        if number == 1:
            before = context.worker.usage().cpu_seconds
        context.go_on()
        observed[place] = observe(context.worker, context.anonymised(place), seconds, info, context.traces)
        context.progress.sample_done(run)
    after = context.worker.usage().cpu_seconds
    effort = None
    if before is not None and after is not None:
        effort = Effort(after - before, sum((observed[place].work for place in places[1:]), Work()), True)
    rows = [observed[place] for place in range(len(observed))]
    trace_of, traces = distinct(context.traces, [observation.trace for observation in rows])
    answers = Answers(
        values=tuple(observation.value for observation in rows),
        counts=tuple(observation.counts for observation in rows),
        params_total=total,
        trace_of=trace_of,
        traces=traces,
        claimed=mean_claimed([observation.claimed for observation in rows]),
        audited=len(rows),
    )
    return answers, {place: observation.ties for place, observation in enumerate(rows) if observation.ties}, effort
