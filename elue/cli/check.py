"""`elue init-method` and `elue check`: beginning a method, and seeing whether it conforms."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import typer

from elue.cli.arguments import METHOD, TASK
from elue.cli.output import ALLOW_UNCONFINED, note, table


def init_method(folder: Path = typer.Argument(help="A folder, new or empty; the method is named after it.")) -> None:
    """Write a working method, its test and a README to begin from."""
    from elue.methods.skeleton.writing import write_skeleton

    written = write_skeleton(folder)
    for path in written:
        typer.echo(str(path))
    note(f"try it: elue check {written[0]}")


def check_method(
    method: str = METHOD,
    task: str = TASK,
    weights: Path | None = typer.Option(None, help="The folder `elue train` wrote."),
    split: str = typer.Option("validation", help="The split whose texts are used; its labels are not."),
    profile: str = typer.Option("elue-1", help="A profile's name, or the path of its TOML file."),
    data: Path | None = typer.Option(
        None, envvar="ELUE_DATA", help="Folder with TASK/SPLIT.parquet (csv, tsv, jsonl)."
    ),
    seed: int = typer.Option(0, help="Seed of the method."),
    allow_unconfined: bool = ALLOW_UNCONFINED,
    timeout: float = typer.Option(600.0, min=0.1, help="Seconds one check may take."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
) -> None:
    """Check that a method conforms: what it answers, what it costs, what it must not depend on."""
    from elue import tasks
    from elue.conformance.check import SAMPLES
    from elue.conformance.confined import Examination, examine
    from elue.meter import profile as profiles
    from elue.methods import registry

    examination = Examination(
        method=registry.find(method),
        data=tasks.load(tasks.get(task), split, data, SAMPLES),
        profile=profiles.load(profile),
        weights=weights,
        seed=seed,
        seconds=timeout,
    )
    results = list(examine(examination))
    if as_json:
        typer.echo(json.dumps([asdict(result) for result in results], indent=1))
    else:
        table(("check", "", "what it holds", "finding"), [(r.name, r.outcome, r.reason, r.detail) for r in results])
        counted = Counter(result.outcome for result in results)
        warned = f"{counted['warn']} to be looked at, " if counted["warn"] else ""
        note(f"{counted['pass']} passed, {warned}{counted['fail']} failed, {counted['skip']} skipped")
    if any(result.outcome == "fail" for result in results):
        raise typer.Exit(1)
