"""Reading a campaign file. What is wrong is told with line, key and what is allowed."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

from elue import tasks
from elue.campaign import form, naming, options
from elue.campaign.kept import Kept
from elue.campaign.lines import line_of
from elue.campaign.request import Campaign, Entry, Places, Settings
from elue.campaign.search import trials_of
from elue.errors import ElueError
from elue.meter import profile as profiles
from elue.methods import knobs, lineage, registry
from elue.methods.crossings import check_rules, has_rules
from elue.methods.registry import MethodSource
from elue.record.connection import check_url
from elue.scores import edition as editions
from elue.scores.edition import Edition

_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+))")
_NAME = re.compile(r"[\w.-]*\w[\w.-]*")


def read(path: Path, out: Path | None = None, data: Path | None = None) -> Campaign:
    """The campaign that a file describes; `out` and `data` stand in for its own.

    Paths in it are relative to it, and $NAME in them is a variable of the environment. Raises ElueError
    `unreadable_campaign`, and `invalid_campaign` for what is wrong in it.
    """
    try:
        text = path.read_text("utf-8")
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ElueError("unreadable_campaign", f"{path} is no TOML: {error}.") from None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not written in UTF-8"
        raise ElueError("unreadable_campaign", f"Cannot read the campaign {path}: {reason}.") from None
    source = _Source(path, text)
    if wrong := form.fault(document, form.CAMPAIGN):
        where, what = wrong
        raise source.error(where, what)
    return _campaign(source, document, out, data)


@contextmanager
def telling(campaign: Campaign, entry: str) -> Iterator[None]:
    """Say where in a campaign's file an entry at its top stands that turns out to be of no use."""
    try:
        yield
    except ElueError as error:
        text = campaign.file.read_text("utf-8")
        if entry not in tomllib.loads(text):
            raise
        message = f"{campaign.file}, line {line_of(text, (entry,))}: '{entry}': {error.message}"
        raise ElueError(error.code, message, error.hint) from None


class _Source:
    """The text of a campaign file: where in it something is wrong, and where its paths lead."""

    def __init__(self, path: Path, text: str) -> None:
        self.path, self.text = path, text

    def error(self, where: tuple[str, ...], what: str) -> ElueError:
        """The error for what is wrong with an entry."""
        place = f"{self.path}, line {line_of(self.text, where)}"
        entry = f"'{'.'.join(where)}': " if where else ""
        return ElueError("invalid_campaign", f"{place}: {entry}{what.rstrip('.')}.")

    @contextmanager
    def telling(self, *where: str) -> Iterator[None]:
        """Say where in the file it stands that something can't be done."""
        try:
            yield
        except ElueError as error:
            raise self.error(where, str(error)) from None

    def expanded(self, text: str) -> str:
        """A text with the variables of the environment that it names. Raises ElueError for one that is not set."""

        def value(match: re.Match[str]) -> str:
            name = match[1] or match[2]
            if name not in os.environ:
                raise ElueError("no_variable", f"the environment has no variable {name}.")
            return os.environ[name]

        return _VARIABLE.sub(value, text)

    def place(self, text: str) -> Path:
        """A path, taken from where the file lies."""
        return self.path.parent / Path(self.expanded(text)).expanduser()

    def word(self, text: str, ending: str) -> str:
        """A name as it is, and the path of a file with such an ending from where this one lies."""
        return str(self.place(text)) if text.partition(":")[0].endswith(ending) else self.expanded(text)

    def folder(self, text: str) -> str:
        """A folder's absolute path, where there is one of that name beside the file; any other name as it is.

        Raises ElueError for a path of none: no name of the hub begins like one.
        """
        place, told = self.place(text), self.expanded(text)
        if not place.is_dir() and told.startswith(("/", ".", "~")):
            raise ElueError("no_folder", f"there is no folder {place}.")
        return str(place.resolve()) if place.is_dir() else told


def _campaign(source: _Source, document: dict[str, Any], out: Path | None, data: Path | None) -> Campaign:
    name = document.get("name", source.path.stem)
    if not _NAME.fullmatch(name):
        raise source.error(("name",), f"'{name}' can't be the name of a folder")
    edition = _edition(source, document)
    with source.telling("profile"):
        told = document.get("profile", edition.profile if edition else "elue-1")
        profile = profiles.load(source.word(told, ".toml"))
    if edition and edition.profile_digest != profile.digest:
        raise source.error(("edition",), f"its profile '{profile.name}' is no longer what it was frozen with")
    entries = tuple(_entries(source, document, edition))
    return Campaign(
        name=name,
        file=source.path,
        places=_places(source, document, out, Path(name), data),
        profile=profile,
        tasks={word: tasks.get(word) for entry in entries for word in entry.settings.tasks},
        entries=entries,
        edition=source.word(document["edition"], ".toml") if edition else None,
        search_seed=document.get("search", {}).get("seed", 0),
    )


def _edition(source: _Source, document: dict[str, Any]) -> Edition | None:
    if "edition" not in document:
        return None
    if "profile" in document:
        raise source.error(("profile",), "an edition has its own: name one of the two")
    with source.telling("edition"):
        return editions.load(source.word(document["edition"], ".toml"))


def _places(source: _Source, document: dict[str, Any], out: Path | None, else_out: Path, data: Path | None) -> Places:
    told: dict[str, Any] = {}
    for name in ("out", "runs", "journal", "site", "data"):
        if name in document:
            with source.telling(name):
                told[name] = source.place(document[name])
                if name == "data" and data is None and not told[name].is_dir():
                    raise ElueError("missing_data", f"there is no data folder {told[name]}.")
    if "db" in document:
        with source.telling("db"):
            told["db"] = source.expanded(document["db"])
            check_url(told["db"])
    if "store" in document:
        with source.telling("store"):
            where = source.expanded(document["store"])
            told["store"] = where if "://" in where else str(source.place(document["store"]).resolve())
            Kept(told["store"])
    folder = told.pop("out", else_out) if out is None else out
    variable = os.environ.get("ELUE_DATA")
    given = data or told.pop("data", None) or (Path(variable) if variable else None)
    default = {
        "runs": folder / "runs",
        "journal": folder / "journal.jsonl",
        "db": f"sqlite:///{folder / 'elue.sqlite'}",
    }
    return Places(**{**default, **told, "out": folder, "data": given.resolve() if given else None})


def _entries(source: _Source, document: dict[str, Any], edition: Edition | None) -> Iterator[Entry]:
    tables, words = document.get("method", {}), document.get("methods")
    with source.telling("methods"):
        patterns = any(naming.is_pattern(word.removeprefix("!")) for word in words or ())
        names = naming.labels(words, tables, registry.installed() if patterns else ())
    if not names:
        raise source.error(("methods",), "there is no method: name some, or write a table [method.NAME] for each")
    methods: dict[str, MethodSource] = {}
    for name in names:
        where = ("method", name) if name in tables else ("methods",)
        with source.telling(*where):
            methods[name] = registry.find(source.word(tables.get(name, {}).get("source", name), ".py"))
    if wrong := naming.unused(tables, methods):
        raise source.error(("method", next(n for n in tables if f"'{n}'" in wrong.message)), str(wrong))
    first: int | None = None
    for name, method in methods.items():
        told = list(naming.tables_for(name, method, tables))
        where = ("method", name) if name in tables else ("search",)
        with source.telling(*where):
            grid = next((table["grid"] for table in reversed(told) if "grid" in table), None)
            trials = trials_of(document.get("search"), grid)
        first = len(trials) if first is None else first
        if len(trials) != first:
            what = f"it has {len(trials)} trials, '{names[0]}' has {first}: say in [search] how many all have"
            raise source.error(where, what)
        settings = _settings(source, [_of_edition(edition), document, *told], name, method, tables)
        settings = _checked(source, settings, name, method, tables)
        trains = lineage.trains(method)
        if wrong_option := options.fault(name, method, trains, document, settings.backbones):
            raise source.error(*wrong_option)
        yield Entry(name, method, settings, trials, lineage.trained_as(method), trains)


def _checked(
    source: _Source, settings: Settings, name: str, method: MethodSource, tables: Mapping[str, Any]
) -> Settings:
    """The settings, whose points and rules are the method's. Rules that are not its table's own are for those that
    have any."""
    with source.telling(*_where("points", name, method, tables)):
        for point in settings.points:
            knobs.settled(method.knobs, point)
    if "rules" not in tables.get(name, {}) and not has_rules(method):
        return replace(settings, rules=())
    with source.telling(*_where("rules", name, method, tables)):
        if settings.rules:
            check_rules(method, settings.rules)
    return settings


def _where(key: str, name: str, method: MethodSource, tables: Mapping[str, Any]) -> tuple[str, ...]:
    """Where an entry stands that applies to a method."""
    labels = [label for label in naming.tables_named(name, method, tables) if key in tables[label]]
    return ("method", labels[-1], key) if labels else (key,)


def _of_edition(edition: Edition | None) -> dict[str, Any]:
    if edition is None:
        return {}
    chosen = any(task.validation for task in edition.tasks.values()) and edition.split != "validation"
    splits = [*(["validation"] if chosen else []), edition.split]
    return {"tasks": list(edition.tasks), "seeds": list(range(edition.seeds)), "splits": splits}


def _settings(
    source: _Source, told: list[dict[str, Any]], name: str, method: MethodSource, tables: Mapping[str, Any]
) -> Settings:
    """What applies to a method, of tables from the most general to its own."""
    whole: dict[str, Any] = {}
    for table in told:
        given = {field.name: table[field.name] for field in fields(Settings) if field.name in table}
        whole |= given | {"options": {**whole.get("options", {}), **given.get("options", {})}}
    for key, resolve in (("tasks", lambda word: source.word(word, ".toml")), ("backbones", source.folder)):
        if key in whole:
            with source.telling(*_where(key, name, method, tables)):
                whole[key] = [resolve(word) for word in whole[key]]
    with source.telling(*_where("tasks", name, method, tables)):
        for word in whole.get("tasks", ()):
            tasks.get(word)
    if "audit" in whole:
        whole["audit"] = None if whole["audit"] == "all" else whole["audit"]
    settled: dict[str, Any] = {key: tuple(value) if isinstance(value, list) else value for key, value in whole.items()}
    return Settings(**settled)
