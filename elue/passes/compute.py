"""The compute audits: samples asked again in a process that never saw them, in another order, and once more.

What a sample is answered and costs must not depend on when, after what and how often it is asked, and the CPU time
that takes, as the system tells it, must be what the counted work explains. Findings are flags on the run.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import asdict, dataclass
from itertools import cycle, islice
from typing import Any

from elue.errors import ElueError
from elue.passes import checks, effort
from elue.passes.context import Context, Evaluation
from elue.passes.effort import Calibration, Work
from elue.plan import PlannedRun
from elue.recording import Answers
from elue.schema import Flag
from elue.worker.session import Worker, WorkerFailure


@dataclass(frozen=True, slots=True)
class _Asked:
    value: float
    flops: int
    matmul_flops: int
    calls: int
    params: int


class Auditor:
    """A worker of its own that repeats some samples of every run of a sweep.

    It goes through all samples before it takes one a second time, so that what a method remembers of one operating
    point cannot show at the next. It starts at the first audit; its machine is calibrated before the plugin is there.
    """

    def __init__(
        self, evaluation: Evaluation, start: Callable[[], Worker], begin: Callable[[Worker, Evaluation], Any]
    ) -> None:
        self.evaluation = evaluation
        self._start, self._begin = start, begin
        self._worker: Worker | None = None
        self._calibration: Calibration | None = None
        places = list(range(len(evaluation.data.samples)))
        random.Random(f"audit {evaluation.seed}").shuffle(places)
        self._places = cycle(places)

    def audit(self, context: Context, run: PlannedRun, answers: Answers, cpu_seconds: float | None) -> list[Flag]:
        """All findings about a run. `cpu_seconds` are those of its counted pass, None where they are not its alone."""
        size = len(self.evaluation.data.samples)
        places = list(islice(self._places, min(self.evaluation.repeat, size)))
        try:
            worker = self._ready()
            worker.call(
                "configure",
                self.evaluation.sample_seconds,
                point=dict(run.identity.point),
                seed=self.evaluation.seed,
            )
            first, spent = self._ask(context, worker, places)
            second, more = self._ask(context, worker, places)
        except WorkerFailure as failure:
            self.close()
            return [Flag(code="audit_failed", detail=f"{failure.status}: {failure.reason}"[:500])]
        except ElueError as error:
            self.close()
            return [Flag(code="audit_failed", detail=error.message[:500])]
        counted = {
            place: _Asked(answers.values[place], answers.flops[place], answers.matmul_flops[place], 0, 0)
            for place in places
        }
        found = [
            self._differing("order_differs", "another order in a fresh process", counted, first),
            self._differing("repeat_differs", "a second time", first, second),
        ]
        if self._calibration is not None and None not in (spent, more):
            work = _work(first) + _work(second)
            found.append(effort.unexplained((spent or 0) + (more or 0), work, self._calibration))
            if cpu_seconds is not None and found[-1] is None:
                calls = round(sum(each.calls for each in first.values()) / len(first) * size)
                whole = Work(size, calls, sum(answers.flops), sum(answers.params_touched))
                found.append(effort.unexplained(cpu_seconds, whole, self._calibration))
        return [flag for flag in found if flag is not None]

    def close(self) -> None:
        """End the worker, if there is one."""
        if self._worker is not None:
            self._worker.close()
            self._worker = None

    def _ready(self) -> Worker:
        if self._worker is None:
            self._worker = self._start()
            self._calibration = effort.calibrate(self._worker, asdict(self.evaluation.profile))
            self._begin(self._worker, self.evaluation)
        return self._worker

    def _ask(self, context: Context, worker: Worker, places: list[int]) -> tuple[dict[int, _Asked], float | None]:
        """Put samples to the worker: what each gave, and CPU seconds of all. The first is asked before, to warm up."""
        asked: dict[int, _Asked] = {}
        info, before = self.evaluation.data.spec.info(), None
        for number, place in enumerate([places[0], *places]):
            context.go_on()
            if number == 1:
                before = worker.usage().cpu_seconds
            sample = context.veiled(place)
            answer = worker.call("predict", self.evaluation.sample_seconds, samples=[asdict(sample)])
            (prediction,) = checks.predictions(answer, [sample.id])
            names = ("flops", "matmul_flops", "calls", "params_touched")
            counts = (checks.count(answer, name) for name in names)
            this = _Asked(checks.value(prediction.get("value"), info), *counts)
            asked.setdefault(place, this)
        after = worker.usage().cpu_seconds
        return asked, None if before is None or after is None else after - before

    def _differing(self, code: str, how: str, before: dict[int, _Asked], now: dict[int, _Asked]) -> Flag | None:
        info = self.evaluation.data.spec.info()
        answer = cost = 0
        where = None
        for place, was in before.items():
            is_now = now[place]
            changed = not checks.same(is_now.value, was.value, info)
            dearer = (is_now.flops, is_now.matmul_flops) != (was.flops, was.matmul_flops)
            answer, cost = answer + changed, cost + dearer
            if where is None and (changed or dearer):
                where = (self.evaluation.data.samples[place].id, was, is_now)
        if where is None:
            return None
        name, was, is_now = where
        detail = (
            f"asked {how}, {answer} of {len(before)} samples are answered otherwise and {cost} cost otherwise; "
            f"the first, '{name}': {was.value:g} at {was.flops:,} FLOPs, then {is_now.value:g} at {is_now.flops:,}"
        )
        return Flag(code=code, detail=detail)


def _work(asked: dict[int, _Asked]) -> Work:
    return sum((Work(1, each.calls, each.flops, each.params) for each in asked.values()), Work())
