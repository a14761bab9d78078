"""`elue submit`, `validate`, `verify` and `retract`: from a method's runs to rows that stand up."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import typer

from elue.cli.arguments import methods as names
from elue.cli.evaluate import parse_point
from elue.cli.output import ALLOW_UNCONFINED, evaluation_progress, note, table
from elue.errors import ElueError


def submit_method(
    methods: list[str] = typer.Argument(
        help="Installed methods, or plugin files (FILE.py or FILE.py:Class).", autocompletion=names
    ),
    out: Path = typer.Option(..., help="The submission's folder, such as submissions/my-method."),
    runs: Path = typer.Option(Path("runs"), help="Folder with the records of the method."),
    weights: list[Path] = typer.Option([], help="A weights folder, to tell its size; repeat for several."),
    task: str | None = typer.Option(None, help="Only records of this task."),
    fields: list[str] = typer.Option([], "--set", help="A field of the manifest, NAME=TEXT; repeat for several."),
    force: bool = typer.Option(False, "--force", help="Renew a submission; what its author wrote is kept."),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of text."),
) -> None:
    """Pack a method's source and records into a submission, with a manifest to complete."""
    from elue.methods import registry
    from elue.submissions.packing import Packing, pack

    texts = dict(_field(text) for text in fields)
    packing = Packing([registry.find(name) for name in methods], runs, out, weights, texts, task, force)
    packed = pack(packing)
    if as_json:
        typer.echo(json.dumps({"folder": str(out), **asdict(packed)}, indent=1))
        return
    for line in packed.notes:
        note(line)
    typer.echo(f"{out}: {packed.records} records")
    if packed.unfilled:
        note(f"fill in {out / 'submission.toml'}: {', '.join(packed.unfilled)}")
    note(f"then: elue validate {out}")


def validate_submission(
    folders: list[Path] = typer.Argument(help="Submissions, such as submissions/my-method."),
    base: str | None = typer.Option(None, help="Git revision to compare with: nothing may vanish or change unsaid."),
    data: Path | None = typer.Option(
        None, envvar="ELUE_DATA", help="Folder with TASK/SPLIT.parquet, to compare labels."
    ),
    seconds: int | None = typer.Option(
        None, min=1, help="CPU seconds a submission may take; left out, 30 and 2 for each record, at most 600."
    ),
    memory: int | None = typer.Option(
        None,
        min=64,
        help="MiB of memory that a submission may take; left out, 1,024 and 4 for each record, at most 8,192.",
    ),
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of text."),
) -> None:
    """Look submissions over; every finding says what is wrong, where, and how to mend it. Exit code 1 on errors."""
    from elue.submissions.apart import validate_apart

    if data is not None and not data.is_dir():
        raise ElueError("missing_data", f"There is no data folder {data}.", "Check --data or ELUE_DATA.")
    most = None if memory is None else memory * 2**20
    verdicts = {folder: validate_apart(folder, base, data, seconds, most) for folder in folders}
    if as_json:
        document = [
            {
                "submission": folder.as_posix(),
                "ok": not verdict.errors,
                "records": verdict.records,
                "findings": [asdict(finding) for finding in verdict.findings],
                "notes": list(verdict.notes),
            }
            for folder, verdict in verdicts.items()
        ]
        typer.echo(json.dumps(document, indent=1))
    else:
        for folder, verdict in verdicts.items():
            for finding in verdict.findings:
                typer.echo(str(finding))
            for line in verdict.notes:
                note(line)
            flags = len(verdict.findings) - len(verdict.errors)
            note(f"{folder}: {verdict.records} records, {len(verdict.errors)} errors, {flags} flags for review")
    if any(verdict.errors for verdict in verdicts.values()):
        raise typer.Exit(1)


def verify_submission(
    folder: Path = typer.Argument(help="A submission, such as submissions/my-method."),
    by: str = typer.Option(..., help="Who signs, as the file allowed_signers beside the submissions names the key."),
    key: Path = typer.Option(
        ..., envvar="ELUE_SIGNING_KEY", help="SSH key to sign with; a public one where an agent holds the other."
    ),
    weights: Path | None = typer.Option(None, help="Folder with its weights, or with a folder for each of them."),
    full: bool = typer.Option(False, "--full", help="Ask every sample, not a random tenth."),
    data: Path | None = typer.Option(
        None, envvar="ELUE_DATA", help="Folder with TASK/SPLIT.parquet (csv, tsv, jsonl)."
    ),
    seed: int | None = typer.Option(None, min=0, help="Draw the samples by this seed; drawn itself if left out."),
    timeout: float = typer.Option(60.0, min=0.1, help="Seconds a sample may take."),
    allow_unconfined: bool = ALLOW_UNCONFINED,
    as_json: bool = typer.Option(False, "--json", help="Print JSON instead of a table."),
) -> None:
    """Run a submission again, confined, compare it sample by sample, and sign what came out."""
    from elue.submissions.leaving import left_out
    from elue.submissions.verify import Verifying, verify

    if not by.strip():
        raise ElueError("no_name", "A sign-off needs a name.", "Say who verifies by --by NAME.")
    with evaluation_progress() as progress:
        sign_off = verify(Verifying(folder, by.strip(), key, weights, data, full, seed, timeout), lambda: progress)
    if as_json:
        typer.echo(json.dumps(sign_off.model_dump(mode="json"), indent=1))
    else:
        rows = [
            (
                run.key[:12],
                f"{run.samples:,}",
                f"{run.values_differ:,}",
                f"{run.flops_differ:,}",
                f"{run.touched_differ:,}",
                ", ".join(sorted({flag.code for flag in run.flags})),
                sign_off.level if run.holds else f"FAILED: {run.finding}",
            )
            for run in sign_off.runs
        ]
        rows += [(key[:12], "", "", "", "", "", f"not run: {why}") for key, why in sorted(left_out(folder).items())]
        numbers = ("samples", "answers differ", "FLOPs differ", "touched differ")
        table(("run", *numbers, "flags", "outcome"), rows, right=numbers)
        note(f"signed by {sign_off.by} (seed {sign_off.seed}): {folder / 'verification.json'}")
    if not all(run.holds for run in sign_off.runs):
        raise typer.Exit(1)


def retract_submission(
    folder: Path = typer.Argument(help="A submission, such as submissions/my-method."),
    reason: str = typer.Option(..., help="Why, in a line; it is shown with the rows."),
    method: list[str] = typer.Option([], help="Only this method; repeat for several."),
    point: list[str] = typer.Option([], help="Only this operating point, KNOB=VALUE[,KNOB=VALUE…]; repeat."),
    profile: str | None = typer.Option(None, help="Only what was measured under this profile."),
) -> None:
    """Take a submission's rows back. They stay, with the reason; nothing is deleted."""
    from elue.submissions.retracting import retract, texts_of

    texts = texts_of(folder, method) if point else set()
    covered = retract(folder, reason, method, [parse_point(text, texts) for text in point], profile)
    note(f"retracted in {folder}: {covered} of its runs")


def _field(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name.strip():
        raise ElueError("bad_field", f"'{text}' is no field.", "Write --set NAME=TEXT.")
    return name.strip(), value.strip()
