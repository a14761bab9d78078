"""From plain data that came over the wire to the dataclass it must be: the first fault ends it.

The hints of a dataclass say all: its fields, their kinds, and as `Annotated` their bounds. Numbers are finite, whole
ones fit 64 bits, no field is left over. A fault names where it is: `points.0.values.3: -5, below 0`.
"""

from __future__ import annotations

import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache, partial
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from annotated_types import Ge, Gt, Lt, MaxLen, MinLen

from elue.record.bounds import LARGEST_WHOLE, cleaned


@dataclass(frozen=True, slots=True)
class Sound:
    """A bound that a function knows: it says what is wrong with a value, and nothing where nothing is."""

    fault: Callable[[Any], str]


Frame = TypeVar("Frame")
_Reader = Callable[[Any], Any]
_WHOLE = LARGEST_WHOLE
_LARGEST = 1e19
"""Of numbers with a fraction: what is made of two of them stays far below what a record may hold."""
_LONGEST = 100_000
"""Characters of a text, where nothing less is said."""


class Fault(ValueError):
    """What is wrong with plain data, and where."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what
        self.where: list[str] = []

    def __str__(self) -> str:
        return f"{'.'.join(self.where)}: {self.what}" if self.where else self.what

    def within(self, place: object) -> Fault:
        """The same fault, seen from around that place."""
        self.where.insert(0, cleaned(str(place)[:100]))
        return self


def decode(kind: type[Frame], sent: Any, strange: bool = False) -> Frame:
    """An instance of a dataclass from plain data. Raises Fault for data that is none.

    With `strange` a stranger sent it: texts are bounded, and what could not be written or would act on a screen is
    replaced in them (see `elue.record.bounds.cleaned`).
    """
    frame: Frame = _reader(kind, strange)(sent)  # type: ignore[arg-type]
    return frame


def plain(value: Any) -> Any:
    """A dataclass as the plain data it is decoded from, one level of it, for the `default` of JSON's encoder."""
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, frozenset):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} is no plain data")


@cache
def _reader(hint: Any, strange: bool) -> _Reader:
    """The function that reads what a hint says."""
    reader = partial(_reader, strange=strange)
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda sent: sent
    if origin is Annotated:
        return _bounded(reader(arguments[0]), hint.__metadata__)
    if origin in (Union, types.UnionType):
        return _one_of([reader(argument) for argument in arguments])
    if origin is Literal:
        return _word(arguments)
    if origin in (tuple, frozenset):
        is_row = origin is tuple and arguments[-1] is not ...
        return _row([*map(reader, arguments)]) if is_row else _list(origin, reader(arguments[0]))
    if origin in (dict, Mapping):
        return _table(*map(reader, arguments))
    if isinstance(hint, type) and is_dataclass(hint):
        return _record(hint, reader)
    if isinstance(hint, type) and issubclass(hint, tuple):
        hints = get_type_hints(hint, include_extras=True).values()
        return _row([*map(reader, hints)], hint._make)  # type: ignore[attr-defined]
    return _strange_text if hint is str and strange else _PLAIN[hint]


def _whole(sent: Any) -> int:
    if type(sent) is not int:
        raise Fault(f"{_shown(sent)}, not a whole number")
    if not -_WHOLE <= sent < _WHOLE:
        raise Fault("a number of more than 64 bits")
    return sent


def _number(sent: Any) -> float:
    if type(sent) is float and abs(sent) < _LARGEST:
        return sent
    if type(sent) is not int:
        raise Fault(f"{_shown(sent)}, not a finite number")
    return float(_whole(sent))


def _strange_text(sent: Any) -> str:
    if type(sent) is not str:
        raise Fault(f"{_shown(sent)}, not text")
    if len(sent) > _LONGEST:
        raise Fault(f"{len(sent)} long, more than {_LONGEST}")
    return cleaned(sent)


def _exactly(kind: type, name: str) -> _Reader:
    def read(sent: Any) -> Any:
        if type(sent) is not kind:
            raise Fault(f"{_shown(sent)}, not {name}")
        return sent

    return read


_PLAIN: dict[Any, _Reader] = {
    int: _whole,
    float: _number,
    str: _exactly(str, "text"),
    bool: _exactly(bool, "true or false"),
    type(None): _exactly(type(None), "null"),
}


def _bounded(read: _Reader, bounds: tuple[Any, ...]) -> _Reader:
    most = next((bound.max_length for bound in bounds if isinstance(bound, MaxLen)), None)
    ranges = [bound for bound in bounds if not isinstance(bound, MaxLen)]

    def bounded(sent: Any) -> Any:
        if most is not None and isinstance(sent, str | list | dict) and len(sent) > most:
            raise Fault(f"{len(sent)} long, more than {most}")
        value = read(sent)
        for bound in ranges:
            match bound:
                case Ge(low) if not value >= low:
                    raise Fault(f"{value}, below {low}")
                case Gt(low) if not value > low:
                    raise Fault(f"{value}, not above {low}")
                case Lt(high) if not value < high:
                    raise Fault(f"{value}, not below {high}")
                case Sound(fault) if wrong := fault(value):
                    raise Fault(wrong)
                case MinLen(low) if len(value) < low:
                    raise Fault(f"{len(value)} long, less than {low}")
        return value

    return bounded


def _one_of(readers: list[_Reader]) -> _Reader:
    def read(sent: Any) -> Any:
        first: Fault | None = None
        for reader in readers:
            try:
                return reader(sent)
            except Fault as fault:
                first = first or fault
        assert first is not None
        raise first

    return read


def _word(words: tuple[str, ...]) -> _Reader:
    def read(sent: Any) -> Any:
        if not isinstance(sent, str) or sent not in words:
            raise Fault(f"{_shown(sent)}, not one of {', '.join(words)}")
        return sent

    return read


def _list(kind: Callable[[list[Any]], Any], read_entry: _Reader) -> _Reader:
    def read(sent: Any) -> Any:
        if type(sent) is not list:
            raise Fault(f"{_shown(sent)}, not a list")
        entries: list[Any] = []
        try:
            for entry in sent:
                entries.append(read_entry(entry))
        except Fault as fault:
            raise fault.within(len(entries)) from None
        return kind(entries)

    return read


def _row(readers: list[_Reader], kind: Callable[[list[Any]], Any] = tuple) -> _Reader:
    def read(sent: Any) -> Any:
        if type(sent) is not list or len(sent) != len(readers):
            raise Fault(f"{_shown(sent)}, not a list of {len(readers)}")
        entries: list[Any] = []
        try:
            for entry, reader in zip(sent, readers, strict=True):
                entries.append(reader(entry))
        except Fault as fault:
            raise fault.within(len(entries)) from None
        return kind(entries)

    return read


def _table(read_name: _Reader, read_value: _Reader) -> _Reader:
    def read(sent: Any) -> Any:
        if type(sent) is not dict:
            raise Fault(f"{_shown(sent)}, not an object")
        entries: dict[Any, Any] = {}
        for name, value in sent.items():
            try:
                if (read_as := read_name(name)) in entries:
                    raise Fault("twice")
                entries[read_as] = read_value(value)
            except Fault as fault:
                raise fault.within(name) from None
        return entries

    return read


def _record(kind: type[Any], reader: Callable[[Any], _Reader]) -> _Reader:
    hints = get_type_hints(kind, include_extras=True)
    readers = {field.name: reader(hints[field.name]) for field in fields(kind)}
    needed = [field.name for field in fields(kind) if field.default is MISSING and field.default_factory is MISSING]

    def read(sent: Any) -> Any:
        if type(sent) is not dict:
            raise Fault(f"{_shown(sent)}, not an object")
        for name in needed:
            if name not in sent:
                raise Fault("not there").within(name)
        values = {}
        for name, value in sent.items():
            if name not in readers:
                raise Fault("unknown").within(name)
            try:
                values[name] = readers[name](value)
            except Fault as fault:
                raise fault.within(name) from None
        return kind(**values)

    return read


def _shown(sent: Any) -> str:
    """What was sent, in few letters."""
    match sent:
        case list():
            return f"a list of {len(sent)}"
        case dict():
            return f"an object of {len(sent)}"
        case str():
            return repr(sent[:40])
    return repr(sent)[:40]
