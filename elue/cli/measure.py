"""`elue count` and `elue doctor`: one forward priced, and this machine looked over."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import asdict
from typing import TYPE_CHECKING

import typer

from elue.cli.output import note, table

if TYPE_CHECKING:
    from elue.meter.attribution import ModuleCount


def count_model(
    model: str = typer.Argument(
        help="A transformers model folder, a config.json, or a hub id. Weights are not needed."
    ),
    tokens: int = typer.Option(128, help="Length of the input."),
    profile: str = typer.Option("elue-1", help="A profile's name, or the path of its TOML file."),
    by_module: bool = typer.Option(False, "--by-module", help="Say which module did the FLOPs."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
) -> None:
    """Count the FLOPs of one forward of a transformers model."""
    from elue.meter.described import count_model

    counted = count_model(model, tokens, profile, by_module=by_module)
    if as_json:
        typer.echo(counted.as_json())
        return
    note(f"{model}, {tokens} tokens, profile {counted.profile} {counted.profile_digest[:12]}")
    if counted.modules is not None:
        rows = [(name, f"{part.calls:,}", f"{part.flops:,}") for name, part in _lines(counted.modules, 0)]
        table(("module", "calls", "FLOPs"), rows, right=("calls", "FLOPs"))
    else:
        operators = sorted(counted.ops.items(), key=lambda item: -item[1][1])
        rows = [(name, f"{calls:,}", f"{flops:,}") for name, (calls, flops) in operators if flops]
        table(("operator", "calls", "FLOPs"), rows, right=("calls", "FLOPs"))
    share = f"{counted.flops:,} FLOPs, {counted.matmul_flops:,} of them multiply-adds"
    typer.echo(f"\n{share}; {counted.params_touched:,} of {counted.params_total:,} parameters touched")
    if not counted.complete:
        from elue.evaluation.recording import gap

        note(gap(counted.unknown))
        raise typer.Exit(1)


def doctor(
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
) -> None:
    """Look this machine over: versions, threads, and whether its counts can be trusted."""
    from elue.cli.doctor import checks

    diagnoses = checks()
    if as_json:
        typer.echo(json.dumps([asdict(check) for check in diagnoses], indent=1))
    else:
        marks = {None: "", True: "ok", False: "NOT OK"}
        table(("what", "", "finding"), [(check.name, marks[check.ok], check.detail) for check in diagnoses])
        for check in diagnoses:
            if check.ok is False and check.hint:
                note(f"{check.name}: {check.hint}")
    if any(check.ok is False for check in diagnoses):
        raise typer.Exit(1)


def _lines(part: ModuleCount, depth: int) -> Iterator[tuple[str, ModuleCount]]:
    yield "  " * depth + (part.name or "model"), part
    for child in part.children:
        yield from _lines(child, depth + 1)
