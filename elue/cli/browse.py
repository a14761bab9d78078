"""`elue list` and `elue show`: the methods there are."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import typer

from elue.cli.arguments import METHOD
from elue.cli.output import table
from elue.errors import ElueError

if TYPE_CHECKING:
    from elue.methods.registry import MethodSource


def list_methods(
    check: bool = typer.Option(False, "--check", help="Import each method in a worker, too: slower, and finds more."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
) -> None:
    """List the installed methods; broken ones with the reason."""
    from elue.methods.registry import installed

    methods = _all_checked(installed()) if check else installed()
    if as_json:
        typer.echo(json.dumps([_card(method) for method in methods], indent=1))
        return
    rows = [(m.name, m.family, m.title if not m.broken else f"broken: {m.broken}") for m in methods]
    table(("method", "family", "what it is"), rows)


def show_method(
    method: str = METHOD,
    backbone: str = typer.Option("tiny", help="What `elue train` would be given: its defaults depend on it."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
) -> None:
    """Show one method, the knobs its points take by --point, and the options its training takes by --set.

    These are the options that do something for the backbone, with the defaults that `elue train` has for it.
    """
    from elue.evaluation.describing import described
    from elue.methods.knobs import allowed
    from elue.methods.registry import find

    source = find(method)
    options = described(source, backbone)
    if as_json:
        card = {**_card(source), "knobs": source.knobs, "source_digest": source.digest()}
        typer.echo(json.dumps({**card, "backbone": backbone, "options": options}, indent=1))
        return
    said = [f"{source.name} ({source.family}): {source.title}", source.paper, source.summary]
    typer.echo("\n".join(line for line in said if line) + "\n")
    if source.knobs:
        rows = [(name, allowed(spec), spec.get("help", "")) for name, spec in source.knobs.items()]
        table(("knob", "takes", "what it does"), rows)
        typer.echo()
    table(
        ("option", f"default for {backbone}", "what it does"), [(o["name"], o["default"], o["help"]) for o in options]
    )


def _card(method: MethodSource) -> dict[str, Any]:
    fields = ("name", "family", "title", "paper", "summary", "distribution", "broken")
    return {field: getattr(method, field) for field in fields}


def _all_checked(methods: Sequence[MethodSource]) -> list[MethodSource]:
    """The methods, as many at a time as there are cores: each has a worker of its own."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return list(pool.map(_checked, methods))


def _checked(method: MethodSource) -> MethodSource:
    """The method, marked as broken if a worker can't import it."""
    from elue.evaluation.describing import check_imports

    if method.broken:
        return method
    try:
        check_imports(method)
    except ElueError as error:
        return replace(method, broken=error.message.partition("is broken: ")[2] or error.message)
    return method
