"""What a finished run lacks of an evaluation: what an earlier one left out, or did otherwise, is made up for."""

from __future__ import annotations

from elue.evaluation.request import Evaluation
from elue.record.schema import Record

ASKED_AGAIN = "asked_again"
"""The measurement that says how many samples were asked again."""


def lacks(evaluation: Evaluation, record: Record) -> str:
    """In words, empty for nothing. What was tried and failed, as a flag says, is not lacking.

    Records from before they told how many samples were asked again are taken to have all.
    """
    metric = evaluation.data.spec.metric
    if record.task.metric != metric:
        return f"it was scored by {record.task.metric}, not by {metric}"
    size, tried = len(evaluation.data.samples), {flag.code for flag in record.flags}
    timed, wanted = record.latency.samples if record.latency else 0, min(evaluation.latency, size)
    if timed < wanted and "latency" not in tried:
        return f"timed on {timed} samples, not {wanted}"
    again, wanted = record.measurements.get(ASKED_AGAIN), min(evaluation.repeat, size)
    if isinstance(again, int) and again < wanted and "compute" not in tried:
        return f"asked again on {again} samples, not {wanted}"
    wanted = size if evaluation.audit is None else min(evaluation.audit, size)
    if record.measure == "traced" and record.audited < wanted:
        return f"audited on {record.audited} samples, not {wanted}"
    if evaluation.against is not None and record.batch is None and "packs" not in tried:
        return "not compared with the static model in packs"
    if evaluation.measure is not None and record.measure != evaluation.measure:
        return f"measured {record.measure}, not {evaluation.measure}"
    return ""
