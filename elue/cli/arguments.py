"""What several commands take alike: a method, a task. Shells that complete commands are told their names."""

from __future__ import annotations

from pathlib import Path

import typer

from elue.errors import ElueError


def methods(incomplete: str) -> list[str]:
    """Installed methods whose names begin so."""
    from importlib.metadata import entry_points

    from elue.methods.registry import GROUP

    return sorted(name for name in entry_points(group=GROUP).names if name.startswith(incomplete))


def tasks(incomplete: str) -> list[str]:
    """Tasks that come with ELUE whose names begin so."""
    from elue.tasks.spec import names

    return [name for name in names() if name.startswith(incomplete)]


METHOD = typer.Argument(
    help="An installed method, or a plugin file (FILE.py or FILE.py:Class).", autocompletion=methods
)
TASK = typer.Option("diagnostic", help="A task's name, or the path of its TOML file.", autocompletion=tasks)


def split_of(folder: Path | None, split: str) -> str:
    """The split that a folder of one's own, if any, stands for. Raises ElueError where another was asked for, too."""
    from elue.tasks import PRIVATE

    if folder is None:
        return split
    if split not in ("test", PRIVATE):
        raise ElueError("two_splits", f"--private {folder} is a split of its own.", f"Leave --split {split} out.")
    return PRIVATE
