"""How well a worker is confined is told in one word, and the weakest mode is asked for."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.worker.confinement import mode
from elue.worker.session import Worker
from tests.worker.confinement.probing import WAYS, every_way

EXPECTED = {"bubblewrap": "namespaces", "namespaces": "namespaces", "landlock": "kernel", "hook": "hook"}


@every_way
def test_a_worker_says_its_mode(way: str, tmp_path: Path) -> None:
    with Worker(tmp_path / "log", means=WAYS[way]) as worker:
        assert mode.mode_of(worker.confinement) == worker.confinement["mode"] == EXPECTED[way]


@pytest.mark.parametrize(
    ("held", "expected"),
    [
        ({}, "hook"),
        ({"files": "namespaces", "network": "namespace", "processes": "hook"}, "hook"),
        ({"files": "landlock", "network": "hook", "processes": "seccomp"}, "hook"),
        ({"files": "hook", "network": "namespace", "processes": "seccomp"}, "hook"),
        ({"files": "landlock", "network": "namespace", "processes": "seccomp"}, "kernel"),
    ],
)
def test_a_mode_is_as_strong_as_what_is_weakest(held: dict[str, str], expected: str) -> None:
    assert mode.mode_of(held) == expected


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch) -> None:
    """A system where no means takes hold: the greeting names none of them."""
    from elue.worker import session

    monkeypatch.setattr(session, "MEANS", ())


def test_the_weakest_mode_is_asked_for(bare: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(mode.VARIABLE, raising=False)
    with pytest.raises(ElueError, match="--allow-unconfined") as caught:
        Worker(tmp_path / "log")
    assert caught.value.code == "unconfined"
    with Worker(tmp_path / "log", own=True) as worker:
        assert worker.confinement["mode"] == "hook"
    monkeypatch.setenv(mode.VARIABLE, "1")
    with Worker(tmp_path / "log") as worker:
        assert worker.confinement["mode"] == "hook"


def test_there_is_no_worker_on_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(ElueError, match="WSL 2"):
        Worker(tmp_path / "log")


def test_a_run_that_only_python_watched_is_flagged(bare: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.submissions.conftest import PLUGIN, measure

    plugin = tmp_path / "hello.py"
    plugin.write_text(PLUGIN, encoding="utf-8")
    monkeypatch.delenv(mode.VARIABLE, raising=False)
    with pytest.raises(ElueError, match="cannot confine"):
        measure(plugin, tmp_path / "runs")
    monkeypatch.setenv(mode.VARIABLE, "1")
    for record in measure(plugin, tmp_path / "runs"):
        assert record.status == "ok"
        assert "unconfined" in {flag.code for flag in record.flags}
