"""`elue claims`: what papers claim, what came out here, and what the papers' own ways of counting would have said."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from elue.cli.evaluate import DATABASE
from elue.cli.forms import CSV, LATEX, Printer, form_of
from elue.cli.output import note
from elue.cli.standing import opened, records_under
from elue.errors import ElueError

if TYPE_CHECKING:
    from elue.leaderboard.claims import Claim
    from elue.scores.edition import Edition
    from elue.scores.headlines import Headline
    from elue.scores.intervals import Estimate

HEADER = ("method", "claimed", "task", "here", "95 % interval", "loss", "loss 95 % interval", "as the paper counts")
WAYS = ("layers", "tokens", "padded")
RIGHT = ("claimed", "here", "95 % interval", "loss", "loss 95 % interval", "as the paper counts", *WAYS)


def show_claims(
    edition: str = typer.Option("2026-preview", help="The edition whose tasks and yardstick count, or a .toml file."),
    db: str = typer.Option(DATABASE, help="Index of the records, a SQLAlchemy URL."),
    runs: list[Path] = typer.Option([], help="Take the records below this folder instead; repeat for several."),
    gains: bool = typer.Option(False, "--gains", help="Show what deciding per input is worth, at half compute."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
    csv: bool = CSV,
    latex: bool = LATEX,
) -> None:
    """Hold the papers' headlines against an edition: the speed-up that costs at most a point of quality.

    Of each training the cheapest point is taken that loses no more than a point on validation; shown is what it does on
    test, by FLOPs as they are, and by the ways papers count: layers, tokens that are kept, a full model that is padded.
    With `--gains`, of every method and rule, what it scores above leaving as often at random on the same weights.
    """
    from elue.leaderboard import claims
    from elue.scores import edition as editions

    printer = Printer(form_of(csv, latex, as_json))
    rules = editions.load(edition)
    if gains:
        _show_gains(rules, db, runs, printer, as_json)
        return
    with opened(db, runs) as store:
        by_method: dict[str, list[Headline]] = defaultdict(list)
        for headline in claims.measured(rules, records_under(rules, store)):
            by_method[headline.method].append(headline)
    shipped = claims.shipped()
    if as_json:
        told = [{**of.model_dump(), "here": [asdict(own) for own in by_method[of.method]]} for of in shipped]
        typer.echo(json.dumps(told, indent=1))
        return
    if not by_method:
        message = f"No method that a claim is about was measured for edition '{rules.name}'."
        raise ElueError("no_runs", message, "It takes the static method and another, on both validation and test.")
    lines = [row for of in shipped for row in _rows(of, by_method[of.method])]
    printer.table({"edition": rules.name}, (*HEADER, *WAYS, "within a point"), lines, RIGHT)
    missing = [of.method for of in shipped if not by_method[of.method]]
    if missing:
        note(f"not measured for this edition: {', '.join(missing)}")


def _show_gains(rules: Edition, db: str, runs: list[Path], printer: Printer, as_json: bool) -> None:
    from elue.scores.gains import gains

    with opened(db, runs) as store:
        told = gains(rules, records_under(rules, store))
    if as_json:
        typer.echo(json.dumps([asdict(own) for own in told], indent=1))
        return
    if not told:
        message = f"No run of edition '{rules.name}' has controls, so nothing tells what deciding is worth."
        raise ElueError("no_runs", message, "Evaluate a method that decides per input on the edition's tasks.")
    lines = [
        (
            own.task,
            own.method,
            own.rule,
            f"{own.gain.value:.2f}",
            _interval(own.gain),
            f"{100 * own.compute:.0f} %",
            str(own.trainings),
        )
        for own in told
    ]
    right = ("gain", "95 % interval", "compute", "trainings")
    printer.table({"edition": rules.name}, ("task", "method", "rule", *right), lines, right)


def _rows(claim: Claim, here: list[Headline]) -> Iterator[tuple[str, ...]]:
    for own in here:
        ways = [_times(getattr(own.papers, way)) if own.papers else "" for way in WAYS]
        speedup, loss = own.speedup, own.loss
        yield (
            claim.method,
            _times(claim.speedup),
            own.task,
            _times(speedup.value),
            _interval(speedup),
            f"{loss.value:.2f}",
            _interval(loss),
            _times(claim.as_counted(own)),
            *ways,
            f"{own.within} of {own.trainings}",
        )


def _times(ratio: float | None) -> str:
    return "" if ratio is None else f"{ratio:.2f}x"


def _interval(of: Estimate) -> str:
    return "" if of.low is None or of.high is None else f"{of.low:.2f} to {of.high:.2f}"
