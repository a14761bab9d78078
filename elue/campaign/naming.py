"""Which methods a campaign means: names, patterns such as `early_exit/*`, and tables of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any

from elue.campaign.request import Campaign, Entry
from elue.errors import ElueError, unknown
from elue.methods.registry import MethodSource

_MARKS = frozenset("*?[/")


def is_pattern(word: str) -> bool:
    """Whether a word stands for methods by family and name, as in `early_exit/*`; a path of a plugin does not."""
    return bool(_MARKS & set(word)) and ".py" not in word


def labels(words: Sequence[str] | None, tables: Mapping[str, Any], methods: Sequence[MethodSource]) -> list[str]:
    """The entries of a campaign: what its `methods` name, in that order, or all its tables that are no patterns.

    Raises ElueError for a pattern that no method matches.
    """
    if words is None:
        return [name for name in tables if not is_pattern(name)]
    named: dict[str, None] = {}
    for word in words:
        less = word.startswith("!")
        for name in _meant(word.removeprefix("!"), methods):
            if less:
                named.pop(name, None)
            else:
                named[name] = None
    return list(named)


def tables_for(name: str, method: MethodSource, tables: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """The tables that say something of an entry: those of patterns in the file's order, its own last."""
    return (tables[label] for label in tables_named(name, method, tables))


def tables_named(name: str, method: MethodSource, tables: Mapping[str, Any]) -> Iterator[str]:
    """As `tables_for`, by what they are called."""
    yield from (pattern for pattern in tables if is_pattern(pattern) and _matches(pattern, method))
    if name in tables:
        yield name


def _meant(word: str, methods: Sequence[MethodSource]) -> list[str]:
    if not is_pattern(word):
        return [word]
    names = [method.name for method in methods if not method.broken and _matches(word, method)]
    if not names:
        raise unknown("method", word, (f"{method.family}/{method.name}" for method in methods if not method.broken))
    return names


def _matches(pattern: str, method: MethodSource) -> bool:
    whole = f"{method.family}/{method.name}" if "/" in pattern else method.name
    return fnmatchcase(whole, pattern)


def unused(tables: Mapping[str, Any], entries: Mapping[str, MethodSource]) -> ElueError | None:
    """What is wrong with a table that no entry is told by; None where there is no such table."""
    for name in tables:
        if name in entries or (is_pattern(name) and any(_matches(name, method) for method in entries.values())):
            continue
        wrong = unknown("method", name, entries)
        return ElueError("unused_table", f"no method of this campaign is '{name}'.", wrong.hint)
    return None


def selected(campaign: Campaign, only: Sequence[str]) -> tuple[list[Entry], set[str]]:
    """The entries and tasks that `--only` names, all where it names none. Raises ElueError for a word for nothing."""
    entries: list[Entry] = []
    words: set[str] = set()
    for word in only:
        named = [entry for entry in campaign.entries if _names(word, entry)]
        of_tasks = {key for key, spec in campaign.tasks.items() if fnmatchcase(spec.name, word)}
        if not named and not of_tasks:
            names = [*(entry.name for entry in campaign.entries), *(spec.name for spec in campaign.tasks.values())]
            raise unknown("method or task", word, names)
        entries += [entry for entry in named if entry not in entries]
        words |= of_tasks
    return entries or list(campaign.entries), words or set(campaign.tasks)


def _names(word: str, entry: Entry) -> bool:
    return fnmatchcase(f"{entry.method.family}/{entry.name}" if "/" in word else entry.name, word)
