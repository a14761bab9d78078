"""No process that holds the plugin finds another one: what one has seen can't be told to who is asked next."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from elue.evaluation import share
from elue.evaluation.stages import Stage, Stages
from elue.worker import session
from tests import traced_toys as toys
from tests.conftest import WritePlugin, WriteTask
from tests.running import evaluate_plugin

LONELY = """
import fcntl
HELD = open(__file__)
fcntl.flock(HELD, fcntl.LOCK_EX | fcntl.LOCK_NB)  # raises where another process has this very code
"""
SHAPES: dict[str, tuple[str, ...]] = {
    "one by one": (),
    "a survey": (toys.SWEEP, toys.LADDER, toys.SURVEY, toys.EXPLAIN),
}


@pytest.fixture
def unfiltered(monkeypatch: pytest.MonkeyPatch) -> None:
    """The mode in which locks are not refused."""
    monkeypatch.setattr(session, "MEANS", ())
    monkeypatch.setenv("ELUE_ALLOW_UNCONFINED", "1")


@pytest.mark.usefixtures("unfiltered")
@pytest.mark.parametrize(("shape", "together"), [("one by one", 60.0), ("a survey", 60.0), ("a survey", 0.0)])
def test_a_lock_that_every_process_of_a_plugin_takes_is_always_free(
    shape: str, together: float, tmp_path: Path, write_task: WriteTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(share, "TOGETHER", together)
    plugin = toys.write(tmp_path, *SHAPES[shape], changed={"WIDTH, EXITS = 4, 3\n": f"WIDTH, EXITS = 4, 3\n{LONELY}"})
    records = evaluate_plugin(tmp_path, plugin, write_task(12), repeat=2, latency=3, explain=2)
    assert [record.status for record in records] == ["ok"] * 4
    assert {flag.code for record in records for flag in record.flags} == {"unconfined"}
    assert all(record.latency is not None and record.audited for record in records)


@pytest.mark.usefixtures("unfiltered")
def test_the_lock_is_one_that_another_process_holds(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    plugin = write_plugin(before=LONELY)
    with plugin.open() as opened:
        import fcntl

        fcntl.flock(opened, fcntl.LOCK_EX)
        (record,) = evaluate_plugin(tmp_path, plugin, write_task(4), points=[{}])
    assert record.status == "failed"
    assert "BlockingIOError" in record.reason


def test_many_are_in_one_stage_and_none_in_two() -> None:
    stages, lock = Stages(), threading.Lock()
    inside: list[Stage] = []
    together: list[set[Stage]] = []
    most = dict.fromkeys(("main", "audit", "timed"), 0)

    def share() -> None:
        order: tuple[Stage, ...] = ("main", "audit", "timed")
        for stage in order * 3:
            with stages.within(stage):
                with lock:
                    inside.append(stage)
                    together.append(set(inside))
                    most[stage] = max(most[stage], len(inside))
                time.sleep(0.01)
                with lock:
                    inside.remove(stage)

    threads = [threading.Thread(target=share) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    assert len(together) == 36
    assert all(len(stages) == 1 for stages in together)
    assert most["main"] > 1
    assert most["audit"] > 1
    assert most["timed"] == 1, "what another share does shows in times"


def test_a_stage_is_left_when_what_is_in_it_fails() -> None:
    stages = Stages()
    with pytest.raises(ValueError, match="in it"), stages.within("main"):
        raise ValueError("in it")
    with stages.within("timed"):
        pass
