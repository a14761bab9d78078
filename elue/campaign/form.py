"""The form of a campaign file: one JSON Schema, which editors read and `fault` checks by.

Of JSON Schema it uses `type`, `enum`, `minimum`, `maximum`, `exclusiveMinimum`, `items`, `minItems`, `uniqueItems`,
`properties`, `additionalProperties`, `minProperties` and `anyOf`, and `fault` knows no others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elue.errors import ElueError, unknown

Schema = Mapping[str, Any]

_TEXT: Schema = {"type": "string"}
_TEXTS: Schema = {"type": "array", "items": _TEXT, "minItems": 1, "uniqueItems": True}
_COUNT: Schema = {"type": "integer", "minimum": 0}
_SEED: Schema = {**_COUNT, "maximum": 2**32 - 1}
_POSITIVE: Schema = {"type": "integer", "minimum": 1}
_VALUE: Schema = {"type": ["string", "number", "boolean"]}
_VALUES: Schema = {"type": "object", "additionalProperties": _VALUE}
_GRID: Schema = {
    "type": "object",
    "minProperties": 1,
    "additionalProperties": {"type": "array", "items": _VALUE, "minItems": 1, "uniqueItems": True},
}


def _of(schema: Schema, help: str) -> Schema:
    return {**schema, "description": help}


SETTINGS: dict[str, Schema] = {
    "backbones": _of(_TEXTS, "encoders to train on: 'tiny', folders, hub ids"),
    "tasks": _of(_TEXTS, "tasks by name, or TOML files of one's own; with an edition, its own"),
    "seeds": _of({"type": "array", "items": _SEED, "minItems": 1, "uniqueItems": True}, "a training for each"),
    "splits": _of(
        {
            "type": "array",
            "items": {"type": "string", "enum": ["train", "validation", "test"]},
            "minItems": 1,
            "uniqueItems": True,
        },
        "splits to answer",
    ),
    "options": _of(_VALUES, "training options; those of a method's table are added to those above it"),
    "points": _of({"type": "array", "items": _VALUES, "minItems": 1}, "operating points, instead of the own sweep"),
    "rules": _of(_TEXTS, "a sweep of each of these exit rules, or 'all'"),
    "limit": _of(_POSITIVE, "only so many samples, spread over the split"),
    "max_train_samples": _of(_POSITIVE, "train on a seeded random part of the train split"),
    "measure": _of({"type": "string", "enum": ["observed", "traced"]}, "how compute is counted, else by what it can"),
    "audit": _of({"anyOf": [_POSITIVE, {"type": "string", "enum": ["all"]}]}, "samples a point audited in traced runs"),
    "latency": _of(_COUNT, "samples a point that are timed"),
    "repeat": _of(_COUNT, "samples a point that are asked again"),
    "explain": _of(_COUNT, "samples to explain, else 200 where texts may be shown"),
    "timeout": _of({"type": "number", "exclusiveMinimum": 0}, "seconds a sample may take"),
}
"""What may stand at the top as a default for all methods, and in a method's table."""

METHOD: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        **SETTINGS,
        "source": _of(_TEXT, "the method, where the table has another name: installed, FILE.py or FILE.py:Class"),
        "grid": _of(_GRID, "the values its trials try, instead of those of [search]"),
    },
}

SEARCH: Schema = {
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "grid": _of(_GRID, "the values of options that trials try, in all combinations"),
        "trials": _of(_POSITIVE, "so many of the combinations, drawn by the seed; as many for every method"),
        "seed": _of(_SEED, "the seed of the trials' trainings, and of the draw"),
    },
}

CAMPAIGN: Schema = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "title": "A campaign of ELUE",
    "type": "object",
    "additionalProperties": False,
    "properties": {
        "name": _of(_TEXT, "what it is called, else as its file"),
        "out": _of(_TEXT, "folder for weights, records, index and site, else its name in the current folder"),
        "runs": _of(_TEXT, "folder for records, else runs in that folder"),
        "journal": _of(_TEXT, "file of what has been done, else journal.jsonl in that folder"),
        "db": _of(_TEXT, "the index, a SQLAlchemy URL, else elue.sqlite in that folder"),
        "site": _of(_TEXT, "folder to build the site in when all is done"),
        "store": _of(_TEXT, "where weights are kept by digest: a folder, or a URL that fsspec opens"),
        "data": _of(_TEXT, "folder with TASK/SPLIT.parquet (csv, tsv, jsonl), else ELUE_DATA"),
        "edition": _of(_TEXT, "an edition by name or file: its tasks, profile, splits, and as many seeds as it asks"),
        "profile": _of(_TEXT, "a profile's name or file, where there is no edition"),
        "methods": _of(_TEXTS, "methods by name, family/pattern or table; '!...' takes out; else all tables"),
        **SETTINGS,
        "search": _of(SEARCH, "tune options on validation data before the trainings that count"),
        "method": _of({"type": "object", "additionalProperties": METHOD}, "a table a method, or a pattern of several"),
    },
}

_KINDS: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}
_WORDS = {
    "string": "a text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a table",
}

Fault = tuple[tuple[str, ...], str]
"""Where something is wrong, and what."""


def fault(value: object, schema: Schema, path: tuple[str, ...] = ()) -> Fault | None:
    """The first thing by which a value is not of a form, None where it is."""
    if "anyOf" in schema:
        faults = [fault(value, option, path) for option in schema["anyOf"]]
        return None if None in faults else (path, f"{_shown(value)} is not {_either(schema['anyOf'])}")
    kinds = schema["type"] if isinstance(schema["type"], list) else [schema["type"]]
    if not any(_is_kind(value, kind) for kind in kinds):
        return path, f"{_shown(value)} is not {' or '.join(_WORDS[kind] for kind in kinds)}"
    if "enum" in schema and value not in schema["enum"]:
        return path, _plain(unknown("value", str(value), schema["enum"]))
    if isinstance(value, int | float) and value < schema.get("minimum", value):
        return path, f"{value} is less than {schema['minimum']}"
    if isinstance(value, int | float) and value > schema.get("maximum", value):
        return path, f"{value} is more than {schema['maximum']}"
    if isinstance(value, int | float) and not value > schema.get("exclusiveMinimum", value - 1):
        return path, f"{value} is not above {schema['exclusiveMinimum']}"
    if isinstance(value, list):
        return _in_list(value, schema, path)
    if isinstance(value, dict):
        return _in_table(value, schema, path)
    return None


def _in_list(values: list[Any], schema: Schema, path: tuple[str, ...]) -> Fault | None:
    if len(values) < schema.get("minItems", 0):
        return path, "the list is empty"
    for place, value in enumerate(values):
        if wrong := fault(value, schema["items"], path):
            return wrong
        if schema.get("uniqueItems") and any(_same(value, before) for before in values[:place]):
            return path, f"{_shown(value)} stands there twice"
    return None


def _in_table(table: dict[str, Any], schema: Schema, path: tuple[str, ...]) -> Fault | None:
    if len(table) < schema.get("minProperties", 0):
        return path, "the table is empty"
    properties, others = schema.get("properties", {}), schema["additionalProperties"]
    for name, value in table.items():
        if name not in properties and others is False:
            return (*path, name), _plain(unknown("entry", name, properties))
        if wrong := fault(value, properties.get(name, others), (*path, name)):
            return wrong
    return None


def _is_kind(value: object, kind: str) -> bool:
    if kind == "number" and isinstance(value, float) and (value != value or abs(value) == float("inf")):
        return False
    return isinstance(value, _KINDS[kind]) and (not isinstance(value, bool) or kind == "boolean")


def _same(value: object, other: object) -> bool:
    return value == other and isinstance(value, bool) == isinstance(other, bool)


def _either(options: list[Schema]) -> str:
    return " or ".join(repr(option["enum"][0]) if "enum" in option else _WORDS[option["type"]] for option in options)


def _shown(value: object) -> str:
    text = {True: "true", False: "false"}[value] if isinstance(value, bool) else repr(value)
    return text if len(text) < 60 else f"{text[:57]}..."


def _plain(error: ElueError) -> str:
    return f"{error.message} {error.hint}".rstrip(".")
