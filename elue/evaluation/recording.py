"""Turning the answers of a run into its record: score, totals, provenance, and the command that repeats it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from pydantic import ValidationError

from elue.errors import ElueError
from elue.evaluation.work import Effort
from elue.meter.counts import Counts, total
from elue.meter.profile import Profile
from elue.methods.crossings import crossing_of
from elue.methods.registry import MethodSource
from elue.methods.trained import KIT_NOTE, read
from elue.protocol import Trace
from elue.record import bounds, formulas, schema
from elue.record import files as records
from elue.record.files import Identity
from elue.record.point import point_text
from elue.record.schema import Flag, Flops, Params, Record, Samples, ScoreRef, Times, Traffic
from elue.tasks import PRIVATE, TaskData, metrics
from elue.worker.frames import TRAINING_NOTE


@dataclass(frozen=True, slots=True)
class Answers:
    """Measurements of one run, one entry a sample, in the task's order.

    `trace_of` and `traces` are as in `elue.record.schema.Samples`, `units` as in `elue.record.schema.Record`. `audited`
    samples ran alone under the Meter.
    """

    values: tuple[float, ...]
    counts: tuple[Counts, ...]
    params_total: int
    trace_of: tuple[int, ...] = ()
    traces: tuple[Trace, ...] = ()
    claimed: float | None = None
    units: Mapping[str, float] = field(default_factory=dict)
    audited: int = 0

    @property
    def total(self) -> Counts:
        """What all samples took together."""
        return total(self.counts)


Ties = Mapping[int, frozenset[int]]
"""Of samples whose best classes are tied, by place: which classes these are."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the main pass over a run gave, and the share of its time that is this run's.

    `efforts` are what the passes of its worker took, as far as that is audited.
    """

    answers: Answers
    ties: Ties
    wall: float
    cpu: float | None
    efforts: tuple[Effort, ...] = ()


@dataclass(frozen=True, slots=True)
class PassResult:
    """What a further pass found: its part of the record, by name, and flags.

    A name in `elue.record.schema.PARTS` is that field of the record; any other goes into its `measurements`.
    """

    parts: Mapping[str, Any] = field(default_factory=dict)
    flags: tuple[Flag, ...] = ()

    def __add__(self, other: PassResult) -> PassResult:
        return PassResult({**self.parts, **other.parts}, self.flags + other.flags)


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `answers` is None unless the status is "ok"."""

    status: str
    reason: str
    answers: Answers | None
    environment: dict[str, Any]
    times: Times
    measure: Literal["observed", "traced"]
    result: PassResult = field(default_factory=PassResult)


def make_record(
    method: MethodSource,
    data: TaskData,
    profile: Profile,
    weights: Path | None,
    identity: Identity,
    outcome: Outcome,
) -> Record:
    """The record of a run that has ended, well or badly; badly too where no record can hold what came out."""
    try:
        return _record(method, data, profile, weights, identity, outcome)
    except (ValidationError, OverflowError, ZeroDivisionError) as error:
        wrong = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
        reason = f"answered what no record can hold ({wrong[:200]})"
        spoilt = replace(outcome, status="invalid", reason=reason, answers=None, result=PassResult())
        return _record(method, data, profile, weights, identity, spoilt)


def _record(
    method: MethodSource,
    data: TaskData,
    profile: Profile,
    weights: Path | None,
    identity: Identity,
    outcome: Outcome,
) -> Record:
    answers, result = outcome.answers, outcome.result
    took = answers.total if answers else Counts()
    unknown = dict(sorted(took.unknown.items()))
    document = {
        "schema": schema.SCHEMA,
        "key": identity.key,
        "method": {
            "name": method.name,
            "family": method.family,
            "title": method.title,
            "paper": method.paper,
            "summary": method.summary,
            "source_digest": identity.source_digest,
            "distribution": _distribution(method),
        },
        "weights": {"digest": identity.weights_digest, "training": training_of(weights)} if weights else None,
        "task": {
            "name": data.spec.name,
            "title": data.spec.title,
            "kind": data.spec.kind,
            "split": identity.split,
            "revision": identity.revision,
            "metric": data.spec.metric,
            "size": len(data.samples),
            "limit": identity.limit,
        },
        "point": dict(identity.point),
        "crossing": crossing_of(method, data.spec.kind, identity.point),
        "seed": identity.seed,
        "measure": outcome.measure,
        "audited": answers.audited if answers else 0,
        "profile": {"name": profile.name, "digest": identity.profile_digest},
        "status": outcome.status,
        "reason": outcome.reason or (gap(unknown) if unknown else ""),
        "complete": outcome.status == "ok" and not unknown,
        "unknown": unknown,
        "registered": dict(sorted(took.registered.items())),
        "flags": (*result.flags, *_underpriced(took), *_uncounted(answers)),
        "trust": "self_reported",
        "score": _score(data, answers) if answers else None,
        "flops": _flops(answers) if answers else None,
        "params": _params(answers) if answers else None,
        "claimed": answers.claimed if answers else None,
        "units": dict(sorted(answers.units.items())) if answers else {},
        "traffic": _traffic(took, len(answers.values)) if answers else None,
        "measurements": _measurements(took, result),
        "environment": outcome.environment,
        "times": outcome.times,
        "command": command(identity, profile),
        "samples": _samples(data, answers) if answers else None,
        **{name: part for name, part in result.parts.items() if name in schema.PARTS},
    }
    return Record.model_validate(document)


def _measurements(took: Counts, result: PassResult) -> dict[str, Any]:
    """What further passes measured, and of calls that a formula of the plugin's own priced whether it was counted."""
    parts = {name: part for name, part in result.parts.items() if name not in schema.PARTS}
    if calls := sum(took.registered.values()):
        parts[formulas.NAME] = {"calls": calls, "counted": took.bodied, "underpriced": took.underpriced}
    return dict(sorted(parts.items()))


def _underpriced(took: Counts) -> tuple[Flag, ...]:
    """A flag where formulas of the plugin's own say less than what they price takes."""
    if not took.underpriced:
        return ()
    detail = (
        f"formulas of its own ({', '.join(sorted(took.registered))}) say less than what they price takes in "
        f"{took.underpriced:,} of {took.bodied:,} calls: what it takes was counted"
    )
    return (Flag(code="formula_underpriced", detail=detail[:1000]),)


def _uncounted(answers: Answers | None) -> tuple[Flag, ...]:
    """A flag where texts are told apart, and nothing that was counted can have done it."""
    if answers is None or any(counts.flops for counts in answers.counts) or len(set(answers.values)) < 2:
        return ()
    detail = f"{len(set(answers.values))} different answers, and none took a FLOP: what decides is not counted"
    return (Flag(code="nothing_counted", detail=detail),)


def gap(unknown: Iterable[str]) -> str:
    """What makes a count incomplete, and how to mend it."""
    return (
        f"incomplete, so never ranked: no rule for {', '.join(unknown)}. Price operators of your own in the plugin: "
        "elue.meter.register_formula('namespace::name', lambda costs, args, kwargs, result: (products, rest))"
    )


def command(identity: Identity, profile: Profile) -> str:
    """The command that makes a record again; WEIGHTS, STATIC_WEIGHTS and PRIVATE stand for folders."""
    words = ["elue", "evaluate", identity.method, "--task", identity.task]
    words += ["--private", "PRIVATE"] if identity.split == PRIVATE else ["--split", identity.split]
    if identity.point:
        words += ["--point", point_text(identity.point)]
    if identity.weights_digest:
        words += ["--weights", "WEIGHTS"]
    words += ["--profile", profile.name, "--seed", str(identity.seed)]
    if profile.conditions.tokens:
        words += ["--against", "STATIC_WEIGHTS"]
    if identity.limit is not None:
        words += ["--limit", str(identity.limit)]
    return shlex.join(words)


def training_of(weights: Path | None) -> dict[str, Any] | None:
    """What a weights folder says of its training, without the sweeps: every record has its own point.

    Of `crossings` it keeps the rules that the weights can't be asked by, with the reason.
    """
    notes = [weights / name for name in (KIT_NOTE, TRAINING_NOTE)] if weights else []
    about = next((note for note in notes if note.is_file()), None)
    if about is None:
        return None
    try:
        document = json.loads(records.text_of(about))
    except (ValueError, RecursionError, ElueError):
        return None
    if not isinstance(document, dict):
        return None
    document.pop("points", None)
    if isinstance(crossings := document.pop("crossings", None), dict):
        document["crossings"] = {rule: why for rule, why in crossings.items() if isinstance(why, str)}
    if label := (read(weights) or {}).get("label") if weights else None:
        document["label"] = label
    return None if bounds.fault(document) else document


def _distribution(method: MethodSource) -> dict[str, str] | None:
    return dict(zip(("name", "version"), method.distribution, strict=True)) if method.distribution else None


def _score(data: TaskData, answers: Answers) -> ScoreRef:
    score = metrics.measure(data.spec.metric, data.labels, answers.values, seed=0)
    return ScoreRef(name=score.name, value=score.value, low=score.low, high=score.high)


def _flops(answers: Answers) -> Flops:
    flops = np.asarray([counts.flops for counts in answers.counts], dtype=np.float64)
    p50, p95 = (float(q) for q in np.percentile(flops, [50, 95]))
    matmul = float(np.mean([counts.matmul_flops for counts in answers.counts]))
    return Flops(mean=float(flops.mean()), p50=p50, p95=p95, max=float(flops.max()), matmul_mean=matmul)


def _params(answers: Answers) -> Params:
    touched = float(np.mean([counts.params_touched for counts in answers.counts]))
    return Params(total=answers.params_total, touched_mean=touched)


def _traffic(took: Counts, samples: int) -> Traffic:
    return Traffic(read_mean=took.bytes_read / samples, written_mean=took.bytes_written / samples)


def _samples(data: TaskData, answers: Answers) -> Samples:
    return Samples(
        id=tuple(sample.id for sample in data.samples),
        value=answers.values,
        error=metrics.errors(data.spec.metric, data.labels, answers.values),
        flops=tuple(counts.flops for counts in answers.counts),
        matmul_flops=tuple(counts.matmul_flops for counts in answers.counts),
        params_touched=tuple(counts.params_touched for counts in answers.counts),
        trace_of=answers.trace_of,
        traces=answers.traces,
    )
