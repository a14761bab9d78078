"""Inputs that real data has somewhere, and that a method has to survive."""

from __future__ import annotations

from collections.abc import Callable

from elue.conformance.check import Failed, Subject
from elue.protocol import Sample

ODD = {
    "one-character": ".",
    "blank": " \t ",
    "one-token": "good",
    "512-tokens": "word " * 511 + "good",
    "10000-characters": "a" * 10_000,
    "emoji": "I \U0001f496 it \U0001f469\U0001f3fd\u200d\U0001f680\U0001f3f3\ufe0f\u200d\U0001f308 !!!",
    "right-to-left": "\u0641\u064a\u0644\u0645 \u062c\u0645\u064a\u0644 \u202e\u05e1\u05e8\u05d8 \u05d8\u05d5\u05d1",
    "control-characters": "null \x00 bell \x07 \ufffd \u2028 end",
    "markup": "<script>alert('x')</script> [MASK] [SEP] </s> &amp; %s {0}",
}
"""Texts by what is odd about them; none is empty, as tasks refuse that."""


def survives(name: str) -> Callable[[Subject], None]:
    """A check that an odd text gets a sound answer at the first and the last operating point, as text and as pair."""

    def check(subject: Subject) -> None:
        text = ODD[name]
        pairs = [text, "good"] if subject.task.pair else [None]
        for point in {0: subject.points[0], 1: subject.points[-1]}.values():
            subject.configure(point)
            for pair in pairs:
                try:
                    subject.answer([Sample("odd", text, pair)])
                except Failed:
                    raise
                except Exception as error:
                    raise Failed(f"at {dict(point)}: {type(error).__name__}: {error}") from error

    return check
