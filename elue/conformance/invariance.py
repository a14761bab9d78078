"""Checks that an answer depends on the text and the operating point, and on nothing else."""

from __future__ import annotations

from typing import Any

from elue.conformance.afresh import elsewhere
from elue.conformance.check import Failed, Skipped, Subject, same
from elue.protocol import Sample


def deterministic(subject: Subject) -> None:
    """Asked twice, a sample gets the same answer at the same FLOPs."""
    for point in subject.few_points:
        subject.configure(point)
        first = [subject.metered(sample) for sample in subject.samples]
        second = [subject.metered(sample) for sample in subject.samples]
        same([p for p, _ in first], [p for p, _ in second], subject, f"asked twice at {dict(point)}")
        for number, ((_, before), (_, now)) in enumerate(zip(first, second, strict=True)):
            if before.flops != now.flops:
                raise Failed(
                    f"asked twice at {dict(point)}: sample {number} costs {before.flops:,} and then {now.flops:,} FLOPs"
                )


def order(subject: Subject) -> None:
    """Neither the order in which samples come nor what was asked before changes an answer or its FLOPs."""
    for point, back in zip(subject.few_points, elsewhere("order", subject), strict=True):
        subject.configure(point)
        forth = [subject.metered(sample) for sample in subject.samples]
        when = f"by a model loaded anew, in reverse order, at {dict(point)}"
        same([p for p, _ in forth], [answer.prediction for answer in back], subject, when)
        for number, ((_, meter), answer) in enumerate(zip(forth, back, strict=True)):
            if meter.flops != answer.flops:
                raise Failed(f"{when}: sample {number} costs {meter.flops:,} and then {answer.flops:,} FLOPs")


def company(subject: Subject) -> None:
    """A sample gets the same answer alone and among others: padding and batching change nothing."""
    for point, together in zip(subject.few_points, elsewhere("company", subject), strict=True):
        subject.configure(point)
        when = f"by a model loaded anew, in company, at {dict(point)}"
        same(subject.alone(subject.samples), [answer.prediction for answer in together], subject, when)


def points_leave_nothing(subject: Subject) -> None:
    """Going to another operating point and back changes nothing."""
    if len(subject.points) < 2:
        raise Skipped("there is one operating point")
    first, last = subject.points[0], subject.points[-1]
    subject.configure(first)
    before = subject.alone(subject.samples)
    subject.configure(last)
    subject.alone(subject.samples)
    subject.configure(first)
    same(before, subject.alone(subject.samples), subject, f"after a visit to {dict(last)}")


class _Watched(Sample):
    """A sample that remembers what it was asked for beside id, text and pair."""

    asked: list[str] = []  # noqa: RUF012 - shared on purpose: what any of them was asked for

    def __getattr__(self, name: str) -> Any:
        if not name.startswith("__"):
            _Watched.asked.append(name)
        raise AttributeError(f"a Sample has no {name!r}: a method sees id, text and pair, never a label")


def no_labels(subject: Subject) -> None:
    """The answer comes from the texts: other ids change nothing, and no label is looked for."""
    subject.configure(subject.points[0])
    plain = subject.alone(subject.samples)
    renamed = [Sample(f"{'f' * 8}{i:04x}", s.text, s.pair) for i, s in enumerate(reversed(subject.samples))][::-1]
    same(plain, subject.alone(renamed), subject, "under other ids")
    _Watched.asked.clear()
    watched = [_Watched(s.id, s.text, s.pair) for s in subject.samples]
    error: Exception | None = None
    try:
        same(plain, subject.alone(watched), subject, "watched")
    except AttributeError as raised:
        error = raised
    if _Watched.asked:
        raise Failed(f"the model looked for {', '.join(sorted(set(_Watched.asked)))} on a sample")
    if error is not None:
        raise error
