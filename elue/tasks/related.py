"""Tasks that must not meet in one training: the texts of one are among those of the other."""

from __future__ import annotations

from collections.abc import Collection

from elue.errors import ElueError

RELATED = {
    frozenset({"sst2", "sst2_elue"}): "both are sentences of the same reviews, split otherwise",
}
"""Pairs of tasks, and why a model that was trained on one can't be tested on the other."""


def leaks(task: str, trained: Collection[str]) -> tuple[str, str] | None:
    """A task among those trained on whose texts may be in the test data of `task`, and why; None if there is none."""
    for other in sorted(trained):
        if (why := RELATED.get(frozenset({task, other}))) is not None:
            return other, why
    return None


def check_apart(names: Collection[str]) -> None:
    """Raise ElueError for tasks named twice, or of which one would leak into another's test data."""
    for name in names:
        if list(names).count(name) > 1:
            raise ElueError("bad_value", f"The task '{name}' is named twice.", "Name each task once.")
        if (leak := leaks(name, names)) is not None:
            message = f"'{name}' and '{leak[0]}' can't be trained on together: {leak[1]}."
            raise ElueError("leakage", message, "Leave one of them out.")
