"""Mutations of the text itself: JSON, TOML and packed columns that parsers take in ways nobody meant."""

from __future__ import annotations

import base64
import itertools
import json
import random
import re
import zlib
from collections.abc import Callable, Iterator
from typing import Any

Text = Callable[[str, random.Random], str]
Document = dict[str, Any]


def doubled(text: str, draw: random.Random) -> str:
    """A key that stands twice; of such JSON parsers keep the last, others the first."""
    (name, value) = draw.choice(list(json.loads(text).items()))
    other = draw.choice(('"twice"', "1e99", "null", json.dumps(value), "[]"))
    return (
        text.replace("{", f'{{"{name}": {other}, ', 1)
        if draw.random() < 0.5
        else f'{text.rstrip()[:-1]}, "{name}": {other}}}'
    )


def number(text: str, draw: random.Random) -> str:
    """A number spelled as no writer does: huge exponents, leading zeros, a hexadecimal, a sign too many."""
    places = list(re.finditer(r"(?<=: )-?[0-9][0-9.e+-]*", text))
    place = draw.choice(places)
    huge = ("1e400", "-1e400", "1E+308", "1e-400", "0e99999", "1." + "0" * 5000)
    spelled = draw.choice((*huge, "01", "+1", "0x10", "1_000", "-0"))
    return text[: place.start()] + spelled + text[place.end() :]


def swapped(text: str, draw: random.Random) -> str:
    """A value in another type: a number as text, a text as number, a list as table, true for 1."""
    document = json.loads(text)
    holder, name = _somewhere(document, draw)
    value = holder[name]
    others = (str(value), [value], {"value": value}, bool(value), 1.5, 7, {str(n): n for n in range(3)}, {"0": value})
    holder[name] = draw.choice(others)
    return json.dumps(document)


def _somewhere(document: Any, draw: random.Random) -> tuple[Any, Any]:
    holder, name = document, draw.choice(list(document))
    while isinstance(holder[name], dict | list) and holder[name] and draw.random() < 0.7:
        holder = holder[name]
        name = draw.choice(list(holder) if isinstance(holder, dict) else range(len(holder)))
    return holder, name


def repacked(text: str, draw: random.Random, change: Callable[[Document, random.Random], Any]) -> str:
    """A record whose packed samples are changed and packed again."""
    document = json.loads(text)
    content = json.loads(zlib.decompress(base64.b64decode(document["samples"]["data"])))
    changed = change(content, draw)
    packed = zlib.compress(json.dumps(content if changed is None else changed).encode("utf-8", "surrogatepass"))
    document["samples"]["data"] = base64.b64encode(packed).decode()
    return json.dumps(document)


def columns(content: Document, draw: random.Random) -> Any:
    """Columns of no length, of another, of negative ones, with templates that ask for more than there is."""
    name = draw.choice(("id", "value", "error", "flops", "matmul_flops", "params_touched", "path"))
    traces: tuple[Document, ...] = (
        {"templates": [[["u", 10**9, 1]]], "kinds": [0], "columns": [[]]},
        {"templates": [[["u", -1, 1]]], "kinds": [0], "columns": [[[1]]]},
        {"templates": [[["u", 0, 1]] * 9], "kinds": [0] * 2_000_000, "columns": [[]]},
        {"templates": [[]], "kinds": [-1], "columns": [[]]},
    )
    changes: tuple[Callable[[], Any], ...] = (
        lambda: content.update({"id": draw.choice((-5, 10**9, 1.0, True, ["0"] * 1000))}),
        lambda: content.update({name: []}),
        lambda: content.update({name: [content[name]] if name != "id" else [1]}),
        lambda: content.update({name: {str(n): n for n in range(9)}}),
        lambda: content.update({"paths": draw.choice(traces), "path": [0]}),
        lambda: content.update({"paths": draw.choice(traces), "path": [0] * 1000}),
        lambda: content.update({"path": [-1] * 1000}),
        lambda: content.update({"flops_by": "path", "flops": []}),
        lambda: content.update({"value": [draw.choice((1e308, -1, 10**30, True, "1", None))] * 1000}),
        lambda: [content],
        lambda: {"id": content},
    )
    return draw.choice(changes)()


def packing(text: str, draw: random.Random) -> str:
    """Packed columns that unfold to gigabytes, break off, are packed twice, or are no base64."""
    document = json.loads(text)
    data = base64.b64decode(document["samples"]["data"])
    document["samples"]["data"] = draw.choice((
        lambda: base64.b64encode(zlib.compress(b"[" + b"0," * 30_000_000 + b"0]", 9)).decode(),
        lambda: base64.b64encode(zlib.compress(b" " * 300_000_000, 9)).decode(),
        lambda: base64.b64encode(zlib.compress(b'{"id":"' + b"a" * 31_000_000 + b'"}', 9)).decode(),
        lambda: base64.b64encode(data[: len(data) // 2]).decode(),
        lambda: base64.b64encode(zlib.compress(data)).decode(),
        lambda: base64.b64encode(data + b"more").decode(),
        lambda: "=" * 1000,
        lambda: "A" * 5_000_000,
        lambda: "\u0661" * 100,
    ))()  # fmt: skip
    return json.dumps(document)


SCHEMAS = ("0", "2", "-1", "1.0", "true", "null", "1e0", "[1]")
ODD = ("\0", "\x7f", "\ud800", "\u202e", "\\uD800", '"""', "'''", "[", "]")
VERSIONS = ("1e999", "9" * 5000, "-1", "1979-05-27", "inf")
SOURCES = (
    "plugin/../../x.py:X", "a" * 299 + ":X", "os:system", "elue.plugins.static:Static", "plugin/hello.py:..", "..:X",
    "plugin//hello.py:Hello",
)  # fmt: skip
NAMES = ("static", "..", "hel/lo", "con", "HELLO", "a" * 101)

TEXTS: tuple[Text, ...] = (
    doubled,
    doubled,
    number,
    number,
    swapped,
    swapped,
    swapped,
    packing,
    lambda text, draw: repacked(text, draw, columns),
    lambda text, draw: repacked(text, draw, columns),
    lambda text, draw: "\ufeff" + text,
    lambda text, draw: text.replace("\n", "\r\n"),
    lambda text, draw: text.replace("\n", draw.choice(("\r", "\u2028", "\x0b", "\t"))),
    lambda text, draw: text + draw.choice(("\0", " " * 2_000_000, "{}", "\n\n", text[:100], "// more")),
    lambda text, draw: text[: draw.randrange(len(text))],
    lambda text, draw: _at(text, draw, draw.choice(("\0", "\x7f", "\ud800", "\\ud800", "\\udc00\\ud800", "\\u0000"))),
    lambda text, draw: text.replace(
        '"schema": 1', f'"schema": {draw.choice(("0", "2", "-1", "1.0", "true", "null", "1e0", "[1]"))}'
    ),
    lambda text, draw: draw.choice(("[", '{"a":')) * draw.choice((10, 1000, 200_000)) + text,
    lambda text, draw: json.dumps({**json.loads(text), "explained": json.loads(text)["samples"]}),
    lambda text, draw: text.replace('"elue-1"', draw.choice(('"elue-2022"', '"elue-1-batch"', '"ELUE-1"', '""'))),
    lambda text, draw: re.sub(
        r'"digest": "[0-9a-f]{64}"', f'"digest": "{"0" * draw.choice((63, 64, 65, 5000))}"', text
    ),
)


def _at(text: str, draw: random.Random, more: str) -> str:
    place = draw.randrange(len(text))
    return text[:place] + more + text[place:]


MANIFESTS: tuple[Text, ...] = (
    lambda text, draw: "\ufeff" + text,
    lambda text, draw: text.replace("\n", draw.choice(("\r\n", "\r", "\u2028"))),
    lambda text, draw: _at(text, draw, draw.choice(ODD)),
    lambda text, draw: text + text,
    lambda text, draw: text.replace("schema = 1", f"schema = {draw.choice(('2', '0', '1.0', 'true', '1_0', '0x1'))}"),
    lambda text, draw: text.replace("version = 1", f"version = {draw.choice(VERSIONS)}", 1),
    lambda text, draw: text[: draw.randrange(len(text))],
    lambda text, draw: text.replace("[[methods]]", "[methods]"),
    lambda text, draw: text + "\n[code]\nurl = 'x'\n",
    lambda text, draw: text.replace('"plugin/hello.py:Hello"', json.dumps(draw.choice(SOURCES))),
    lambda text, draw: text.replace('name = "hello"', f'name = "{draw.choice(NAMES)}"'),
)


def mutants(record: str, manifest: str, signed: str, seed: int) -> Iterator[tuple[str, str, str, str]]:
    """Records, manifests and verification records without end, three, one and one in turn; and what was changed."""
    for number in itertools.count():
        draw = random.Random(f"grammar {seed} {number}")
        if number % 5 < 3:
            which = draw.randrange(len(TEXTS))
            yield TEXTS[which](record, draw), manifest, signed, f"record {which}"
        elif number % 5 == 3:
            which = draw.randrange(len(MANIFESTS))
            yield record, MANIFESTS[which](manifest, draw), signed, f"manifest {which}"
        else:
            yield record, manifest, sign_offs(signed, draw), "verification"


def sign_offs(text: str, draw: random.Random) -> str:
    """A verification record with one thing changed, in its text or its values."""
    mutations: tuple[Text, ...] = (*TEXTS[:7], *TEXTS[10:18])
    return draw.choice(mutations)(text, draw)
