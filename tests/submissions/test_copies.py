"""Runs that are those of another method: bundled networks and clones."""

from __future__ import annotations

from pathlib import Path

from elue.record import files as records
from elue.submissions.validate import validate
from tests.submissions.breaking import again, edit, files, numbers, part, rename


def said(folder: Path, code: str) -> list[str]:
    return [finding.what for finding in validate(folder).findings if finding.code == code]


def costlier(folder: Path, factor: float) -> None:
    """Let every sample of the first run cost more."""
    record = records.read(files(folder)[0])
    assert record.samples
    flops = [round(factor * each) for each in record.samples.flops]
    changed = record.samples.model_copy(update={"flops": tuple(flops)})
    edit(folder, samples=changed, flops=part(folder, "flops", **numbers(flops)))


def test_another_s_network_is_no_point_of_one_s_own(hello: Path) -> None:
    other = again(hello, "another")
    rename(other, "better")
    whats = said(other, "E711")
    assert len(whats) == 2
    assert all(what.startswith("its answers and FLOPs are those of hello in hello (") for what in whats)
    costlier(other, 1.05)
    assert len(said(other, "E711")) == 1
    (what,) = said(other, "R712")
    assert what.startswith("100.0 % of its answers are those of hello in hello (")


def test_nearly_all_answers_are_for_a_reviewer(hello: Path) -> None:
    other = again(hello, "another")
    rename(other, "better")
    record = records.read(files(other)[0])
    assert record.samples
    for count, flagged in ((5, 1), (50, 0)):
        values = [1 - value for value in record.samples.value[:count]]
        changed = record.samples.model_copy(update={"value": (*values, *record.samples.value[count:])})
        edit(other, samples=changed)
        assert len(said(other, "R712")) == flagged
        assert len(said(other, "E711")) == 1, "the other point is a copy still"


def test_a_clone_in_the_same_submission(hello: Path) -> None:
    for path in files(hello):
        record = records.read(path)
        record = record.model_copy(update={"method": record.method.model_copy(update={"name": "clone"})})
        records.write(record.model_copy(update={"key": records.identity(record).key}), hello / "records")
    assert len(said(hello, "E711")) == 2


def test_one_answer_to_everything_is_anybody_s(hello: Path) -> None:
    other = again(hello, "another")
    rename(other, "better")
    for folder in (hello, other):
        for which, path in enumerate(files(folder)):
            record = records.read(path)
            assert record.samples
            ones = record.samples.model_copy(update={"value": (1.0,) * len(record.samples.id)})
            edit(folder, which, samples=ones)
    assert said(other, "E711") == said(other, "R712") == []


def test_a_method_may_answer_what_it_answered_before(hello: Path) -> None:
    again(hello, "another")
    assert said(hello, "E711") == said(hello, "R712") == []
