"""Turning the answers of a run into its record: score, totals, provenance, and the command that repeats it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np

from elue.meter.profile import Profile
from elue.methods.registry import MethodSource
from elue.protocol import Knob
from elue.record import schema
from elue.record.files import Identity
from elue.record.schema import (
    Batch,
    Controls,
    Explained,
    Flag,
    Flops,
    Latency,
    Params,
    Record,
    Samples,
    ScoreRef,
    Times,
    Traffic,
)
from elue.tasks import TaskData, metrics


@dataclass(frozen=True, slots=True)
class Answers:
    """Measurements of one run, one entry a sample, in the task's order.

    `unknown` counts calls without a rule, `registered` those that a formula of the plugin's own priced. `path` and
    `paths` are as in `elue.record.schema.Samples`, `units` as in `elue.record.schema.Record`. `audited` samples ran
    alone under the Meter.
    """

    values: tuple[float, ...]
    flops: tuple[int, ...]
    matmul_flops: tuple[int, ...]
    params_touched: tuple[int, ...]
    unknown: Mapping[str, int]
    params_total: int
    registered: Mapping[str, int] = field(default_factory=dict)
    path: tuple[int, ...] = ()
    paths: tuple[tuple[tuple[str, tuple[int, ...], int], ...], ...] = ()
    declared: float | None = None
    units: Mapping[str, float] = field(default_factory=dict)
    audited: int = 0


@dataclass(frozen=True, slots=True)
class Findings:
    """What the passes after the answers found; a part is None or empty where no pass made it."""

    traffic: Traffic | None = None
    controls: Controls | None = None
    latency: Latency | None = None
    batch: Batch | None = None
    flags: tuple[Flag, ...] = ()
    explained: tuple[Explained, ...] = ()


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a run ended. `answers` is None unless the status is "ok"."""

    status: str
    reason: str
    answers: Answers | None
    environment: dict[str, Any]
    times: Times
    measure: Literal["observed", "traced"]
    findings: Findings = Findings()


def make_record(
    method: MethodSource,
    data: TaskData,
    profile: Profile,
    weights: Path | None,
    identity: Identity,
    outcome: Outcome,
) -> Record:
    """The record of a run that has ended, well or badly."""
    answers, findings = outcome.answers, outcome.findings
    unknown = dict(sorted(answers.unknown.items())) if answers else {}
    document = {
        "schema": schema.SCHEMA,
        "key": identity.key,
        "method": {
            "name": method.name,
            "family": method.family,
            "title": method.title,
            "paper": method.paper,
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
        "seed": identity.seed,
        "measure": outcome.measure,
        "audited": answers.audited if answers else 0,
        "profile": {"name": profile.name, "digest": identity.profile_digest},
        "status": outcome.status,
        "reason": outcome.reason or (gap(unknown) if unknown else ""),
        "complete": outcome.status == "ok" and not unknown,
        "unknown": unknown,
        "registered": dict(sorted(answers.registered.items())) if answers else {},
        "flags": findings.flags,
        "trust": "self_reported",
        "score": _score(data, answers) if answers else None,
        "flops": _flops(answers) if answers else None,
        "params": _params(answers) if answers else None,
        "declared": answers.declared if answers else None,
        "units": dict(sorted(answers.units.items())) if answers else {},
        "traffic": findings.traffic,
        "controls": findings.controls,
        "latency": findings.latency,
        "batch": findings.batch,
        "environment": outcome.environment,
        "times": outcome.times,
        "command": command(identity, profile),
        "explained": findings.explained,
        "samples": _samples(data, answers) if answers else None,
    }
    return Record.model_validate(document)


def gap(unknown: Iterable[str]) -> str:
    """What makes a count incomplete, and how to mend it."""
    return (
        f"incomplete, so never ranked: no rule for {', '.join(unknown)}. Price operators of your own in the plugin: "
        "elue.meter.register_formula('namespace::name', lambda costs, args, kwargs, result: (products, rest))"
    )


def point_text(point: Mapping[str, Knob]) -> str:
    """An operating point as the command line writes it: `rule=entropy,threshold=0.3`."""
    return ",".join(f"{knob}={value}" for knob, value in sorted(point.items()))


def command(identity: Identity, profile: Profile) -> str:
    """The command that makes a record again; WEIGHTS stands for the folder, wherever it lies (STATIC_WEIGHTS too)."""
    words = ["elue", "evaluate", identity.method, "--task", identity.task, "--split", identity.split]
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
    """What a weights folder says of its training, without the sweep: every record has its own point."""
    about = weights / "elue.json" if weights else None
    if about is None or not about.is_file():
        return None
    try:
        document = json.loads(about.read_text(encoding="utf-8"))
    except (ValueError, UnicodeDecodeError):
        return None
    if not isinstance(document, dict):
        return None
    document.pop("points", None)
    return document


def _distribution(method: MethodSource) -> dict[str, str] | None:
    return dict(zip(("name", "version"), method.distribution, strict=True)) if method.distribution else None


def _score(data: TaskData, answers: Answers) -> ScoreRef:
    score = metrics.measure(data.spec.metric, data.labels, answers.values, seed=0)
    return ScoreRef(name=score.name, value=score.value, low=score.low, high=score.high)


def _flops(answers: Answers) -> Flops:
    flops = np.asarray(answers.flops, dtype=np.float64)
    p50, p95 = (float(q) for q in np.percentile(flops, [50, 95]))
    matmul = float(np.mean(answers.matmul_flops))
    return Flops(mean=float(flops.mean()), p50=p50, p95=p95, max=float(flops.max()), matmul_mean=matmul)


def _params(answers: Answers) -> Params:
    return Params(total=answers.params_total, touched_mean=float(np.mean(answers.params_touched)))


def _samples(data: TaskData, answers: Answers) -> Samples:
    return Samples(
        id=tuple(sample.id for sample in data.samples),
        value=answers.values,
        error=errors(data, answers.values),
        flops=answers.flops,
        matmul_flops=answers.matmul_flops,
        params_touched=answers.params_touched,
        path=answers.path,
        paths=answers.paths,
    )


def errors(data: TaskData, values: Sequence[float]) -> tuple[float, ...]:
    """For each sample 0 or 1 for a right or wrong class, or a regression's value minus the label."""
    pairs = zip(values, data.labels, strict=True)
    if data.spec.kind == "classification":
        return tuple(int(value != label) for value, label in pairs)
    return tuple(value - label for value, label in pairs)
