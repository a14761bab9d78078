"""Planning: which runs are due, and why."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.evaluation.plan import plan_runs, weights_digest
from elue.record import files as records
from elue.record.files import Identity
from tests.record.test_files import make_record


@pytest.fixture
def base() -> Identity:
    return records.identity(make_record())


def keep(identity: Identity, runs: Path, **changes: object) -> None:
    point, key = dict(identity.point), identity.key
    records.write(make_record(key=key, point=point, seed=identity.seed, **changes), runs)


def test_everything_is_due_at_first(base: Identity, tmp_path: Path) -> None:
    planned = plan_runs(base, [{"threshold": 0.1}, {"threshold": 0.2}], tmp_path, "missing")
    assert [(run.due, run.why) for run in planned] == [(True, "no record yet")] * 2
    assert len({run.identity.key for run in planned}) == 2


def test_finished_runs_are_left_alone(base: Identity, tmp_path: Path) -> None:
    keep(base, tmp_path)
    (run,) = plan_runs(base, [base.point], tmp_path, "missing")
    assert not run.due
    assert run.record is not None


def test_a_damaged_record_says_how_its_run_is_measured_again(base: Identity, tmp_path: Path) -> None:
    keep(base, tmp_path)
    (path,) = tmp_path.rglob("*.json")
    path.write_text('{"schema": ')
    with pytest.raises(ElueError, match="Delete that file"):
        plan_runs(base, [dict(base.point)], tmp_path, "missing")
    path.unlink()
    assert plan_runs(base, [dict(base.point)], tmp_path, "missing")[0].due


def test_failed_runs_are_tried_again(base: Identity, tmp_path: Path) -> None:
    keep(base, tmp_path, status="timeout", complete=False, score=None, flops=None, params=None, samples=None)
    (run,) = plan_runs(base, [base.point], tmp_path, "missing")
    assert run.due
    assert "timeout" in run.why


def test_an_incomplete_run_is_finished(base: Identity, tmp_path: Path) -> None:
    keep(base, tmp_path, complete=False, unknown={"aten.strange.default": 3})
    (run,) = plan_runs(base, [base.point], tmp_path, "missing")
    assert not run.due


@pytest.mark.parametrize(("rerun", "due"), [("all", True), ("none", False)])
def test_rerun_overrides(base: Identity, tmp_path: Path, rerun: str, due: bool) -> None:
    keep(base, tmp_path)
    (run,) = plan_runs(base, [base.point], tmp_path, rerun)  # type: ignore[arg-type]
    assert run.due is due


def test_the_reason_names_what_changed(base: Identity, tmp_path: Path) -> None:
    keep(base, tmp_path)
    (run,) = plan_runs(replace(base, seed=1), [base.point], tmp_path, "missing")
    assert run.why == "changed since the last record: the seed"


def test_the_weights_digest_follows_content_and_names(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    for folder in (one, other):
        (folder / "sub").mkdir(parents=True)
        (folder / "sub" / "w").write_text("weights")
        (folder / "checkpoints").mkdir()
    (other / "checkpoints" / "rest").write_text("does not count")
    assert weights_digest(one) == weights_digest(other)
    (other / "sub" / "w").write_text("other weights")
    assert weights_digest(one) != weights_digest(other)
    (one / "sub" / "w").rename(one / "sub" / "v")
    (other / "sub" / "w").write_text("weights")
    assert weights_digest(one) != weights_digest(other)


def test_a_missing_weights_folder(tmp_path: Path) -> None:
    with pytest.raises(ElueError, match="no weights folder"):
        weights_digest(tmp_path / "none")
