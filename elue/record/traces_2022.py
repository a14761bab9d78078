"""Traces as text in the form of the 2022 standard: a line a sample, `index<TAB>prediction<TAB>modules`.

    index   prediction  modules
    0       1           (10),emb; (10,768),layer_1; (768),exit_1
    1       0           (7,6),embed; (1),cell x7; (1),head

`modules` are the units that ran, in order: the shape of the input, then the unit's name, then ` x7` where it ran 7
times over. The index is the sample's id, in 2022 the row of the test file. What is written is read back exactly.
Files without the third column hold predictions alone, as those of static models did.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass

from elue.errors import ElueError
from elue.protocol import Step, Trace
from elue.record.schema import Record
from elue.record.trace import fault

HEADER = ("index", "prediction", "modules")
NAME = r"[^\s;,()]+"
_PIECES = (
    ("'(' and a shape", re.compile(r"\s*\(")),
    ("whole numbers with commas between", re.compile(r"\s*((?:[0-9]{1,18}\s*,\s*)*(?:[0-9]{1,18})?)\s*(?=\))")),
    ("')'", re.compile(r"\)")),
    ("',' and a module's name", re.compile(r"\s*,\s*")),
    ("a module's name", re.compile(f"({NAME})")),
    ("' x' and a number of 1 or more", re.compile(r"(?:\s+x([1-9][0-9]{0,17})(?=\s|;|$))?\s*")),
    ("';' or the end of the line", re.compile(r";\s*|$")),
)


@dataclass(frozen=True, slots=True)
class TraceTable:
    """What a file or a record tells of samples, in columns: one entry a sample in `id`, `value` and `trace_of`.

    `trace_of` is the place of the sample's trace in `traces`, the distinct ones in the order they first occur. Both are
    empty where only predictions are told.
    """

    id: tuple[str, ...]
    value: tuple[float, ...]
    trace_of: tuple[int, ...]
    traces: tuple[Trace, ...]

    def trace(self, row: int) -> Trace:
        """The steps of one sample, by its position."""
        return self.traces[self.trace_of[row]] if self.trace_of else ()


def of(record: Record, source: str = "record") -> TraceTable:
    """The traces of a run. Raises ElueError for one that has none."""
    if record.samples is None:
        raise ElueError(
            "no_samples", f"{source} holds no samples: it ended as {record.status}.", "Give a finished run."
        )
    samples = record.samples
    if not samples.trace_of:
        hint = "Give a run that was measured with --measure traced."
        raise ElueError("no_traces", f"{source} holds no traces: method '{record.method.name}' told none.", hint)
    order: dict[Trace, int] = {}
    trace_of = tuple(order.setdefault(samples.traces[place], len(order)) for place in samples.trace_of)
    return TraceTable(samples.id, samples.value, trace_of, tuple(order))


def dumps(traces: TraceTable) -> str:
    """Traces as text. Raises ElueError for an id or a unit that the form can't hold."""
    modules = [_modules(trace) for trace in traces.traces]
    lines = ["\t".join(HEADER if traces.trace_of else HEADER[:2])]
    for row, (name, value) in enumerate(zip(traces.id, traces.value, strict=True)):
        if not name or re.search(r"[\t\n\r]", name):
            raise ElueError("bad_trace", f"The id {name!r} can't be written: it is empty or holds a tab or line break.")
        fields = [name, _number(value), *([modules[traces.trace_of[row]]] if traces.trace_of else [])]
        lines.append("\t".join(fields))
    return "\n".join(lines) + "\n"


def loads(text: str, source: str = "trace file", labels: Sequence[str] = ()) -> TraceTable:
    """Read traces; the header line may be missing. `labels` are names that may stand for 0, 1, … as predictions.

    Raises ElueError naming line and column for anything that is not of this form, for an index that occurs twice, and
    for a file in which only some lines have modules.
    """
    names = {name: float(number) for number, name in enumerate(labels)}
    ids: dict[str, int] = {}
    values: list[float] = []
    trace_of: list[int] = []
    order: dict[Trace, int] = {}
    known: dict[str, int] = {}
    lines = text.removeprefix("\ufeff").split("\n")
    for number, line in enumerate((line.removesuffix("\r") for line in lines), 1):
        fields = line.split("\t")
        if not line or (
            number == 1 and [field.strip().lower() for field in fields] in (list(HEADER), list(HEADER[:2]))
        ):
            continue
        where = f"{source}: line {number}"
        if not 2 <= len(fields) <= 3 or not fields[0]:
            hint = "Write INDEX<TAB>PREDICTION<TAB>MODULES."
            raise ElueError("bad_trace", f"{where}, column 1: there are {len(fields)} fields in {_short(line)}.", hint)
        index, prediction, *rest = fields
        if index in ids:
            raise ElueError("bad_trace", f"{where}, column 1: the index {index!r} is that of line {ids[index]} too.")
        if ids and bool(rest) != bool(trace_of):
            other = "modules" if trace_of else "no modules"
            raise ElueError("bad_trace", f"{where}: earlier lines have {other}.", "Give modules for all or for none.")
        ids[index] = number
        values.append(_value(prediction, names, f"{where}, column {len(index) + 2}"))
        if rest:
            if rest[0] not in known:
                steps = _steps(rest[0], where, len(index) + len(prediction) + 3)
                known[rest[0]] = order.setdefault(steps, len(order))
            trace_of.append(known[rest[0]])
    if not ids:
        raise ElueError("bad_trace", f"{source} holds no samples.", "Write INDEX<TAB>PREDICTION<TAB>MODULES lines.")
    return TraceTable(tuple(ids), tuple(values), tuple(trace_of), tuple(order))


def difference(table: TraceTable, expected_table: TraceTable) -> str | None:
    """The first thing in which two tell different of the same samples, whatever their order, or None.

    Names the sample, and of traces the first step that differs.
    """
    mine, theirs = ({name: row for row, name in enumerate(traces.id)} for traces in (table, expected_table))
    for name in (*mine, *theirs):
        if name not in mine or name not in theirs:
            return f"sample {name} is only in the {'first' if name in mine else 'second'}"
    for name, row in mine.items():
        value, expected = table.value[row], expected_table.value[theirs[name]]
        if value != expected:
            return f"sample {name}: prediction {_number(value)}, not {_number(expected)}"
        steps, wanted = table.trace(row), expected_table.trace(theirs[name])
        if steps != wanted:
            place = next((n for n, (a, b) in enumerate(zip(steps, wanted, strict=False)) if a != b), None)
            place = min(len(steps), len(wanted)) if place is None else place
            has, expects = (_modules(trace[place : place + 1]) or "nothing" for trace in (steps, wanted))
            return f"sample {name}, step {place + 1}: {has}, not {expects}"
    return None


def _number(value: float) -> str:
    return str(int(value)) if value.is_integer() and abs(value) < 2**53 else repr(value)


def _value(text: str, names: dict[str, float], where: str) -> float:
    if text in names:
        return names[text]
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        known = f" or one of {', '.join(names)}" if names else ""
        raise ElueError("bad_trace", f"{where}: the prediction {_short(text)} is no number.", f"Give a number{known}.")
    return value


def _modules(trace: Trace) -> str:
    for unit, _, _ in trace:
        if not re.fullmatch(NAME, unit):
            hint = "Names hold no space and none of ; , ( )."
            raise ElueError("bad_trace", f"The unit {unit!r} can't be written in the 2022 form.", hint)
    return "; ".join(
        f"({','.join(map(str, shape))}),{unit}" + (f" x{times}" if times != 1 else "") for unit, shape, times in trace
    )


def _steps(text: str, where: str, column: int) -> Trace:
    steps, at = [], 0
    while at < len(text):
        begin = at
        pieces: list[str | None] = []
        for expected, pattern in _PIECES:
            match = pattern.match(text, at)
            if match is None:
                message = f"{where}, column {column + at}: expected {expected}, found {_short(text[at:])}."
                raise ElueError("bad_trace", message, "Write modules as (10,768),layer_1; (768),exit_1.")
            pieces += match.groups()
            at = match.end()
        shape, unit, times = pieces
        assert shape is not None
        assert unit is not None
        sizes = tuple(int(size) for size in shape.split(",") if size.strip())
        step = Step(unit, sizes, int(times or 1))
        if wrong := fault(step):
            raise ElueError("bad_trace", f"{where}, column {column + begin}: {wrong}.")
        steps.append(step)
    return tuple(steps)


def _short(text: str) -> str:
    return repr(text if len(text) <= 20 else text[:20] + "…") if text else "the end of the line"
