"""How a run that was done again, on some of its samples or all, compares with its record, part by part."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import asdict

import numpy as np

from elue.record import files as records
from elue.record.schema import Controls, Record, Traffic
from elue.submissions.signing import RunCheck
from elue.tasks.closed import sign_test
from elue.tasks.kinds import KINDS

MAY_DIFFER = 0.005
"""Share of the samples of a run that may come out otherwise: on another processor float32 adds up in another order,
and a decision that hangs by a hair falls the other way."""
CHANCE = 0.01
"""Differences that all but this chance would spread more evenly are no noise: what is changed on purpose is changed in
the record's favour."""
SAME = 1e-6
"""Share by which means over all samples may differ, likewise."""

ALWAYS = (
    "command", "complete", "flags", "flops", "method", "params", "point", "registered", "samples.error",
    "samples.flops", "samples.matmul_flops", "samples.params_touched", "samples.value", "score", "task", "unknown",
)  # fmt: skip
"""Parts of a record that are measured again, or follow from what is, in every run that holds; all others are claims:
times, `environment`, `units` and `explained`, and what is named below where not all samples ran."""
WORDS = {"source_digest": "code", "weights_digest": "weights", "revision": "data"}


def compared(claimed: Record, again: Record, sha256: str, whole: bool) -> RunCheck:
    """What came out, as a sign-off tells it; `whole` where every sample was asked."""
    differ = (0, 0, 0)
    pairs: list[tuple[int, int]] = []
    if again.samples is not None and claimed.samples is not None:
        rows = {name: row for row, name in enumerate(claimed.samples.id)}
        pairs = [(rows[name], row) for row, name in enumerate(again.samples.id) if name in rows]
        differ = _differing(claimed, again, pairs)
    finding = next(_faults(claimed, again, len(pairs), differ), "") or _favoured(claimed, again, pairs)
    return RunCheck(
        key=claimed.key,
        sha256=sha256,
        samples=len(pairs),
        values_differ=differ[0],
        flops_differ=differ[1],
        touched_differ=differ[2],
        holds=not finding,
        finding=finding,
        measured=() if finding else tuple(sorted({*ALWAYS, *_further(claimed, again, whole)})),
        flags=again.flags,
    )


def _differing(claimed: Record, again: Record, pairs: list[tuple[int, int]]) -> tuple[int, int, int]:
    """Of how many samples the answers, the FLOPs and the parameters touched are others."""
    was, now = claimed.samples, again.samples
    assert was is not None
    assert now is not None
    size, same = max(abs(value) for value in was.value), KINDS[claimed.task.kind].same
    values = sum(not same(was.value[a], now.value[b], size) for a, b in pairs)
    flops = sum(was.flops[a] != now.flops[b] or was.matmul_flops[a] != now.matmul_flops[b] for a, b in pairs)
    return values, flops, sum(was.params_touched[a] != now.params_touched[b] for a, b in pairs)


def _favoured(claimed: Record, again: Record, pairs: list[tuple[int, int]]) -> str:
    """That the samples which differ do so in the record's favour, if they do; empty where it may be chance."""
    was, now = claimed.samples, again.samples
    assert was is not None
    assert now is not None
    errors = np.array([(was.error[a], now.error[b]) for a, b in pairs]).reshape(-1, 2)
    better = np.diff(KINDS[claimed.task.kind].wrongness(errors))[:, 0]
    cheaper = [now.flops[b] - was.flops[a] for a, b in pairs]
    for differences, how in ((better, "answered better"), (cheaper, "cheaper")):
        favour, other = sum(gap > SAME for gap in differences), sum(gap < -SAME for gap in differences)
        if sign_test(favour, other) < CHANCE:
            return f"of {favour + other} samples that differ {favour} are {how} in the record, which is no chance"
    return ""


def _faults(claimed: Record, again: Record, asked: int, differ: tuple[int, int, int]) -> Iterator[str]:
    """Why a run does not hold."""
    if again.samples is None or claimed.samples is None:
        yield f"the run ended as {again.status}: {again.reason[:1000]}"
        return
    was, now = asdict(records.identity(claimed)), asdict(records.identity(again))
    wanted = [name for name in was if name not in ("limit", "profile_digest")]
    if others := [WORDS.get(name, name) for name in wanted if was[name] != now[name]]:
        yield f"it was measured with another {', another '.join(others)}"
    if asked < len(again.samples.id):
        yield f"of {len(again.samples.id):,} samples {len(again.samples.id) - asked:,} are not in the record"
    allowed = math.floor(MAY_DIFFER * asked)
    values, flops, touched = differ
    if max(differ) > allowed:
        yield (
            f"of {asked:,} samples {values:,} were answered, {flops:,} cost and {touched:,} touched otherwise; "
            f"{allowed} may be"
        )
    if again.unknown or not again.complete:
        yield f"operators without a rule ran: {', '.join(again.unknown)}"
    if more := sorted(set(again.registered) - set(claimed.registered)):
        yield f"formulas of its own priced {', '.join(more)}, of which the record knows nothing"
    if again.params and claimed.params and again.params.total != claimed.params.total:
        yield f"it has {again.params.total:,} parameters, the record {claimed.params.total:,}"
    told, tells = claimed.weights, again.weights
    if told and tells and records.canonical(told.training) != records.canonical(tells.training):
        yield "its weights were trained otherwise than the record says"
    if again.crossing != claimed.crossing:
        yield f"it is {'a' if again.crossing else 'no'} crossing, and the record says otherwise"
    for name in ("family", "title", "paper", "summary"):
        if getattr(claimed.method, name) != getattr(again.method, name):
            yield f"its {name} is {getattr(again.method, name)[:80]!r}"


def _further(claimed: Record, again: Record, whole: bool) -> Iterator[str]:
    """Parts that came out the same where all samples ran, and what the weights say of their training."""
    if claimed.weights:
        yield "weights"
    if whole and claimed.traffic and again.traffic and _close(_numbers(claimed.traffic), _numbers(again.traffic)):
        yield "traffic"
    if whole and claimed.controls and again.controls and _close(_numbers(claimed.controls), _numbers(again.controls)):
        yield "controls"


def _numbers(part: Traffic | Controls) -> list[float]:
    """The numbers of a part that do not hang on draws."""
    if isinstance(part, Traffic):
        return [part.read_mean, part.written_mean]
    ways = (part.random, part.oracle)
    return [*part.shares, *(number for way in ways for number in (way.score, way.flops_mean)), part.gain]


def _close(numbers: list[float], others: list[float]) -> bool:
    return len(numbers) == len(others) and all(
        math.isclose(number, other, rel_tol=SAME, abs_tol=SAME) for number, other in zip(numbers, others, strict=True)
    )
