"""Runs that are those of another method: bundled networks and clones."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from elue.record import files as records
from elue.record.schema import WeightsRef
from elue.submissions.checks import copies
from elue.submissions.checks.copies import OwnNetworks
from elue.submissions.finding import Submission
from elue.submissions.validate import validate
from tests.submissions.breaking import again, edit, files, numbers, rename


def said(folder: Path, code: str) -> list[str]:
    return [finding.what for finding in validate(folder).findings if finding.code == code]


def costlier(folder: Path, factor: float) -> None:
    """Let every sample of the cheapest run cost more: cheaper than that, it is cheaper than any run it answers like."""
    runs = [records.read(path) for path in files(folder)]
    which = min(range(len(runs)), key=lambda place: runs[place].point["passes"])
    samples, totals = runs[which].samples, runs[which].flops
    assert samples
    assert totals
    flops = [round(factor * each) for each in samples.flops]
    changed = samples.model_copy(update={"flops": tuple(flops)})
    edit(folder, which, samples=changed, flops=totals.model_copy(update=numbers(flops)))


def test_another_s_network_is_no_point_of_one_s_own(hello: Path) -> None:
    other = again(hello, "another")
    rename(other, "better")
    whats = said(other, "E711")
    assert len(whats) == 2
    assert all(what.startswith("its answers are those of hello in hello (") for what in whats)
    costlier(other, 1.5)
    assert len(said(other, "E711")) == 2, "to burn FLOPs makes no other network of it"
    costlier(other, 0.6)
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


def test_the_house_s_methods_may_share_trainings(hello: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A committee that never goes on answers what its smallest member, a point of the yardstick, does."""
    for path in files(hello):
        record = records.read(path)
        record = record.model_copy(update={"method": record.method.model_copy(update={"name": "clone"})})
        records.write(record.model_copy(update={"key": records.identity(record).key}), hello / "records")
    monkeypatch.setattr(copies, "house", lambda: frozenset({hello.name}))
    assert said(hello, "E711") == said(hello, "R712") == []
    other = again(hello, "another")
    rename(other, "better")
    assert said(other, "E711"), "a stranger's copy of the house's run"


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


def test_another_submission_s_weights_are_no_training_of_one_s_own(hello: Path) -> None:
    """Under any rule: other answers at another cost, but the very weights."""
    other = again(hello, "another")
    rename(other, "better")
    weights = WeightsRef(digest="a" * 64, training=None)
    for folder in (hello, other):
        edit(folder, rekey=True, weights=weights)
    path = next(path for path in files(other) if records.read(path).weights)
    record = records.read(path)
    assert record.samples
    values = tuple(1 - value for value in record.samples.value)
    edit(other, files(other).index(path), samples=record.samples.model_copy(update={"value": values}))
    whats = [what for what in said(other, "E711") if what.startswith("its weights are those of hello in hello (")]
    assert len(whats) == 1
    edit(other, files(other).index(path), rekey=True, weights=weights.model_copy(update={"digest": "b" * 64}))
    assert not [what for what in said(other, "E711") if what.startswith("its weights")]


@pytest.mark.parametrize(("noise", "code"), [(0.0, "E711"), (1e-7, "E711"), (0.2, None)])
def test_numbers_that_differ_by_float_noise_are_the_same_answers(hello: Path, noise: float, code: str | None) -> None:
    """The last bit of a weight moves all numbers a little, and another training all of them a lot."""
    other = again(hello, "another")
    rename(other, "better")
    generator = np.random.default_rng(0)
    for point in [records.read(path).point for path in files(hello)]:
        values = None
        for folder, shift in ((hello, 0.0), (other, noise)):
            paths = files(folder)
            which = next(place for place, path in enumerate(paths) if records.read(path).point == point)
            record = records.read(paths[which])
            assert record.samples
            count = len(record.samples.id)
            values = generator.normal(size=count) if values is None else values
            answers = tuple((values + shift * generator.normal(size=count)).tolist())
            task = record.task.model_copy(update={"kind": "regression"})
            edit(folder, which, task=task, samples=record.samples.model_copy(update={"value": answers}))
    assert {finding.code for finding in OwnNetworks().look(Submission(other))} == ({code} if code else set())
