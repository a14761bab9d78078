"""Pages of the reference that are made from the code, so that they can't fall behind it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

from elue.campaign.form import CAMPAIGN, METHOD, SEARCH
from elue.cli import app
from elue.methods.registry import installed
from elue.tasks.form import HELP
from elue.tasks.metrics import METRICS

FAMILIES = {
    "static": "Static",
    "early_exit": "Early exit",
    "skimming": "Skimming",
    "moe": "Mixture of experts",
    "cascade": "Cascade",
}


def write(folder: Path) -> None:
    """Write all of them, where they have changed."""
    pages = {
        "commands.md": "\n".join(commands()),
        "task-file.md": "\n".join(task_file()),
        "campaign-file.md": "\n".join(campaign_file()),
        "baselines.md": "\n".join(baselines()),
    }
    for name, text in pages.items():
        path = folder / name
        if not path.exists() or path.read_text("utf-8") != text:
            path.write_text(text, encoding="utf-8")


def commands() -> Iterator[str]:
    """Every command with its arguments and options, as its own `--help` has them."""
    yield "# Every command\n"
    yield "What `elue COMMAND --help` prints, of all commands. A mistake is one line and exit code 2.\n"
    for path, command in _leaves(typer.main.get_command(app), ()):
        context = command.context_class(command, info_name=" ".join(("elue", *path)))
        yield f"## elue {' '.join(path)}\n"
        yield f"{_sentences(command.help)}\n"
        yield f"```text\n{' '.join(command.get_usage(context).split()).removeprefix('Usage: ')}\n```\n"
        rows = [_parameter(parameter, context) for parameter in command.params]
        kept = [row for row in rows if row is not None]
        if kept:
            yield from _table(("argument or option", "what it is"), kept)


def _leaves(command: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    if not hasattr(command, "commands"):
        yield path, command
        return
    for name, inner in command.commands.items():
        yield from _leaves(inner, (*path, name))


def _parameter(parameter: Any, context: Any) -> tuple[str, str] | None:
    """An argument or option as its help has it: how it is written, and what it is."""
    record = None if parameter.name == "help" else parameter.get_help_record(context)
    return None if record is None else (f"`{' '.join(record[0].split())}`", _escaped(record[1]))


def task_file() -> Iterator[str]:
    """The entries of a task's file, and the metrics."""
    yield "# Entries of a task's file\n"
    yield "A task of your own is a TOML file; {doc}`../tutorials/own-task` shows how one is made. `kind` is needed,"
    yield "`labels` of a classification, and the rest where it says so. For an editor: `elue tasks --schema`.\n"
    yield from _table(("entry", "what it means"), [(f"`{key}`", _escaped(text)) for key, text in HELP.items()])
    yield "## Metrics\n"
    yield "Scores are in percent, and higher is better, always.\n"
    rows = [(f"`{row.name}`", row.title, " ".join(row.kinds), row.note) for row in METRICS.values()]
    yield from _table(("name", "title", "for a", "how to read it"), rows)
    yield "One of your own is a function of labels and answers: {doc}`../tutorials/own-task` has an example.\n"


def campaign_file() -> Iterator[str]:
    """The entries of a campaign's file."""
    yield "# Entries of a campaign's file\n"
    yield "{doc}`../tutorials/campaign` shows one at work. For an editor: `elue campaign schema`.\n"
    for title, form in (("At the top", CAMPAIGN), ("In a method's table", METHOD), ("In `[search]`", SEARCH)):
        yield f"## {title}\n"
        rows = [
            (f"`{name}`", _escaped(str(part.get("description", ""))))
            for name, part in form["properties"].items()
            if "description" in part
        ]
        yield from _table(("entry", "what it means"), rows)


def baselines() -> Iterator[str]:
    """The methods that come with ELUE, with what their source says of them."""
    yield "# The baselines\n"
    yield "`elue list` names them; `elue show NAME` tells the knobs and options of one.\n"
    methods = [method for method in installed() if method.comes_with_elue]
    for family, title in FAMILIES.items():
        yield f"## {title}\n"
        for method in methods:
            if method.family == family:
                paper = f"\n\n  {_escaped(method.paper)}" if method.paper else ""
                yield f"`{method.name}`: {_escaped(method.title)}\n: {_escaped(method.summary)}{paper}\n"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> Iterator[str]:
    yield f"| {' | '.join(header)} |"
    yield f"|{'---|' * len(header)}"
    for row in rows:
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|').replace(chr(10), ' ') for cell in row)} |"
    yield ""


def _sentences(help: str | None) -> str:
    return _escaped("\n\n".join(" ".join(part.split()) for part in (help or "").split("\n\n")))


def _escaped(text: str) -> str:
    """A text whose stars and brackets are no markup."""
    return text.replace("*", r"\*").replace("<", r"\<").replace("[", r"\[")
