"""Records and manifests with something hostile in one place, drawn by a seed."""

from __future__ import annotations

import base64
import json
import random
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from elue.errors import ElueError
from elue.record import files as records
from elue.record.schema import Control, Controls, Explained, Flag, Latency, Packs, Record, Traffic
from tests.submissions.breaking import edit, files

HUGE = "@huge@"
"""Stands for numbers that Python's own writer would not write; see `spelled`."""
DEEP = 900


def deep() -> list[Any]:
    value: list[Any] = []
    for _ in range(DEEP):
        value = [value]
    return value


VALUES: tuple[Callable[[], Any], ...] = (
    *(lambda value=value: value for value in (0, -1, True, None, "", "x", [], {}, [[]], {"a": {"b": [1]}})),
    *(lambda value=value: value for value in (2**31, 2**63, -(2**63), 10**17, 1e300, -1e300, 5e-324, -0.0, 1e17)),
    *(lambda value=value: value for value in ("\ud800", "a\udfffb", "\0", "\x1b[2J\x07", "\u202e", "9999-99-99")),
    *(
        lambda value=value: value
        for value in ("<script>alert(1)</script>", "../../x", "'; DROP TABLE runs; --", "{{7*7}}")
    ),
    *(lambda value=value: f"{HUGE}{value}" for value in ("1e999", "-1e999", "NaN", "Infinity", "9" * 4000)),
    lambda: "y" * 150_000,
    lambda: list(range(50_000)),
    lambda: {str(number): number for number in range(3000)},
    deep,
)


def rich(folder: Path) -> None:
    """Give the first record of a submission all parts that a record may have."""
    control = Control(score=60.0, flops_mean=100.0)
    ids = records.read(files(folder)[0]).samples.id[:2]  # type: ignore[union-attr]
    times = {"median": 1.0, "median_low": 0.9, "median_high": 1.1, "p95": 2.0, "p95_low": 1.5, "p95_high": 2.5}
    packs = {"flops_mean": 1e6, "flops_speedup": 2.0, "throughput": 1.5, "throughput_low": 1.4, "throughput_high": 1.6}
    edit(
        folder,
        flags=(Flag(code="cpu_time", detail="twice as much"),),
        traffic=Traffic(read_mean=10.0, written_mean=5.0),
        controls=Controls(shares=(0.5, 0.5), random=control, oracle=control, gain=1.0, gain_low=0.5, gain_high=1.5),
        latency=Latency(reference="r", samples=10, machine="m", **times),
        batch=Packs(token_budget=64, threads=1, reference="static", realised=0.8, machine="m", **packs),
        measurements={"words": 3, "list": (1.0, 2.0), "table": {"a": 1}},
        claimed=100.0,
        explained=tuple(
            Explained(
                id=name, tokens=("a", "b"), kept=((0, 1), (0,)), exits=((0.1, 0.9),), experts={"1": (0, 1)}, stage=0
            )
            for name in ids
        ),
    )


def mutated(text: str, draw: random.Random) -> tuple[str, str]:
    """A record's text with one value changed, on top or in its packed samples, and where."""
    document = json.loads(text)
    packed = draw.choice((None, None, None, "samples", "explained"))
    inner = json.loads(zlib.decompress(base64.b64decode(document[packed]["data"]))) if packed else document
    where = _mutate(inner, draw)
    if packed:
        content = zlib.compress(spelled(inner).encode("utf-8", "surrogatepass"))
        document[packed]["data"] = base64.b64encode(content).decode()
    return spelled(document), f"{packed or ''}{where}"


def spelled(document: Any) -> str:
    """JSON, with the numbers in it that no writer writes."""
    text = json.dumps(document)
    for number in ("1e999", "-1e999", "NaN", "Infinity", "9" * 4000):
        text = text.replace(f'"{HUGE}{number}"', number)
    return text


def _mutate(document: Any, draw: random.Random) -> str:
    """Change one value, at random among all of few; lists of samples are entered at a random place."""
    holder, key, where = None, None, ""
    value = document
    while isinstance(value, dict | list) and value and (holder is None or draw.random() < 0.8):
        holder, key = value, draw.choice(list(value) if isinstance(value, dict) else range(len(value)))
        value, where = holder[key], f"{where}.{key}"
    kind = draw.random()
    if kind < 0.8:
        holder[key] = draw.choice(VALUES)()
    elif kind < 0.9:
        del holder[key]
    elif isinstance(holder, dict):
        holder["more"] = draw.choice(VALUES)()
    else:
        holder.insert(key, draw.choice(VALUES)())
    return where


LINES: tuple[Callable[[random.Random], str], ...] = (
    lambda draw: "." * draw.choice((10, 5000, 200_000)),
    lambda draw: "a" + ".a" * draw.choice((3, 30, 50_000)) + " = 1",
    lambda draw: "[" + ".".join("a" * 20_000) + "]",
    lambda draw: "x = " + "[" * draw.choice((5, 500, 100_000)),
    lambda draw: "x = " + "[" * DEEP + "]" * DEEP,
    lambda draw: "x = " + "{a=" * 400 + "1" + "}" * 400,
    lambda draw: "x = " + draw.choice(("9" * 4000, "0x" + "f" * 5000, "1e999", "inf", "nan", "-inf")),
    lambda draw: 'x = "' + "\\u0000" + '"',
    lambda draw: 'x = "' + '\\"' * 100_000 + '"',
    lambda draw: '"""' * draw.choice((1, 2, 3, 60_000)),
    lambda draw: "\n".join(f"[[a{n}.b.c.d]]" for n in range(10_000)),
    lambda draw: "\n".join("[[methods]]" for _ in range(20_000)),
    lambda draw: "seeds = 1979-05-27T07:32:00-08:00",
    lambda draw: (
        '[[retracted]]\nmethod = "hello"\npoint = { passes = ' + draw.choice(("9" * 400, "1e308", "true")) + " }\n"
        'reason = "r"\nwhen = "w"'
    ),
)


def mutated_manifest(text: str, draw: random.Random) -> str:
    """A manifest with a hostile line in some place, or a value changed."""
    lines = text.splitlines()
    at = draw.randrange(len(lines) + 1)
    if draw.random() < 0.5:
        lines.insert(at, draw.choice(LINES)(draw))
    else:
        name, _, _ = lines[min(at, len(lines) - 1)].partition(" = ")
        value = draw.choice(
            ('"\\u001b[2J"', '""', "[]", "-1", "2.5", "{}", '"' + "z" * 5500 + '"', "9" * 30, "true", "nan")
        )
        lines[min(at, len(lines) - 1)] = f"{name} = {value}"
    return "\n".join(lines) + "\n"


def rekeyed(path: Path, folder: Path) -> Path:
    """The record under the key that then is right, where it can be read: a key alone is no defence."""
    try:
        record = records.read(path)
        named = record.model_copy(update={"key": records.identity(record).key})
        written = records.write(named, folder / "records")
    except (ElueError, ValueError):
        return path
    if written != path:
        path.unlink()
    return written


def mutants(text: str, manifest: str, signed: str, seed: int) -> Iterator[tuple[str, str, str, str]]:
    """Records and manifests without end, two records for a manifest, and where they were changed."""
    number = 0
    while True:
        draw = random.Random(f"{seed} {number}")
        number += 1
        if number % 3:
            changed, where = mutated(text, draw)
            yield changed, manifest, signed, where
        else:
            yield text, mutated_manifest(manifest, draw), signed, f"manifest {number}"


def record_of(path: Path) -> Record | None:
    """The record of a file, None where it can't be read."""
    try:
        return records.read(path)
    except ElueError:
        return None
