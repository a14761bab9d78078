"""`elue edition`: making editions, the rules that ranks are about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from elue.cli.evaluate import DATABASE
from elue.cli.output import budgets, note, table
from elue.cli.standing import opened, records_under
from elue.errors import ElueError

if TYPE_CHECKING:
    from elue.scores.edition import Edition

app = typer.Typer(help="Editions: which tasks, yardsticks and rules a rank is about.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Editions: which tasks, yardsticks and rules a rank is about."""


@app.command("freeze")
def freeze(
    edition: Path = typer.Argument(help="File of an edition that is not frozen yet, NAME.toml."),
    yardstick: str = typer.Option(..., help="The submission whose static curve is the yardstick, such as baselines."),
    method: str = typer.Option("static", help="The method of that submission."),
    runs: list[Path] = typer.Option([], help="A submission, or a folder of submissions; repeat for several."),
    db: str = typer.Option(DATABASE, help="Index of the submissions' records, where --runs names none."),
    data: Path | None = typer.Option(
        None,
        envvar="ELUE_DATA",
        help="Folder with the tasks' data: floors, revisions and clusters are made anew of it.",
    ),
    out: Path | None = typer.Option(None, help="Write to this file instead, NAME.toml."),
    draft: bool = typer.Option(False, help="Fill the yardsticks alone: the edition ranks, and can be filled again."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
) -> None:
    """Fill an edition's yardsticks from a submission's runs, and fix all its rules under their digest."""
    from elue.scores import edition as editions
    from elue.scores.edition_file import text_of
    from elue.scores.freezing import frozen
    from elue.submissions.signing import replace_text

    place = out or edition
    for path in (edition, place):
        if path.suffix != ".toml":
            raise ElueError("no_edition_file", f"{path} is no edition's file.", "Give the path of a NAME.toml.")
    if out is not None and out.exists():
        raise ElueError("file_exists", f"{out} is there already.", "Write to another file, or leave --out away.")
    rules = editions.load(edition)
    if data is not None and not rules.frozen:
        rules = _from_data(rules, data)
    rules = editions.Edition.model_validate({**rules.model_dump(), "name": place.stem})
    with opened(db, runs) as store:
        made = frozen(rules, yardstick, method, records_under(rules, store), draft)
    replace_text(place, text_of(made))
    _show(made, as_json)
    note(f"{'filled, and not frozen yet,' if draft else 'frozen'} as {made.rules} in {place}")


def _from_data(edition: Edition, folder: Path) -> Edition:
    """The edition with its tasks' entries made anew from data. Raises ElueError where these are not at hand."""
    from elue import tasks
    from elue.scores.edition import Edition
    from elue.scores.freezing import task_of

    entries = {}
    for name, task in edition.tasks.items():
        spec = tasks.get(name)
        fresh = task_of(tasks.load(spec, edition.split, folder), tasks.load(spec, "validation", folder))
        for key, before in task.model_dump(exclude={"yardstick"}).items():
            if getattr(fresh, key) != before:
                note(f"{name}: {key} is {_short(getattr(fresh, key))} by the data, and was {_short(before)}")
        entries[name] = fresh
    return Edition.model_validate({**edition.model_dump(), "tasks": entries})


def _short(value: object) -> str:
    words = json.dumps(value)
    return words if len(words) <= 24 else f"{words[:20]} …"


def _show(edition: Edition, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(edition.model_dump(mode="json"), indent=1))
        return
    rows = []
    for name, task in edition.tasks.items():
        range_ = budgets(*task.yardstick.range) if task.yardstick.range else ""
        apart = f"{task.trainings.spread[0]:.2f}" if task.trainings else ""
        rows.append((name, f"{task.samples:,}", f"{task.floor:g}", str(len(task.yardstick.runs)), range_, apart))
    header = (
        "task", "samples", "one constant answer", "runs of the yardstick", "budgets",
        "trainings spread",
    )  # fmt: skip
    table(header, rows, right=header[1:])
