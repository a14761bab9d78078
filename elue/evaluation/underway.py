"""A run on its way through the stages: what was measured, what passes found, and the record that it ends in."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from elue.evaluation.lacking import ASKED_AGAIN
from elue.evaluation.passes import table
from elue.evaluation.passes.context import Context
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Measured, Outcome, PassResult, make_record
from elue.evaluation.request import Evaluation, Measure
from elue.evaluation.stages import Stage
from elue.record.schema import Flag, Record, Times
from elue.worker.failure import WorkerFailure


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _repeated(asked: Evaluation) -> PassResult:
    """How many samples the compute audits ask again, of runs that get through them: so who left them out is seen."""
    return PassResult({ASKED_AGAIN: min(asked.repeat, len(asked.data.samples))})


@dataclass(slots=True)
class Underway:
    """One run. `measured` is None where it failed before, `context` the one it was measured in.

    `results` are those of its passes by their names, and `wall` the seconds that all took so far.
    """

    run: PlannedRun
    flags: tuple[Flag, ...] = ()
    started: str = field(default_factory=_now)
    measured: Measured | None = None
    context: Context | None = None
    failure: WorkerFailure | None = None
    results: dict[str, PassResult] = field(default_factory=dict)
    wall: float = 0.0
    memory: int | None = None

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Do something for it: the time counts, and where a worker fails that is how the run ends."""
        clock = time.monotonic()
        try:
            yield
        except WorkerFailure as failure:
            self.failure = failure
        finally:
            self.wall += time.monotonic() - clock

    @property
    def goes_on(self) -> bool:
        """Whether it was measured, and nothing has ended it yet."""
        return self.measured is not None and self.failure is None

    def rows(self, stage: Stage) -> list[table.Pass]:
        """The passes of a stage that this run is to go through."""
        context, measured = self.context, self.measured
        if context is None or measured is None:
            return []
        return [row for row in table.PASSES if row.stage == stage and row.wanted(context, measured)]

    def take(self, name: str, result: PassResult) -> None:
        """Keep what a pass found."""
        self.results[name] = self.results.get(name, PassResult()) + result

    def spend(self, context: Context | None) -> None:
        """Have audited what passes in a context took."""
        if self.measured is not None and context is not None:
            self.measured = replace(self.measured, efforts=(*self.measured.efforts, *context.spent))
            context.spent.clear()

    @property
    def result(self) -> PassResult:
        """All that passes found, in the order of their table."""
        whole = PassResult(flags=self.flags)
        for name in dict.fromkeys(row.name for row in table.PASSES):
            whole += self.results.get(name, PassResult())
        return whole

    def record(self, asked: Evaluation, environment: dict[str, Any], measure: Measure) -> Record:
        """The record of the run as it ended."""
        failure, measured = self.failure, self.measured
        status, reason = "ok", ""
        if failure is not None:
            status, reason = failure.status, f"{failure.reason} (log: logs/{asked.log.name})"
        times = Times(
            started=self.started,
            wall_seconds=round(self.wall, 3),
            cpu_seconds=measured.cpu if measured else None,
            peak_memory_bytes=self.memory,
        )
        sound = measured is not None and failure is None
        outcome = Outcome(
            status=status,
            reason=reason,
            answers=measured.answers if measured is not None and sound else None,
            environment={**environment, "label": asked.label} if asked.label else environment,
            times=times,
            measure=measure,
            result=self.result + _repeated(asked) if sound else PassResult(),
        )
        return make_record(asked.method, asked.data, asked.profile, asked.weights, self.run.identity, outcome)
