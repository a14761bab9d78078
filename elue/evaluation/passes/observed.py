"""The observed pass: every sample at batch 1 under the Meter."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass

from elue.evaluation.passes import checks
from elue.evaluation.passes.context import Context
from elue.evaluation.passes.traced import mean_declared
from elue.evaluation.passes.traces import Paths, distinct
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Answers
from elue.protocol import Sample, TaskInfo
from elue.record.schema import Traffic
from elue.worker.session import Worker


@dataclass(frozen=True, slots=True)
class Observation:
    """What one sample answered and took, alone under the Meter. `path` is its trace's number."""

    value: float
    ties: frozenset[int]
    path: int
    declared: int | None
    flops: int
    matmul_flops: int
    params_touched: int
    unknown: Mapping[str, int]
    registered: Mapping[str, int]
    bytes_read: int
    bytes_written: int
    calls: int


def observe(worker: Worker, sample: Sample, seconds: float, info: TaskInfo, paths: Paths) -> Observation:
    """Run one sample. Raises WorkerFailure for an answer that is none."""
    answer = worker.call("predict", seconds, samples=[asdict(sample)])
    paths.learn(answer)
    (prediction,) = checks.predictions(answer, [sample.id])
    return Observation(
        value=checks.value(prediction.get("value"), info),
        ties=frozenset(classes for _, tied in checks.ties([[0, prediction.get("ties")]], 1) for classes in tied),
        path=paths.number(prediction.get("path")),
        declared=checks.claim(prediction.get("declared")),
        flops=checks.count(answer, "flops"),
        matmul_flops=checks.count(answer, "matmul_flops"),
        params_touched=checks.count(answer, "params_touched"),
        unknown=checks.calls(answer, "unknown"),
        registered=checks.calls(answer, "registered"),
        bytes_read=checks.count(answer, "bytes_read"),
        bytes_written=checks.count(answer, "bytes_written"),
        calls=checks.count(answer, "calls"),
    )


def measure(context: Context, run: PlannedRun) -> tuple[Answers, dict[int, frozenset[int]], Traffic]:
    """Put every sample to the worker, one at a time, in an order and under ids that tell it nothing.

    Returns the measurements, for samples whose best classes are tied which these are, and the bytes moved.
    """
    seconds, info = context.evaluation.sample_seconds, context.evaluation.data.spec.info()
    total = context.configure(run)
    found: dict[int, Observation] = {}
    calls: dict[str, Counter[str]] = {"unknown": Counter(), "registered": Counter()}
    for place in context.order():
        context.go_on()
        one = found[place] = observe(context.worker, context.veiled(place), seconds, info, context.paths)
        calls["unknown"].update(one.unknown)
        calls["registered"].update(one.registered)
        context.progress.sample_done(run)
    rows = [found[place] for place in range(len(found))]
    path, told = distinct(context.paths, [one.path for one in rows])
    answers = Answers(
        values=tuple(one.value for one in rows),
        flops=tuple(one.flops for one in rows),
        matmul_flops=tuple(one.matmul_flops for one in rows),
        params_touched=tuple(one.params_touched for one in rows),
        unknown=calls["unknown"],
        params_total=total,
        registered=calls["registered"],
        path=path,
        paths=told,
        declared=mean_declared([one.declared for one in rows]),
        audited=len(rows),
    )
    read, written = (sum(getattr(one, name) for one in rows) for name in ("bytes_read", "bytes_written"))
    traffic = Traffic(read_mean=read / len(rows), written_mean=written / len(rows))
    return answers, {place: one.ties for place, one in enumerate(rows) if one.ties}, traffic
