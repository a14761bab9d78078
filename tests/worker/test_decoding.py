"""Plain data becomes a dataclass, or the first thing that is wrong with it is named."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from annotated_types import Ge, Gt, Lt, MaxLen, MinLen

from elue.record.bounds import cleaned
from elue.worker.decoding import Fault, decode, plain


@dataclass(frozen=True, slots=True)
class Inner:
    name: Annotated[str, MinLen(1), MaxLen(3)]
    sizes: Annotated[tuple[int, ...], MaxLen(2)] = ()


@dataclass(frozen=True, slots=True)
class Outer:
    share: float
    count: Annotated[int, Ge(0), Lt(10)] = 0
    kind: Literal["a", "b"] = "a"
    inner: Inner | None = None
    pair: tuple[str, frozenset[int]] = ("", frozenset())
    table: Mapping[str, Annotated[float, Gt(0)]] | None = None
    knob: bool | int | float | str = 0
    anything: Any = None


WHOLE = Outer(0.5, 3, "b", Inner("ab", (1, 2)), ("x", frozenset({4, 2})), {"k": 2.5}, "text", [None])


def test_what_was_sent_comes_back() -> None:
    assert decode(Outer, json.loads(json.dumps(WHOLE, default=plain))) == WHOLE
    assert decode(Outer, {"share": 1}) == Outer(1.0)
    assert type(decode(Outer, {"share": 1}).share) is float


@pytest.mark.parametrize("knob", [True, 1, 1.0, "1"])
def test_a_knob_keeps_its_kind(knob: bool | int | float | str) -> None:
    back = decode(Outer, {"share": 0.0, "knob": knob}).knob
    assert (type(back), back) == (type(knob), knob)


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"share": None}, "share: None, not a finite number"),
        ({"share": True}, "share: True, not a finite number"),
        ({"share": "1"}, "share: '1', not a finite number"),
        ({"share": float("inf")}, "share: inf, not a finite number"),
        ({"share": float("nan")}, "share: nan, not a finite number"),
        ({"share": 10**400}, "share: a number of more than 64 bits"),
        ({"count": -1}, "count: -1, below 0"),
        ({"count": 10}, "count: 10, not below 10"),
        ({"count": 1.0}, "count: 1.0, not a whole number"),
        ({"count": True}, "count: True, not a whole number"),
        ({"count": 2**63}, "count: a number of more than 64 bits"),
        ({"kind": "c"}, "kind: 'c', not one of a, b"),
        ({"kind": ["a"]}, "kind: a list of 1, not one of a, b"),
        ({"inner": {"name": "abcd"}}, "inner.name: 4 long, more than 3"),
        ({"inner": {"name": ""}}, "inner.name: 0 long, less than 1"),
        ({"inner": {"sizes": []}}, "inner.name: not there"),
        ({"inner": {"name": "a", "sizes": [1, 2, 3]}}, "inner.sizes: 3 long, more than 2"),
        ({"inner": {"name": "a", "sizes": [1, []]}}, "inner.sizes.1: a list of 0, not a whole number"),
        ({"inner": []}, "inner: a list of 0, not an object"),
        ({"pair": ["x"]}, "pair: a list of 1, not a list of 2"),
        ({"pair": ["x", [1, "2"]]}, "pair.1.1: '2', not a whole number"),
        ({"table": {"k": 0.0}}, "table.k: 0.0, not above 0"),
        ({"knob": None}, "knob: None, not true or false"),
        ({"more": 1}, "more: unknown"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], says: str) -> None:
    with pytest.raises(Fault) as caught:
        decode(Outer, {"share": 0.5} | changes)
    assert str(caught.value) == says


def test_the_first_fault_ends_it() -> None:
    with pytest.raises(Fault, match=r"^pair.1.1: 'first'"):
        decode(Outer, {"share": 0.5, "pair": ["x", [1, "first", "second"]], "count": -1})


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("plain \u00e4\U0001f600 \u2581", "plain \u00e4\U0001f600 \u2581"),
        ("two\nlines\tand\xa0more", "two lines and more"),
        ("\ud800a\udfff", "\ufffda\ufffd"),
        ("\x1b[31m\x9b\x00", "\ufffd[31m\ufffd\ufffd"),
        ("a\u202eb\u2066c", "a\ufffdb\ufffdc"),
        ("\U0001f469\u200d\U0001f52c", "\U0001f469\u200d\U0001f52c"),
    ],
)
def test_what_a_stranger_says_can_be_written_and_shown(sent: str, read: str) -> None:
    assert cleaned(sent) == read
    assert len(read) == len(sent)
    read.encode()
    assert decode(Outer, {"share": 0, "knob": sent}, strange=True).knob == read
    assert decode(Outer, {"share": 0, "knob": sent}).knob == sent, "what the parent sends arrives as it is"


def test_what_a_stranger_says_is_bounded_and_named_once() -> None:
    with pytest.raises(Fault, match=r"pair\.0: 100001 long"):
        decode(Outer, {"share": 0, "pair": ["x" * 100_001, []]}, strange=True)
    with pytest.raises(Fault, match="twice"):
        decode(Outer, {"share": 0, "table": {"a\x01": 1.0, "a\x02": 1.0}}, strange=True)
    with pytest.raises(Fault) as caught:
        decode(Outer, {"share": 0, "table": {"\x1b[2J\ud800": "x"}}, strange=True)
    assert str(caught.value).isprintable()
