"""`elue trace`: traces of runs to and from the text form of the 2022 standard."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from elue.cli.output import note, table
from elue.errors import ElueError

if TYPE_CHECKING:
    from elue.record import traces_2022 as traces
    from elue.record.schema import Record

app = typer.Typer(help="Traces in the text form of the 2022 standard.", no_args_is_help=True)
RUNS = typer.Option(Path("runs"), help="Folder with records, where a run is given by its key.")


@app.callback()
def group() -> None:
    """Traces in the text form of the 2022 standard."""


@app.command("export")
def export(
    run: str = typer.Argument(help="A record's file, or the key of a run or its first letters."),
    out: Path = typer.Option(..., help="File to write: index, prediction and modules, with tabs between."),
    runs: Path = RUNS,
) -> None:
    """Write what a run says it executed, sample by sample."""
    from elue.record import traces_2022 as traces

    record, source = _find(run, runs)
    written = traces.of(record, source)
    text = traces.dumps(written)
    try:
        out.write_text(text, encoding="utf-8", newline="\n")
    except OSError as error:
        raise ElueError("unwritable", f"Cannot write {out}: {error.strerror}.", "Name another file.") from None
    note(f"{len(written.id):,} samples with {len(written.traces):,} distinct traces are in {out}")


@app.command("import")
def read(
    file: Path = typer.Argument(help="A file of this form; those of 2022 can be read, too."),
    check: str | None = typer.Option(
        None, help="A record's file or a key: compare with this run, exit 1 if different."
    ),
    task: str | None = typer.Option(None, help="Task whose label names may stand as predictions."),
    runs: Path = RUNS,
    as_json: bool = typer.Option(
        False, "--json", help="Print the columns id, value, trace_of and traces instead of a table."
    ),
) -> None:
    """Read such a file, say what is in it, and compare it with a run if asked."""
    from elue.record import traces_2022 as traces

    labels = _labels(task)
    try:
        text = file.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ElueError("unreadable", f"Cannot read {file}: {error}.") from None
    traced = traces.loads(text, str(file), labels)
    if as_json:
        fields = {"id": traced.id, "value": traced.value, "trace_of": traced.trace_of, "traces": traced.traces}
        typer.echo(json.dumps(fields, indent=None if len(traced.id) > 100 else 1))
    else:
        note(f"{len(traced.id):,} samples, {len(traced.traces):,} distinct traces")
        table(("unit", "samples", "times", "shapes"), _units(traced), right=("samples", "times", "shapes"))
    if check is not None:
        different = traces.difference(traced, traces.of(*_find(check, runs)))
        if different:
            note(f"differs: {different}")
            raise typer.Exit(1)
        note("the same as the run's")


def _labels(task: str | None) -> tuple[str, ...]:
    if task is None:
        return ()
    from elue import tasks

    return tuple(tasks.get(task).labels)


def _units(trace_table: traces.TraceTable) -> list[tuple[str, str, str, str]]:
    """For each unit the samples it ran for, how often it ran in all, and its distinct shapes."""
    taken = Counter(trace_table.trace_of)
    samples: Counter[str] = Counter()
    times: Counter[str] = Counter()
    shapes: dict[str, set[tuple[int, ...]]] = {}
    for place, trace in enumerate(trace_table.traces):
        for unit in {unit for unit, _, _ in trace}:
            samples[unit] += taken[place]
        for unit, shape, repeated in trace:
            times[unit] += repeated * taken[place]
            shapes.setdefault(unit, set()).add(shape)
    return [(unit, f"{samples[unit]:,}", f"{times[unit]:,}", f"{len(shapes[unit]):,}") for unit in shapes]


def _find(run: str, runs: Path) -> tuple[Record, str]:
    """A run's record and what to call it. Raises ElueError unless there is exactly one."""
    from elue.record import files as records

    if run.endswith(".json"):
        return records.read(Path(run)), run
    matching = [path for path in records.files(runs) if path.stem.startswith(run)] if run else []
    if len(matching) != 1:
        keys = ", ".join(path.stem[:12] for path in matching[:5])
        count = f"{len(matching)} runs have" if matching else "no run has"
        hint = f"Give more of the key: {keys}…" if matching else "Name its file, or the folder with --runs."
        raise ElueError("unknown_run", f"Under {runs} {count} a key that begins with '{run}'.", hint)
    return records.read(matching[0]), f"run {matching[0].stem[:12]}"
