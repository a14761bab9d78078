"""A run that was done again against its record: what makes it fail, and what of it was measured."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from elue.record import files as records
from elue.record.schema import Control, Controls, Flag, Record, Samples, Traffic, WeightsRef
from elue.submissions.comparing import compared
from tests.submissions.breaking import files

TRAINING = {"seed": 0, "options": {"learning_rate": 0.1}}


@pytest.fixture
def run(hello: Path) -> Record:
    """A run of 1,000 samples."""
    record = records.read(files(hello)[0])
    return record.model_copy(update={"weights": WeightsRef(digest="1" * 64, training=TRAINING)})


def of(record: Record, part: str, **changes: object) -> dict[str, object]:
    return {part: getattr(record, part).model_copy(update=changes)}


def column(record: Record, name: str, count: int) -> dict[str, object]:
    """The samples with one more in so many entries of a column."""
    samples = record.samples
    assert isinstance(samples, Samples)
    entries = tuple(value + (row < count) for row, value in enumerate(getattr(samples, name)))
    return of(record, "samples", **{name: entries})


DIFFERS: dict[str, tuple[Callable[[Record], dict[str, object]], str]] = {
    "code": (lambda r: of(r, "method", source_digest="0" * 64), "another code"),
    "weights": (lambda r: of(r, "weights", digest="0" * 64), "another weights"),
    "training": (lambda r: of(r, "weights", training={**TRAINING, "seed": 2}), "trained otherwise"),
    "no training told": (lambda r: of(r, "weights", training=None), "trained otherwise"),
    "point": (lambda r: {"point": {"passes": 9}}, "another point"),
    "a point's type": (lambda r: {"point": {"passes": float(r.point["passes"])}}, ""),
    "seed": (lambda r: {"seed": 5}, "another seed"),
    "data": (lambda r: of(r, "task", revision="other"), "another data"),
    "family": (lambda r: of(r, "method", family="moe"), "its family is 'static'"),
    "title": (lambda r: of(r, "method", title="Best"), "its title is 'Hello, world'"),
    "parameters": (lambda r: of(r, "params", total=17), "parameters, the record 17"),
    "answers": (lambda r: column(r, "value", 6), "6 were answered"),
    "FLOPs": (lambda r: column(r, "flops", 6), "6 cost"),
    "products": (lambda r: column(r, "matmul_flops", 6), "6 cost"),
    "touched": (lambda r: column(r, "params_touched", 6), "6 touched"),
    "few answers": (lambda r: column(r, "value", 5), ""),
    "other names": (lambda r: of(r, "samples", id=("x", *r.samples.id[1:]) if r.samples else ()), "not in the record"),
    "did not end": (lambda r: {"samples": None}, "the run ended as"),
    "times": (lambda r: {"environment": {"cpu": "other"}, "command": "other"}, ""),
}  # fmt: skip


@pytest.mark.parametrize("name", DIFFERS)
def test_what_differs_is_named_and_earns_nothing(run: Record, name: str) -> None:
    change, says = DIFFERS[name]
    check = compared(run.model_copy(update=change(run)), run, "0" * 64, whole=True)
    assert check.holds == (not says)
    assert says in check.finding
    assert bool(check.measured) == check.holds


@pytest.mark.parametrize(("favour", "other", "holds"), [(5, 0, True), (0, 5, True), (7, 0, False), (8, 0, False)])
def test_few_differences_that_all_speak_for_the_record_are_no_noise(
    run: Record, favour: int, other: int, holds: bool
) -> None:
    """As many as float noise may make, but chosen: 7 heads of 7 come once in 128 times, 5 of 5 once in 32."""
    assert run.samples
    big = {
        name: getattr(run.samples, name) * 2 for name in type(run.samples).model_fields if name not in ("id", "traces")
    }
    samples = run.samples.model_copy(update={**big, "id": tuple(map(str, range(2 * len(run.samples.id))))})
    run = run.model_copy(update={"samples": samples})
    for name, better, worse in (("error", 0.0, 1.0), ("flops", 5, 9), ("error", 1.0, 2.0)):
        was, now = ([getattr(samples, name)[0]] * len(samples.id) for _ in range(2))
        for row in range(favour + other):
            was[row], now[row] = (better, worse) if row < favour else (worse, better)
        claimed, again = (run.model_copy(update=of(run, "samples", **{name: tuple(column)})) for column in (was, now))
        check = compared(claimed, again, "0" * 64, whole=True)
        holds = holds or better == 1.0  # one wrong class is no better than another
        assert check.holds == holds, check.finding
        assert holds or "in the record, which is no chance" in check.finding


def test_operators_that_the_record_hides_are_named(run: Record) -> None:
    for changes in ({"registered": {"mine::op": 3}}, {"unknown": {"other::op": 3}, "complete": False}):
        check = compared(run, run.model_copy(update=changes), "0" * 64, whole=True)
        assert not check.holds
        assert "::op" in check.finding


def test_flags_of_the_audits_are_kept(run: Record) -> None:
    flags = (Flag(code="cpu_time", detail="twice"),)
    check = compared(run, run.model_copy(update={"flags": flags}), "0" * 64, whole=False)
    assert check.holds
    assert check.flags == flags


def test_what_nobody_measured_has_no_mark(run: Record) -> None:
    control = Control(score=60.0, flops_mean=100.0)
    controls = Controls(shares=(1.0,), random=control, oracle=control, gain=0.0, gain_low=0.0, gain_high=0.0)
    full = run.model_copy(update={"controls": controls, "traffic": Traffic(read_mean=10.0, written_mean=5.0)})
    whole = set(compared(full, full, "0" * 64, whole=True).measured)
    tenth = set(compared(full, full, "0" * 64, whole=False).measured)
    assert whole - tenth == {"controls", "traffic"}
    better = full.model_copy(
        update={"controls": controls.model_copy(update={"oracle": Control(score=99.0, flops_mean=1.0)})}
    )
    assert set(compared(better, full, "0" * 64, whole=True).measured) == whole - {"controls"}
    never = {"latency", "batch", "times", "environment", "explained", "units", "measurements", "claimed"}
    assert not never & whole
    assert {name.partition(".")[0] for name in whole} <= Record.model_fields.keys()
