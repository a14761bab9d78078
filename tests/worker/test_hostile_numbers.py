"""Every number of every answer, replaced by what is none: refused by name, whatever frame it stands in."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from elue.meter.counts import Counts
from elue.protocol import Explanation, Step
from elue.worker import frames
from elue.worker.decoding import Fault, decode, plain
from elue.worker.frames.words import CallKinds
from elue.worker.wire import WireError

CALLS = CallKinds(9, 2, 1)
COUNTS = Counts(9, 6, 5, 4, 3, {"aten.x": 1}, {"mine.y": 2})
COLUMNS = frames.AnswerColumns((1.0, 0.0), (0, 0), (None, 7), ((1, frozenset({0, 1})),))
NEWS = frames.News((Step("ffn.1", (3, 4), 2),), ((0, 0),))
ANSWERS = (
    frames.Predicted(("a", "b"), COLUMNS, COUNTS, 12, NEWS, CallKinds(9, 2, 1)),
    frames.Swept(("a", "b"), (COLUMNS,), (COLUMNS,), NEWS),
    frames.Counted(("a",), (1.0,), 5, {"aten.x": 1}),
    frames.Answered(("a",), (1.0,)),
    frames.Ran(7),
    frames.Priced((COUNTS,), (("ffn.1", (3,), 7),), (CallKinds(3, 2, 1),)),
    frames.Configured((5, 6)),
    frames.Exercised(1, 2, 3),
    frames.Offered(None, ({"k": 1, "threshold": 0.5},)),
    frames.Told(("a",), (Explanation(("x", "y"), ((0, 1),), ((0.5, 0.5),), {"l": (1, -1)}, 1),), COUNTS, CALLS),
    frames.Opened({"sandbox": {"limits": {"RLIMIT_CPU": 5}, "landlock": 7}}),
    frames.Ready({"limits": {"RLIMIT_CPU": 5}, "landlock": 7}),
    frames.Described((frames.Option("epochs", 3, "how many"),)),
)
HOSTILE = {
    "infinite": "1e999",
    "negative and infinite": "-1e999",
    "not a number": "NaN",
    "of a thousand digits": "9" * 1000,
    "of five thousand digits": "9" * 5000,
    "of more than 64 bits": str(2**80),
    "a list": "[1]",
    "an object": '{"a": []}',
    "a deep list": "[" * 900 + "]" * 900,
}


def places(part: Any, way: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to each number in a document."""
    if isinstance(part, dict | list):
        for name, value in part.items() if isinstance(part, dict) else enumerate(part):
            yield from places(value, (*way, name))
    elif isinstance(part, int | float) and not isinstance(part, bool):
        yield way


def replaced(document: Any, way: tuple[Any, ...], text: str) -> str:
    """The document as JSON with other text at a place."""
    copy = part = json.loads(json.dumps(document))
    for name in way[:-1]:
        part = part[name]
    part[way[-1]] = "\0here"
    return json.dumps(copy).replace(json.dumps("\0here"), text)


@pytest.mark.parametrize("name", HOSTILE)
@pytest.mark.parametrize("answer", ANSWERS, ids=lambda answer: type(answer).__name__)
def test_no_number_of_an_answer_may_be(answer: Any, name: str) -> None:
    document = json.loads(json.dumps(answer, default=plain))
    tried = 0
    for way in places(document):
        text = replaced(document, way, HOSTILE[name])
        tried += 1
        with pytest.raises((Fault, ValueError, RecursionError, WireError)) as caught:
            decode(type(answer), json.loads(text, parse_constant=_refused), strange=True)
        assert len(str(caught.value)) < 2000
        assert str(caught.value).isprintable()
    assert tried


def _refused(constant: str) -> float:
    raise WireError(constant)
