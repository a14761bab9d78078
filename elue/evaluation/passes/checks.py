"""Looks at all that a worker sends: one that a plugin has taken over can send anything.

Every function raises WorkerFailure "invalid", naming what is wrong.
"""

from __future__ import annotations

import reprlib
from collections.abc import Mapping, Sequence
from typing import Any

from elue.meter.counts import Counts
from elue.protocol import Step, TaskInfo
from elue.record.trace import step_of
from elue.worker.failure import WorkerFailure

CLOSE = 1e-4
"""By how much a number may differ between a batch and a sample alone, relative above 1. No two labels are so close."""


def close(one: float, other: float) -> bool:
    """Whether two answers are the same but for float noise."""
    return abs(one - other) <= CLOSE * max(1.0, abs(one))


def predictions(answer: Mapping[str, Any], ids: Sequence[str]) -> list[dict[str, Any]]:
    """The predictions of an answer, one for each opaque id, in order."""
    rows = answer.get("predictions")
    if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise WorkerFailure("invalid", "sent no list of predictions")
    if [row.get("id") for row in rows] != list(ids):
        raise WorkerFailure("invalid", "answered missing, repeated or unknown ids")
    return rows


def value(answered: Any, info: TaskInfo) -> float:
    """A predicted value: a label index or a number."""
    if isinstance(answered, bool) or not isinstance(answered, int | float):
        raise WorkerFailure("invalid", f"answered {answered!r}, which is no number")
    if info.kind == "classification" and answered not in range(info.outputs):
        raise WorkerFailure("invalid", f"answered {answered!r}, which is no label index")
    return float(answered)


def count(answer: Mapping[str, Any], name: str) -> int:
    """A count from 0 up."""
    found = answer.get(name)
    if isinstance(found, bool) or not isinstance(found, int) or found < 0:
        raise WorkerFailure("invalid", f"reported {found!r} where a count belongs")
    return found


def calls(answer: Mapping[str, Any], name: str) -> dict[str, int]:
    """Numbers of calls by operator."""
    found = answer.get(name)
    if not isinstance(found, dict):
        raise WorkerFailure("invalid", f"reported {found!r} where calls by operator belong")
    return {str(operator): count(found, operator) for operator in found}


def counts(answer: Any) -> Counts:
    """All that something took."""
    if not isinstance(answer, dict):
        raise WorkerFailure("invalid", f"reported {reprlib.repr(answer)} where counts belong")
    return Counts(
        flops=count(answer, "flops"),
        matmul_flops=count(answer, "matmul_flops"),
        params_touched=count(answer, "params_touched"),
        bytes_read=count(answer, "bytes_read"),
        bytes_written=count(answer, "bytes_written"),
        unknown=calls(answer, "unknown"),
        registered=calls(answer, "registered"),
    )


def step(sent: Any) -> Step:
    """A step of a trace."""
    try:
        return step_of(sent)
    except ValueError as error:
        raise WorkerFailure("invalid", f"sent a trace in which {error}") from None


def rehearsed(sent: Any) -> tuple[str, tuple[int, ...], int]:
    """Unit, shape and FLOPs of a step that was rehearsed."""
    match sent:
        case [unit, shape, flops]:
            ran = step([unit, shape, 1])
            return ran.unit, ran.shape, count({"flops": flops}, "flops")
    raise WorkerFailure("invalid", "sent no prices")


def seconds(answer: Mapping[str, Any], name: str, number: int) -> list[float]:
    """So many times, each more than nothing."""
    found = answer.get(name)
    if not isinstance(found, list) or len(found) != number:
        raise WorkerFailure("invalid", f"reported {found!r} where {number} times belong")
    if not all(isinstance(each, float) and 0 < each < float("inf") for each in found):
        raise WorkerFailure("invalid", f"reported {found!r} where times belong")
    return found


def column(answer: Mapping[str, Any], name: str, size: int) -> list[Any]:
    """A list with one entry a sample."""
    found = answer.get(name)
    if not isinstance(found, list) or len(found) != size:
        raise WorkerFailure("invalid", f"sent no {name} for {size} samples")
    return found


def claim(sent: Any) -> int | None:
    """The FLOPs that a method claims for a sample, if it does."""
    return None if sent is None else count({"declared": sent}, "declared")


def ties(sent: Any, size: int) -> list[tuple[int, frozenset[int]]]:
    """Of a batch of samples those whose best classes are tied: where each stands, and these classes."""
    if not isinstance(sent, list):
        raise WorkerFailure("invalid", "sent no list of ties")
    found = []
    for pair in sent:
        match pair:
            case [int(within), list(classes)] if 0 <= within < size and all(type(each) is int for each in classes):
                found.append((within, frozenset(classes)))
            case _:
                raise WorkerFailure("invalid", "sent a tie of no sample")
    return found
