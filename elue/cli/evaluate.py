"""`elue evaluate`: measure a method on a task."""

from __future__ import annotations

import json
import math
from collections.abc import Container, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import typer

from elue.cli.arguments import METHOD, TASK, split_of
from elue.cli.output import ALLOW_UNCONFINED, label, note, reason, table
from elue.cli.runs import indexed_runs
from elue.errors import ElueError
from elue.meter.units import unit_for

if TYPE_CHECKING:
    from elue.evaluation.plan import PlannedRun
    from elue.evaluation.request import Evaluation
    from elue.meter.units import DisplayUnit
    from elue.protocol import Knob
    from elue.record.schema import Record

Measured = Literal["observed", "traced"]
DATABASE = "sqlite:///elue.sqlite"
"""Where the index is unless `--db` says otherwise."""


def evaluate_method(
    method: str = METHOD,
    task: str = TASK,
    weights: Path | None = typer.Option(None, help="The folder `elue train` wrote."),
    split: str = typer.Option("test", help="The split to answer."),
    point: list[str] = typer.Option([], help="An operating point, KNOB=VALUE[,KNOB=VALUE…]; repeat for several."),
    rules: str = typer.Option(
        "", metavar="all|RULE[,RULE…]", help="A sweep of each of these exit rules, whether the method's own or not."
    ),
    profile: str = typer.Option("elue-1", help="A profile's name, or the path of its TOML file."),
    limit: int | None = typer.Option(None, min=1, help="Only N samples, spread over the split."),
    seed: int = typer.Option(0, help="Seed of the method and of the order of samples."),
    data: Path | None = typer.Option(
        None, envvar="ELUE_DATA", help="Folder with TASK/SPLIT.parquet (csv, tsv, jsonl)."
    ),
    private: Path | None = typer.Option(
        None, help="Measure on a split of your own, FOLDER/TASK/private.parquet (csv, …): no record holds its texts."
    ),
    runs: Path = typer.Option(Path("runs"), help="Where records go, one file a run."),
    db: str = typer.Option(DATABASE, help="Index of the records, a SQLAlchemy URL."),
    rerun: Literal["missing", "all", "none"] = typer.Option("missing", help="Which runs to execute."),
    workers: int | None = typer.Option(
        None,
        min=1,
        help="Points measured side by side, each in a process of its own, as far as memory goes; timed they are one "
        "after the other. Default: 2 where there are two processors.",
    ),
    latency: int = typer.Option(72, min=0, help="Samples a point that are timed; 0 leaves timing out."),
    repeat: int = typer.Option(16, min=0, help="Samples a point that are asked again, to audit compute; 0: none."),
    against: Path | None = typer.Option(None, help="Weights of a trained `static`, for a profile with packs."),
    timeout: float = typer.Option(60.0, min=0.1, help="Seconds a sample may take."),
    measure: Measured | None = typer.Option(
        None, help="Observe every sample alone, or price its trace. Default: traced where the method has traces."
    ),
    audit: str = typer.Option("64", metavar="N|all", help="Samples a point that a traced run is audited on."),
    explain: int | None = typer.Option(None, min=0, help="Explain N samples. Default: 200 where texts may be shown."),
    label_: str = typer.Option("", "--label", help="What you call these runs; tables show it beside the method."),
    allow_unconfined: bool = ALLOW_UNCONFINED,
    dry_run: bool = typer.Option(False, "--dry-run", help="Say which runs are due and why; execute none."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
) -> None:
    """Measure a method on a task: every operating point, per-sample FLOPs, batch 1, natural length."""
    from elue import tasks
    from elue.meter import profile as profiles
    from elue.methods import crossings, knobs, registry
    from elue.worker import starting

    asked, standard, audited, spec = registry.find(method), profiles.load(profile), parse_audit(audit), tasks.get(task)
    points = tuple(knobs.settled(asked.knobs, parse_point(text, knobs.texts(asked.knobs))) for text in point)
    ruled = tuple(rule.strip() for rule in rules.split(",") if rule.strip())
    if ruled:
        crossings.check_rules(asked, ruled)
    split = split_of(private, split)
    if not dry_run and rerun != "none":
        starting.prepare(standard.conditions.threads)  # beside all that is done before the first worker
    from elue.evaluation import execute as evaluation_module
    from elue.evaluation.request import Evaluation, explained_samples, side_by_side

    evaluation = Evaluation(
        method=asked,
        data=tasks.load(spec, split, private or data, limit),
        profile=standard,
        weights=weights,
        points=points,
        rules=ruled,
        seed=seed,
        runs=runs,
        rerun=rerun,
        workers=workers or side_by_side(standard, weights),
        sample_seconds=timeout,
        measure=measure,
        audit=audited,
        explain=explained_samples(spec, split, explain),
        latency=latency,
        repeat=repeat,
        against=against,
        label=label_,
    )
    planned = evaluation_module.plan(evaluation)
    if dry_run:
        _show_plan(evaluation, planned, as_json)
        return
    finished = indexed_runs(evaluation, planned, db)
    if as_json:
        typer.echo(json.dumps([brief(record) for record in finished], indent=1))
    else:
        show_runs(finished, runs)
    if any(record.status != "ok" for record in finished):
        raise typer.Exit(1)


def parse_audit(text: str) -> int | None:
    """How many samples to audit, None for all. Raises ElueError for anything but a number from 1 up or `all`."""
    if text == "all":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise ElueError("bad_audit", f"--audit is '{text}'.", "It takes a number from 1 up, or all.")
    return int(text)


def parse_point(text: str, texts: Container[str] = ()) -> dict[str, Knob]:
    """`rule=entropy,threshold=0.3` as an operating point. Raises ElueError for anything else.

    The values of knobs in `texts` stay as they are written; others may be switches and numbers.
    """
    point: dict[str, Knob] = {}
    for part in text.split(","):
        knob, separator, value = part.partition("=")
        if not separator or not knob.strip() or not value.strip():
            raise ElueError("bad_point", f"'{text}' is no operating point.", "Write --point KNOB=VALUE[,KNOB=VALUE].")
        knob, value = knob.strip(), value.strip()
        if knob in point:
            raise ElueError("bad_point", f"'{text}' gives {knob} twice.", "For two points give --point twice.")
        point[knob] = value if knob in texts else _parse_value(value)
    return point


def _parse_value(text: str) -> Knob:
    if text.lower() in ("true", "false"):
        return text.lower() == "true"
    for kind in (int, float):
        try:
            return text if kind is float and not math.isfinite(kind(text)) else kind(text)
        except ValueError:
            continue
    return text


def brief(record: Record) -> dict[str, Any]:
    """What `--json` prints of a run."""
    from elue.record import files as records

    told = records.summary(record)
    return {
        "key": record.key,
        "method": record.method.name,
        "family": record.method.family,
        "task": record.task.name,
        "split": record.task.split,
        "point": record.point,
        "crossing": record.crossing.model_dump(mode="json") if record.crossing else None,
        "n": record.task.size,
        **{name: told[name] for name in ("profile", "score", "flops", "params")},
        "division": record.division,
        **{name: told[name] for name in ("measure", "audited")},
        "claimed": record.claimed,
        **{name: told[name] for name in ("controls", "traffic", "latency", "batch")},
        **{name: told[name] for name in ("times", "complete", "unknown", "flags", "status", "reason")},
    }


def show_runs(finished: Sequence[Record], folder: Path | None = None) -> None:
    """Print runs as a table, with the profile it holds under; flags, gaps and failures go beside it.

    `folder` is where their records are.
    """
    from elue.record.formulas import unproved
    from elue.record.labels import label_of
    from elue.record.point import point_text

    extra = [name for name in _EXTRA if any(getattr(record, name) for record in finished)]
    fitting = unit_for([record.flops.p95 for record in finished if record.flops])
    flops = f"{fitting.prefix}FLOPs"
    header = ["method", "point", "score", "95 % interval", flops, "p95", "params", "touched"]
    columns = [column for name in extra for column in _EXTRA[name]]
    rows = []
    for record in finished:
        state = record.status if record.complete or record.status != "ok" else "incomplete"
        cells = _numbers(record, fitting)
        for name in extra:
            part, unit = getattr(record, name), "" if name == "controls" else "x"
            cells += [f"{getattr(part, key):.2f}{unit}" if part else "" for key in _EXTRA[name].values()]
        further = (", crossing" if record.crossing else "") + (f", {len(record.flags)} flags" if record.flags else "")
        name = " · ".join(filter(None, (record.method.name, label_of(record))))
        rows.append((name, point_text(record.point), *cells, state + further))
        who = f"{name} {point_text(record.point)}".strip()
        if record.reason:
            note(f"{who}: {record.status}: {reason(record, folder)}")
        if word := unproved(record):
            note(f"{who}: priced by formulas of its own ({', '.join(record.registered)}): {word}")
        for flag in record.flags:
            note(f"{who}: {flag.code}: {flag.detail}")
    for name, digest in sorted({(record.profile.name, record.profile.digest) for record in finished}):
        note(f"profile {name} {digest}")
    table(
        (*header, *columns, "status"),
        rows,
        right=("score", "95 % interval", flops, "p95", "params", "touched", *columns),
    )


def _numbers(record: Record, unit: DisplayUnit) -> list[str]:
    """Score, interval, FLOPs and parameters of a run; empty where it failed."""
    score, flops, params = record.score, record.flops, record.params
    if not (score and flops and params):
        return [""] * 6
    return [
        f"{score.value:.2f}",
        f"{score.low:.2f} to {score.high:.2f}",
        unit.write(flops.mean),
        unit.write(flops.p95),
        f"{params.total:,}",
        f"{params.touched_mean:,.0f}",
    ]


_EXTRA = {
    "controls": {"gain": "gain"},
    "latency": {"latency": "median", "p95 latency": "p95"},
    "batch": {"FLOPs speed-up": "flops_speedup", "throughput": "throughput", "realised": "realised"},
}
"""Columns for parts that not every run has: the lead over the random control, ratios to the reference encoder or to
the static model."""


def _show_plan(evaluation: Evaluation, planned: list[PlannedRun], as_json: bool) -> None:
    from elue.methods.crossings import crossing_of

    kind = evaluation.data.spec.kind
    crossings = [crossing_of(evaluation.method, kind, run.identity.point) for run in planned]
    if as_json:
        rows = [
            {
                "key": run.identity.key,
                "point": dict(run.identity.point),
                "crossing": crossing is not None,
                "due": run.due,
                "why": run.why,
            }
            for run, crossing in zip(planned, crossings, strict=True)
        ]
        typer.echo(json.dumps(rows, indent=1))
        return
    table(
        ("run", "due", "why", "rule", "key"),
        [
            (
                label(run),
                "yes" if run.due else "no",
                run.why,
                "crossing" if crossing else "own" if any(crossings) else "",
                run.identity.key[:12],
            )
            for run, crossing in zip(planned, crossings, strict=True)
        ],
    )
