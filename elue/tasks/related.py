"""Tasks whose texts meet: those that must not be trained on together, and those of which some rows are the same."""

from __future__ import annotations

import re
from collections.abc import Collection

from elue.errors import ElueError
from elue.protocol import Sample

RELATED = {
    frozenset({"sst2", "sst2_elue"}): "both are sentences of the same reviews, split otherwise",
}
"""Pairs of tasks, and why a model that was trained on one can't be tested on the other."""
SHARED = {
    frozenset({"mrpc", "stsb"}): "STS-B has scored pairs of MRPC: 628 test rows of MRPC and 128 of STS-B are the "
    "other's training or validation rows",
}
"""Pairs of tasks of which test rows of one are training rows of the other, and which; the rest may be trained on."""


def leaks(task: str, trained: Collection[str]) -> tuple[str, str] | None:
    """A task among those trained on whose texts may be in the test data of `task`, and why; None if there is none."""
    return _meeting(RELATED, task, trained)


def shares(task: str, trained: Collection[str]) -> tuple[str, str] | None:
    """A task among those trained on some of whose rows are test rows of `task`, and which; None if there is none."""
    return _meeting(SHARED, task, trained)


def _meeting(pairs: dict[frozenset[str], str], task: str, trained: Collection[str]) -> tuple[str, str] | None:
    for other in sorted(trained):
        if (why := pairs.get(frozenset({task, other}))) is not None:
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


TextKey = tuple[str, ...]


def text_key(sample: Sample) -> TextKey:
    """What makes two samples the same: letters and digits of their texts alone, in either order."""
    return tuple(sorted(re.sub(r"[\W_]+", "", text.lower()) for text in (sample.text, sample.pair) if text is not None))
