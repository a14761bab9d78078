"""The further passes over a measured run, in the order in which they are made: a new one is a module and a row here."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from elue.evaluation.passes import again, explained, ladder, latency, lookup, packs, rungs
from elue.evaluation.passes.context import Context
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Measured, PassResult
from elue.evaluation.stages import Stage


@dataclass(frozen=True, slots=True)
class Pass:
    """A further pass, made where it is `wanted`. Its name is the code of the flag on a run at which it fails.

    `measure` raises WorkerFailure where the model fails at it. In the main stage it finds the context's worker at any
    operating point, or fresh; in the others that one has ended, and the pass takes the share's auditor or stopwatch.
    What it needs beside the run it takes from the context, where it can also keep things until the next run.
    """

    name: str
    measure: Callable[[Context, PlannedRun, Measured], PassResult]
    wanted: Callable[[Context, Measured], bool]
    stage: Stage = "main"


PASSES: tuple[Pass, ...] = (
    Pass("compute", again.measure, lambda context, _: context.evaluation.repeat > 0, "audit"),
    Pass("latency", latency.measure, lambda context, _: context.evaluation.latency > 0, "timed"),
    Pass("packs", packs.count, lambda context, _: context.evaluation.against is not None, "audit"),
    Pass("packs", packs.measure, lambda context, _: context.evaluation.against is not None, "timed"),
    Pass("ladder", ladder.measure, ladder.wanted),
    Pass("rungs", rungs.measure, ladder.wanted, "audit"),
    Pass("explain", explained.measure, lambda context, _: context.evaluation.explain > 0 and context.offers("explain")),
    Pass("looks_up", lookup.measure, lambda context, _: context.evaluation.repeat > 0),
)
