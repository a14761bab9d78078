"""How a record keeps what it holds of single samples: columns, distinct traces once, compressed, bounded when read.

Traces with the same units share a template; what is left of each is its sizes. These stand in columns over all traces
of a template, each as the difference to the column before it, since a step mostly takes what the last one left. Counts
that a trace decides are kept once a trace.
"""

from __future__ import annotations

import base64
import json
import zlib
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import repeat
from operator import add
from typing import Any

from elue.protocol import Step, Trace
from elue.record import bounds
from elue.record.trace import SoundTraces, are_sizes, fault

PLAIN = "json+zlib+base64"
COLUMNS = "columns+zlib+base64"
LEVEL = 6
LARGEST = 32 * 2**20
"""Bytes that packed content may unfold to."""
MOST_STEPS = 10_000_000
"""Steps that all traces of a record may have together."""
MOST_KNOWN = 4096
"""Steps of a unit that are kept to be used again."""

_BY_TRACE = ("flops", "matmul_flops", "params_touched")


def pack(content: Any) -> dict[str, Any]:
    """Any plain data, compressed."""
    return {"encoding": PLAIN, "data": _compressed(content)}


def pack_samples(samples: Mapping[str, Any]) -> dict[str, Any]:
    """The columns of samples, as `elue.record.schema.Samples` has them, compressed."""
    ids, trace_of, traces = samples["id"], samples["trace_of"], samples["traces"]
    content: dict[str, Any] = {
        "id": len(ids) if all(id_ == str(place) for place, id_ in enumerate(ids)) else list(ids),
        "value": [_plain(value) for value in samples["value"]],
        "error": [_plain(error) for error in samples["error"]],
        "path": list(trace_of),
        "paths": _pack_traces(traces),
    }
    for name in _BY_TRACE:
        column = samples[name]
        once = dict(zip(trace_of, column, strict=True)) if trace_of else {}
        decided = bool(once) and all(once[number] == count for number, count in zip(trace_of, column, strict=True))
        content[name] = [once.get(number, 0) for number in range(len(traces))] if decided else list(column)
        content[f"{name}_by"] = "path" if decided else "sample"
    return {"encoding": COLUMNS, "data": _compressed(content)}


def unpack(packed: Mapping[str, Any]) -> Any:
    """What was packed, either way. Raises ValueError, KeyError, TypeError or zlib.error for anything else."""
    unfolded = unfold(packed)
    if wrong := bounds.packed_fault(unfolded):
        raise ValueError(wrong)
    content = json.loads(unfolded, parse_constant=refuse, object_pairs_hook=bounds.once)
    if b"\\ud" in unfolded.lower():  # half a character, unless its other half stands beside it
        json.dumps(content, ensure_ascii=False).encode()
    return content if packed["encoding"] == PLAIN else _samples(content)


def unfold(packed: Mapping[str, Any]) -> bytes:
    """What was packed, as bytes that nobody has looked into: it is whole, by its checksum, and of bearable size.

    Raises as `unpack` does.
    """
    if packed["encoding"] not in (PLAIN, COLUMNS):
        raise ValueError(f"unknown sample encoding {packed['encoding']!r}")
    return _unfolded(base64.b64decode(packed["data"], validate=True))


def refuse(name: str) -> float:
    """For `json`: NaN and infinities are no numbers here. Raises ValueError."""
    raise ValueError(f"{name} is not a number")


def _samples(content: dict[str, Any]) -> dict[str, Any]:
    if isinstance(content["id"], int):
        if not 0 <= content["id"] == len(content["value"]):
            raise ValueError("sample columns differ in length")
        content["id"] = [str(place) for place in range(content["id"])]
    trace_of = content["path"]
    if not all(type(number) is int and number >= 0 for number in trace_of):
        raise ValueError("a sample has no such trace")
    for name in _BY_TRACE:
        if content.pop(f"{name}_by") == "path":
            column = content[name]
            content[name] = [column[number] for number in trace_of]
    content["paths"] = _unpack_traces(content["paths"])
    return content


def _plain(number: float) -> float | int:
    return int(number) if number == int(number) else number


def _pack_traces(traces: Sequence[Trace]) -> dict[str, Any]:
    templates: dict[tuple[tuple[str, int, int], ...], int] = {}
    rows: list[list[list[int]]] = []
    kinds = []
    for trace in traces:
        template = tuple([(unit, len(shape), times) for unit, shape, times in trace])
        kind = templates.setdefault(template, len(templates))
        if kind == len(rows):
            rows.append([])
        kinds.append(kind)
        rows[kind].append([size for _, shape, _ in trace for size in shape])
    columns = []
    for group in rows:
        upright = list(zip(*group, strict=True))
        columns.append([_less(column, upright[at - 1] if at else None) for at, column in enumerate(upright)])
    return {"templates": list(templates), "kinds": kinds, "columns": columns}


def _less(column: Sequence[int], before: Sequence[int] | None) -> list[int]:
    return list(column) if before is None else [a - b for a, b in zip(column, before, strict=True)]


class _Steps(dict[tuple[int, ...], Step]):
    """The steps of a unit, by their sizes; each made once, for all records that are read."""

    def __init__(self, unit: str, times: int) -> None:
        self.unit, self.times = unit, times

    def __missing__(self, sizes: tuple[int, ...]) -> Step:
        if len(self) >= MOST_KNOWN:
            self.clear()
        step = self[sizes] = Step(self.unit, sizes, self.times)
        return step


@lru_cache(maxsize=512)
def _steps(unit: str, times: int) -> _Steps:
    return _Steps(unit, times)


def _unpack_traces(packed: Mapping[str, Any]) -> SoundTraces:
    templates, kinds = packed["templates"], packed["kinds"]
    if sum(len(templates[kind]) for kind in kinds) > MOST_STEPS:
        raise ValueError("more steps than a record may have")
    counts, groups = Counter(kinds), []
    for kind, (template, differences) in enumerate(zip(templates, packed["columns"], strict=True)):
        columns: list[Sequence[int]] = []
        for column in differences:
            columns.append(list(map(add, column, columns[-1])) if columns else column)
        if {len(column) for column in differences} - {counts[kind]}:
            raise ValueError("traces of a template differ in number")
        if not all(map(are_sizes, columns)):
            raise ValueError("a trace has sizes that are no whole numbers, or too large")
        upright, at = [], 0
        for unit, rank, times in template:
            if wrong := fault(Step(unit, (0,) * rank, times)):
                raise ValueError(wrong)
            sizes = zip(*columns[at : at + rank], strict=True) if rank else repeat((), counts[kind])
            upright.append(map(_steps(unit, times).__getitem__, sizes))
            at += rank
        if at != len(columns):
            raise ValueError("a trace has fewer sizes than its steps")
        groups.append(zip(*upright, strict=True) if upright else repeat(()))
    return SoundTraces([next(groups[kind]) for kind in kinds])


def _compressed(content: Any) -> str:
    text = json.dumps(content, sort_keys=True, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return base64.b64encode(zlib.compress(text.encode(), LEVEL)).decode()


def _unfolded(data: bytes) -> bytes:
    """Decompressed, but never more than `LARGEST` bytes: a few bytes could unfold to any number."""
    unfolding = zlib.decompressobj()
    content = unfolding.decompress(data, LARGEST)
    if not unfolding.eof:
        raise ValueError(f"unfolds to more than {LARGEST} bytes, or breaks off")
    return content
