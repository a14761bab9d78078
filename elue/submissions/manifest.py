"""The manifest of a submission, `submission.toml`: its shape, reading it, and writing a new one."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from elue.errors import ElueError
from elue.protocol import Knob
from elue.record import bounds
from elue.record.schema import Record

FILE = "submission.toml"
SCHEMA = 1
PLACEHOLDER = "FILL IN"
"""Begins every text that only the author can supply; a manifest that still holds one is not complete."""

LONGEST_MANIFEST = 2**18
LONGEST_LINE = 6000
DEEPEST = 8
"""Dots that a name may have: reading one takes time that grows with the square of them."""

Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]{0,99}$")]
Line = Annotated[str, Field(min_length=1, max_length=500, pattern=r"^[^\x00-\x1f\x7f]+$")]
Paragraph = Annotated[str, Field(min_length=1, max_length=5000, pattern=r"^[^\x00-\x08\x0b-\x1f\x7f]+$")]
Sha256 = Annotated[str, Field(pattern=r"^([0-9a-f]{64}|FILL IN.*)$")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Code(_Part):
    """Where the code is developed, and at which revision it was run."""

    url: Line
    revision: Line


class MethodEntry(_Part):
    """A method of the submission. `source` is `plugin/FILE.py:Class`, or `module:Class` of a package.

    Modules of a package lie under `plugin/` by their dotted names; those that come with ELUE are not copied.
    `superseded` says of such a one why its records stay although the code has moved on since. `tuned_on` is what chose
    this method's operating points, where it is another split than for the rest.
    """

    name: Name
    version: Line
    source: Annotated[str, Field(pattern=r"^[\w./-]+:\w+$", max_length=300)]
    superseded: Line | None = None
    tuned_on: Line | None = None

    @model_validator(mode="after")
    def _ours(self) -> MethodEntry:
        if self.superseded and not self.source.startswith("elue.plugins."):
            raise ValueError("only a method that comes with ELUE is superseded; code of your own lies under plugin/")
        return self


class WeightsEntry(_Part):
    """The weights a method was measured with on a task.

    `sha256` is that of the folder, as in the records: over the lines "name sha256-of-content" of its files in order.
    """

    method: Name
    task: Name
    url: Line
    sha256: Sha256
    size: Annotated[int, Field(ge=0)]


class Retraction(_Part):
    """Rows taken back: a method's, or those of one of its points or under one profile. They stay, with the reason."""

    method: Name
    point: dict[str, Knob] | None = None
    profile: Name | None = None
    reason: Line
    when: Line

    def covers(self, record: Record) -> bool:
        """Whether a run is among these rows."""
        point, profile = self.point in (None, record.point), self.profile in (None, record.profile.name)
        return self.method == record.method.name and point and profile


class Manifest(_Part):
    """What a submission says of itself. `version` rises with every change of a number.

    `seeds` announces how many trainings of each method there will be: all of them count, and no others.
    """

    schema_: Literal[1] = Field(alias="schema")
    slug: Name
    version: Annotated[int, Field(ge=1)]
    title: Line
    authors: Annotated[tuple[Line, ...], Field(min_length=1)]
    licence: Line
    paper: Line
    code: Code
    training_data: Paragraph
    tuned_on: Line
    division: Line
    hardware: Line
    seeds: Annotated[int, Field(ge=1, le=1000, strict=True)] = 1
    methods: Annotated[tuple[MethodEntry, ...], Field(min_length=1)]
    weights: tuple[WeightsEntry, ...] = ()
    retracted: tuple[Retraction, ...] = ()

    def method(self, name: str) -> MethodEntry | None:
        """The entry of a method, if there is one."""
        return next((method for method in self.methods if method.name == name), None)

    def retraction(self, record: Record) -> Retraction | None:
        """The retraction that covers a run, if there is one."""
        return next((retraction for retraction in self.retracted if retraction.covers(record)), None)


HINTS = {
    "slug": "It is the folder's name: at most 100 of the letters A to Z and a to z, digits, '_', '.' and '-'.",
    "licence": "An SPDX name, such as Apache-2.0.",
    "paper": "Authors, year and URL; 'none' if there is none.",
    "tuned_on": "Which split chose the operating points: validation, train or nothing.",
    "seeds": "A whole number from 1 up: how many trainings of each method there are to be.",
    "version": "A whole number from 1 up.",
}


class Misfit(Exception):
    """A manifest that is not one; `problems` are (where, what, how to mend)."""

    def __init__(self, problems: list[tuple[str, str, str]]) -> None:
        super().__init__(problems[0][1])
        self.problems = problems


def parse(text: str) -> Manifest:
    """The manifest a TOML text holds. Raises Misfit with everything that is wrong."""
    if max(map(len, text.split("\n"))) > LONGEST_LINE or _dotted(text) > DEEPEST:
        what = f"a line has more than {LONGEST_LINE:,} characters, or a name more than {DEEPEST} dots"
        raise Misfit([("", what, "A manifest is a page of text.")])
    try:
        document = tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise Misfit([("", f"it is not TOML ({reason})", "Mend the line it names.")]) from None
    if wrong := bounds.fault(document):
        raise Misfit([("", wrong, "A manifest is a page of text.")])
    schema = document.get("schema")
    if isinstance(schema, int) and schema > SCHEMA:
        what = f"it has schema {schema}; this version knows up to {SCHEMA}"
        raise Misfit([("schema", what, "Update ELUE to read it.")])
    try:
        return Manifest.model_validate(document)
    except ValidationError as error:
        raise Misfit([_problem(fault) for fault in error.errors(include_url=False)]) from None


_TEXTS = re.compile(r'"""(?s:.*?)"""|\'\'\'(?s:.*?)\'\'\'|"(?:[^"\\\n]|\\.)*"|\'[^\'\n]*\'|#[^\n]*')


def _dotted(text: str) -> int:
    """The most dots that lie in one place between other signs, texts and comments aside."""
    return max(piece.count(".") for piece in re.split(r"[=,\n{}\[\]]", _TEXTS.sub("", text)))


def read(folder: Path) -> Manifest:
    """The manifest of a submission. Raises ElueError, naming the first thing wrong, where there is no sound one."""
    path = folder / FILE
    if not path.is_file():
        raise ElueError("no_submission", f"{folder} has no {FILE}.", "Make a submission with `elue submit`.")
    try:
        return parse(text_of(path))
    except Misfit as misfit:
        where, what, mend = misfit.problems[0]
        raise ElueError("bad_manifest", f"{path}: {where + ': ' if where else ''}{what}.", mend) from None


def text_of(path: Path) -> str:
    """The text of a manifest file. Raises Misfit where it is too long or not UTF-8."""
    if path.stat().st_size > LONGEST_MANIFEST:
        raise Misfit([("", f"it is longer than {LONGEST_MANIFEST:,} bytes", "A manifest is a page of text.")])
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise Misfit([("", f"it cannot be read ({error})", "Save it as UTF-8.")]) from None


def placeholders(manifest: Manifest) -> dict[str, str]:
    """Where texts are still to be filled in, and what each asks for."""
    return dict(_unfilled(manifest.model_dump(by_alias=True), ""))


def _unfilled(value: Any, where: str) -> Iterator[tuple[str, str]]:
    if isinstance(value, str) and value.strip().upper().startswith(PLACEHOLDER):
        yield where, value.strip()[len(PLACEHOLDER) :].lstrip(": ")
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _unfilled(item, f"{where}.{key}" if where else key)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _unfilled(item, f"{where}[{index}]")


def _problem(error: Any) -> tuple[str, str, str]:
    where = ".".join(str(part) for part in error["loc"])
    hint = HINTS.get(where.partition(".")[0], "")
    if error["type"] == "missing":
        return where, "it is missing", hint or "Add it; `elue submit` writes a manifest with every field."
    if error["type"] == "extra_forbidden":
        return where, "there is no such field", "Take it out, or correct its name."
    shown = repr(error.get("input"))
    return where, f"{error['msg']} (found {shown[:80]})", hint or "See the fields in submissions/README.md."


def dumps(document: Mapping[str, Any]) -> str:
    """A manifest as TOML: plain fields, then tables, then arrays of tables; None is left out."""
    plain, tables, arrays = [], [], []
    for key, value in document.items():
        if isinstance(value, Mapping):
            tables.append(f"\n[{key}]\n" + "".join(_line(k, v) for k, v in value.items() if v is not None))
        elif isinstance(value, Sequence) and value and all(isinstance(item, Mapping) for item in value):
            arrays += [table(key, item) for item in value]
        elif value is not None and value != () and value != []:
            plain.append(_line(key, value))
    return "".join([*plain, *tables, *arrays])


def table(name: str, entries: Mapping[str, Any]) -> str:
    """One entry of an array of tables, as TOML."""
    return f"\n[[{name}]]\n" + "".join(_line(k, v) for k, v in entries.items() if v is not None)


def _line(key: str, value: Any) -> str:
    return f"{key} = {_value(value)}\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return repr(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{json.dumps(k, ensure_ascii=False)} = {_value(v)}" for k, v in value.items()) + " }"
    return "[" + ", ".join(_value(item) for item in value) + "]"
