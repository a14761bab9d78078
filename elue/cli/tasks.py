"""`elue tasks` and `elue init-task`: the tasks there are, looking one through, and beginning one's own."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from elue.cli.arguments import tasks
from elue.cli.output import note, table

if TYPE_CHECKING:
    from elue.tasks.checking import SplitReport, TaskReport


def list_tasks(
    task: str | None = typer.Argument(
        None, help="A task to look through: its name, or the path of its TOML file.", autocompletion=tasks
    ),
    data: Path | None = typer.Option(
        None, envvar="ELUE_DATA", help="Folder with TASK/SPLIT.parquet (csv, tsv, jsonl)."
    ),
    schema: bool = typer.Option(False, "--schema", help="Print the JSON Schema of task files, for editors."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
) -> None:
    """List the tasks that come with ELUE; or look one through, its file and all its rows.

    All that is wrong is told at once, a line each; it leaves with 2 then.
    """
    if schema:
        from elue.tasks.form import schema as form

        typer.echo(json.dumps(form(), indent=1))
    elif task is not None:
        _look_through(task, data, as_json)
    else:
        _list(data, as_json)


def _list(data: Path | None, as_json: bool) -> None:
    from elue import tasks
    from elue.tasks.loading import check_folder

    check_folder(data)
    specs = [tasks.get(name) for name in tasks.names()]
    if as_json:
        fields = ("name", "title", "kind", "metric", "labels", "sizes", "licence", "citation", "caveats")
        typer.echo(json.dumps([{f: getattr(s, f) for f in fields} for s in specs], indent=1, default=str))
        return
    table(
        ("task", "metric", "train / validation / test", "what it is"),
        [(s.name, s.metric, " / ".join(f"{sizes[-1]:,}" for sizes in s.sizes.values()), s.title) for s in specs],
    )


def _look_through(task: str, data: Path | None, as_json: bool) -> None:
    from elue.tasks.checking import check

    report = check(task, data)
    if as_json:
        typer.echo(json.dumps(asdict(report), indent=1, default=str))
    else:
        _tell(report)
    for fault in report.faults:
        typer.secho(f"error: {fault}", err=True, fg="red")
    if report.faults:
        raise typer.Exit(2)


def _tell(report: TaskReport) -> None:
    from elue.tasks import metrics

    spec = report.spec
    if spec is not None:
        answers = ", ".join(spec.labels) or f"numbers from {spec.low:g} to {spec.high:g}"
        typer.echo(
            f"{spec.name}: {spec.title}\n{spec.kind}: {answers}\n{metrics.title(spec.metric)}: {_note(spec.metric)}"
        )
        for caveat in spec.caveats:
            typer.echo(f"- {caveat}")
        typer.echo()
    if report.splits:
        rows = [(s.split, f"{s.rows:,}", f"{s.words:g}", _answers(s), s.where) for s in report.splits]
        table(("split", "rows", "words", "answers", "from"), rows, right=("rows", "words"))
    for remark in report.remarks:
        note(f"note: {remark}")
    if not report.faults:
        note("nothing is wrong")


def _note(metric: str) -> str:
    """How a metric's percentages are to be read; of one that nobody offers that it is not known."""
    from elue.errors import ElueError
    from elue.tasks import metrics

    try:
        return metrics.get(metric).note or "a function of one's own"
    except ElueError:
        return "not known here"


def _answers(split: SplitReport) -> str:
    """How often each class occurs, or between which numbers labels lie."""
    if split.span is not None:
        return f"{split.span[0]:g} to {split.span[1]:g}"
    return ", ".join(f"{name} {count:,}" for name, count in split.labels.items())


def init_task(
    source: Path = typer.Argument(help="A file with all rows, or a folder with a file a split (or shards)."),
    out: Path | None = typer.Option(None, help="The TOML file to write, else NAME.toml in this folder."),
    name: str | None = typer.Option(None, help="The task's name, else that of the file or folder."),
    text: str | None = typer.Option(None, help="The column of the text, else what looks like it."),
    pair: str | None = typer.Option(None, help="The column of the second text."),
    label: str | None = typer.Option(None, help="The column of the label."),
    metric: str | None = typer.Option(None, help="The metric, else what fits the labels."),
) -> None:
    """Look at data of your own and write the TOML file of a task: columns, labels, metric and splits as they look.

    Splits that are missing are drawn from train by the texts' hashes, and written beside the TOML.
    """
    from elue.tasks.drafting import draft

    drafted = draft(source, out, name, text, pair, label, metric)
    for path in (drafted.path, *drafted.written):
        typer.echo(str(path))
    for line in drafted.done:
        note(f"note: {line}")
    sizes = ", ".join(f"{split} {rows:,}" for split, rows in drafted.rows.items())
    proposal = drafted.proposal
    answers = ", ".join(proposal.labels) or f"{proposal.low:g} to {proposal.high:g}"
    texts = " and ".join(repr(column) for column in (proposal.text, proposal.pair) if column)
    give = "give" if proposal.pair else "gives"
    note(f"{proposal.kind}: {texts} {give} {proposal.label!r} ({answers}), by {proposal.metric}; {sizes}")
    note(f"look it through: elue tasks {drafted.path}")
