"""The observed pass: every sample at batch 1 under the Meter."""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict

from elue.passes import checks
from elue.passes.context import Context
from elue.plan import PlannedRun
from elue.recording import Answers
from elue.schema import Traffic


def measure(context: Context, run: PlannedRun) -> Answers:
    """Put every sample to the worker, one at a time, in an order and under ids that tell it nothing."""
    evaluation = context.evaluation
    info = evaluation.data.spec.info()
    configured = context.configure(run)
    rows: dict[int, tuple[float, int, int, int]] = {}
    unknown: Counter[str] = Counter()
    registered: Counter[str] = Counter()
    read = written = 0
    for index in context.order():
        context.go_on()
        sample = context.veiled(index)
        answer = context.worker.call("predict", evaluation.sample_seconds, samples=[asdict(sample)])
        (prediction,) = checks.predictions(answer, [sample.id])
        counts = (checks.count(answer, name) for name in ("flops", "matmul_flops", "params_touched"))
        flops, matmul_flops, touched = counts
        rows[index] = checks.value(prediction.get("value"), info), flops, matmul_flops, touched
        unknown.update(checks.calls(answer, "unknown"))
        registered.update(checks.calls(answer, "registered"))
        read += checks.count(answer, "bytes_read")
        written += checks.count(answer, "bytes_written")
        context.progress.sample_done(run)
    values, flops_, matmul, params = zip(*(rows[index] for index in range(len(rows))), strict=True)
    total = checks.count(configured, "params_total")
    traffic = Traffic(read_mean=read / len(rows), written_mean=written / len(rows))
    return Answers(values, flops_, matmul, params, unknown, total, registered, traffic)
