"""What several commands take alike: a method, a task. Shells that complete commands are told their names."""

from __future__ import annotations

import typer


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
