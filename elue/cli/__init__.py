"""The `elue` command. One module a group of subcommands; what is heavy is imported only when it runs."""

from __future__ import annotations

import sys
from typing import NoReturn

import typer

from elue import disk
from elue.cli import (
    browse,
    campaign,
    check,
    claims,
    database,
    demo,
    edition,
    evaluate,
    measure,
    points,
    score,
    site,
    submit,
    tasks,
    trace,
    train,
)
from elue.cli.forms import columns
from elue.errors import ElueError

INTERRUPTED = 130
"""The exit code where the user interrupted: 128 and the number of that signal."""

app = typer.Typer(
    name="elue",
    help="Evaluation standard and leaderboard for dynamic neural networks in NLP.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
app.command("list")(browse.list_methods)
app.command("show")(browse.show_method)
app.command("tasks")(tasks.list_tasks)
app.command("init-task")(tasks.init_task)
app.command("init-method")(check.init_method)
app.command("check")(check.check_method)
app.command("train")(train.train_method)
app.command("evaluate", epilog=columns("score", "95 % interval", "FLOPs", "p95", "params", "gain", "latency"))(
    evaluate.evaluate_method
)
app.command("submit")(submit.submit_method)
app.command("validate")(submit.validate_submission)
app.command("verify")(submit.verify_submission)
app.command("retract")(submit.retract_submission)
app.command("count")(measure.count_model)
app.command("doctor")(measure.doctor)
app.command("score", epilog=columns("elue-1", "elue-2", "elue-2022", "points", "best", "touched", "covers", "p"))(
    score.score_methods
)
app.command("claims")(claims.show_claims)
app.command("import-points")(points.import_points)
app.command("site")(site.build_site)
app.command("demo")(demo.run_demo)
app.add_typer(campaign.app, name="campaign")
app.add_typer(database.app, name="db")
app.add_typer(edition.app, name="edition")
app.add_typer(trace.app, name="trace")


@app.callback(invoke_without_command=True)
def root(version: bool = typer.Option(False, "--version", help="Print the version and leave.")) -> None:
    """Evaluation standard and leaderboard for dynamic neural networks in NLP."""
    if version:
        from elue import __version__

        typer.echo(__version__)
        raise typer.Exit


def main() -> None:
    """Run the command line. A user's mistake, or a full disk, is one line and exit code 2, without a traceback.

    Where the user interrupts it is one line, too, and exit code 130.
    """
    try:
        _check_no_empty(sys.argv[1:])
        app()
    except ElueError as error:
        if str(error).strip():
            typer.secho(f"error: {error}", err=True, fg="red")
        sys.exit(2)
    except OSError as error:
        said = disk.complaint(error)
        if said is None:
            raise
        typer.secho(f"error: {said}", err=True, fg="red")
        sys.exit(2)
    except KeyboardInterrupt:
        _interrupted()
    except SystemExit as left:
        if left.code == INTERRUPTED:  # typer takes interrupts for itself, and says nothing
            _interrupted()
        raise


def _check_no_empty(words: list[str]) -> None:
    """Raise ElueError for a value that is an empty text: as a path it would be the current folder."""
    for before, word in zip(["elue", *words], words, strict=False):
        if not word or (word.startswith("--") and word.find("=") == len(word) - 1):
            name = word.rstrip("=") or before
            raise ElueError("empty_value", f"{name} is given an empty text.", "Write a value, or leave it out.")


def _interrupted() -> NoReturn:
    typer.echo("interrupted; what was finished is kept", err=True)
    exec("")  # Python remembers an interrupt inside `exec` (a dataclass being made) and would end by the signal instead
    sys.exit(INTERRUPTED)
