"""`elue count` and `elue doctor`: one forward priced, and this machine looked over."""

from __future__ import annotations

import json
import signal
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, replace
from multiprocessing import get_context
from typing import TYPE_CHECKING

import typer

from elue.cli.output import note, table
from elue.errors import ElueError

if TYPE_CHECKING:
    from elue.meter.models.cost import ModelCost, Question


def count_model(
    model: str = typer.Argument(help="A transformers model folder, a config.json, or a hub id. No weights are needed."),
    tokens: int = typer.Option(128, help="Length of the text."),
    pair_tokens: int = typer.Option(0, help="Length of a second text, for pairs."),
    decoder_tokens: int | None = typer.Option(
        None, help="Length of what a decoder is given, in encoder-decoders: by default that of the text."
    ),
    batch: int = typer.Option(1, help="How many samples at once, all of the same length."),
    generate: int = typer.Option(
        0, help="Make so many tokens with a key-value cache; prompt and output are told apart."
    ),
    train: bool = typer.Option(False, "--train", help="Count a step of training: forward, backward, optimiser."),
    head: str | None = typer.Option(None, help="A class of transformers, instead of the one the configuration names."),
    attn: str | None = typer.Option(None, help="Implementation of attention: eager, sdpa or flex_attention."),
    profile: str = typer.Option("elue-1", help="A profile's name, or the path of its TOML file."),
    depth: int = typer.Option(2, min=0, help="How deep to go into the modules."),
    by_operator: bool = typer.Option(
        False, "--by-operator", help="Say which operators did the FLOPs, not which modules."
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
) -> None:
    """Count the FLOPs of any transformers model: a forward, a generated text, or a step of training."""
    from elue.meter.models.cost import Question

    question = Question(
        model, tokens, pair_tokens, decoder_tokens, batch, generate, train, attn, head, profile
    )  # fmt: skip
    cost = _counted(question)
    if as_json:
        typer.echo(cost.to_json())
    else:
        _print_cost(cost, depth, by_operator)
    if not cost.complete:
        from elue.evaluation.recording import gap

        note(gap(cost.unknown))
        raise typer.Exit(1)


def _counted(question: Question) -> ModelCost:
    """The cost, found in a process of its own: torch stays out of this one, and what kills it can be told.

    Interrupts from the keyboard are this process's to hear of: the other one ignores them, and is ended.
    """
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        heard = signal.signal(signal.SIGINT, signal.SIG_IGN)  # which a process that is started now takes over
        try:
            counted = pool.submit(_count, question)
        finally:
            signal.signal(signal.SIGINT, heard)
        try:
            return counted.result()
        except KeyboardInterrupt:
            for process in list((pool._processes or {}).values()):
                process.kill()
            raise
        except BrokenProcessPool:
            raise ElueError(
                "count_died",
                f"Counting '{question.model}' was killed.",
                "It may have needed more memory than there is.",
            ) from None


def _count(question: Question) -> ModelCost:
    from elue.meter.models.counting import count_configuration

    return count_configuration(question)


def _print_cost(cost: ModelCost, depth: int, by_operator: bool) -> None:
    shapes = ", ".join(f"{name} {'x'.join(map(str, shape))}" for name, shape in cost.inputs.items())
    report = next(iter(cost.parts.values()))
    note(f"{cost.question.model}: {cost.built} ({cost.chosen}), {cost.params_total:,} parameters")
    note(f"{shapes}; profile {report.profile} {report.profile_digest[:12]}")
    for said in cost.notes:
        note(said)
    for name, part in cost.parts.items():
        if len(cost.parts) > 1:
            typer.echo(f"{name}:")
        shown = replace(part, modules=None) if by_operator else part
        header, rows = shown.rows(depth)
        table(header, rows, right=[name for name in header if name not in ("module", "type", "operator")])
        typer.echo()
    for name, part in cost.parts.items():
        typer.echo(f"{name}: {part}")
    if len(cost.parts) > 1:
        typer.echo(f"together: {cost}")


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
