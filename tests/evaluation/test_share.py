"""Runs leave a share one by one: what was finished when an evaluation is killed is kept, and is not made again."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elue.evaluation import share
from elue.evaluation.events import Event, RunEnded, RunStarted
from elue.evaluation.execute import plan
from elue.evaluation.passes import audit
from elue.evaluation.passes.clock import Stopwatch
from elue.evaluation.passes.context import StartedWorker
from elue.evaluation.passes.effort import Machine
from elue.meter.profile import Profile
from elue.record import files as records
from elue.record.store import Store
from elue.worker.frames import Open
from elue.worker.session import Worker
from tests import traced_toys as toys
from tests.conftest import WritePlugin, WriteTask
from tests.running import evaluation

IMPATIENT = "from elue.evaluation import share; share.TOGETHER = 0.0; from elue.cli import main; main()"
"""The command, with no run waiting for another's audit."""
SLOW = "import time; time.sleep(0.05)"
SWEPT = (toys.SWEEP, toys.LADDER)
KILLED: dict[str, tuple[tuple[str, ...], list[str]]] = {
    "measured only": ((), ["--repeat", "0", "--latency", "0", "--measure", "observed"]),
    "one by one": ((), ["--repeat", "2", "--latency", "4"]),
    "swept": (SWEPT, ["--repeat", "2", "--latency", "4"]),
}
"""Optional members of the toy, and what it is asked for."""
POINTS = 4


def write_slow(folder: Path, *parts: str) -> Path:
    """The toy with several points, of which each sample takes a moment."""
    run, points = "    def run(self, sample, upto, many=False):\n", 'return [{"depth": depth} for depth in range(4)]'
    several = f'return [{{"depth": 1 + k % 3, "lie": str(k)}} for k in range({POINTS})]'
    return toys.write(folder, *parts, changed={run: f"{run}        {SLOW}\n", points: several})


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=pytest.mark.slow if kind == "one by one" else pytest.mark.thorough) for kind in KILLED],
)
def test_kill_9_in_the_middle_loses_no_finished_run_and_repeats_none(
    kind: str, tmp_path: Path, write_task: WriteTask
) -> None:
    parts, asked = KILLED[kind]
    runs, database = tmp_path / "runs", f"sqlite:///{tmp_path / 'index.sqlite'}"
    words = ["evaluate", str(write_slow(tmp_path, *parts)), "--task", str(write_task(10)), "--json", "--explain", "0"]
    words += ["--audit", "2", "--runs", str(runs), "--db", database, *asked]
    command = [sys.executable, "-c", IMPATIENT, *words]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 300
    while len(list(records.files(runs))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path: path.read_bytes() for path in records.files(runs)}
    assert 2 <= len(finished) < POINTS
    stored = Store(database).keys()
    written = {path.stem for path in finished}
    assert stored <= written
    assert len(stored) >= len(written) - 1  # one may lie between the two
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{len(finished)} of {POINTS} runs are done already" in done.stderr
    assert [run["point"]["lie"] for run in json.loads(done.stdout)] == [str(k) for k in range(POINTS)]
    assert all(path.read_bytes() == content for path, content in finished.items())
    assert Store(database).keys() == {path.stem for path in records.files(runs)}
    assert len(list(records.files(runs))) == POINTS
    pids = workers.stdout.split()
    assert pids
    assert not [pid for pid in pids if Path(f"/proc/{pid}/cmdline").exists()]


def test_a_run_that_nothing_more_is_asked_about_leaves_before_the_next_begins(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    plugin = write_plugin(predict="assert self.point['k'] != 1\nreturn [Prediction(0)]")
    asked = evaluation(tmp_path, plugin, write_task(3), points=tuple({"k": k} for k in range(3)))
    told = [event for event in share.share(asked, plan(asked)) if isinstance(event, RunStarted | RunEnded)]
    assert [type(event) for event in told] == [RunStarted, RunEnded] * 3
    assert [event.record.status for event in told if isinstance(event, RunEnded)] == ["ok", "failed", "ok"]


@pytest.mark.parametrize("together", [0.0, 60.0])
def test_runs_wait_for_the_audits_of_others_for_a_while_only(
    together: float, tmp_path: Path, write_task: WriteTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And every auditor has ended before a run is timed, every timed model before the next audit."""
    told: list[str] = []
    close, rest = audit.Auditor.close, Stopwatch.rest

    def closed(auditor: audit.Auditor) -> None:
        told.extend(["auditor"] * (auditor._started is not None))
        close(auditor)

    def rested(stopwatch: Stopwatch) -> None:
        told.extend(["timed"] * (stopwatch._model is not None))
        rest(stopwatch)

    def hear(event: Event) -> None:
        told.extend(["record"] * isinstance(event, RunEnded))

    monkeypatch.setattr(share, "TOGETHER", together)
    monkeypatch.setattr(audit.Auditor, "close", closed)
    monkeypatch.setattr(Stopwatch, "rest", rested)
    plugin = toys.write(tmp_path, toys.SWEEP, toys.LADDER)
    asked = evaluation(tmp_path, plugin, write_task(20), points=({"depth": 1}, {"depth": 2}), latency=2, audit=2)
    assert share.share(asked, plan(asked), tell=hear) == []
    one = ["auditor", "record", "timed"]
    assert told == (one * 2 if together == 0.0 else ["auditor", "record", "record", "timed"])


def test_the_machine_is_calibrated_beside_the_main_worker_by_one_that_never_holds_a_plugin(
    tmp_path: Path, write_task: WriteTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And that is over before an auditor starts."""
    told: list[str] = []
    holding: set[int] = set()
    begin, calibrate, timed, measure = audit.start, audit.effort.calibrate, Worker.timed, share.traced.measure
    begun, measured = threading.Event(), threading.Event()

    def started(*given: Any, **named: Any) -> StartedWorker:
        told.append("auditor")
        return begin(*given, **named)

    def calibrated(worker: Worker, profile: Profile) -> Machine | None:
        begun.set()
        assert measured.wait(60), "the main worker goes on meanwhile"
        machine = calibrate(worker, profile)
        told.append("calibrated")
        assert id(worker) not in holding
        return machine

    def called(worker: Worker, asked: Any, seconds: float) -> Any:
        holding.update([id(worker)] if isinstance(asked, Open) else [])
        return timed(worker, asked, seconds)

    def swept(*given: Any) -> Any:
        assert begun.wait(60), "it has begun by then"
        made = measure(*given)
        measured.set()
        return made

    monkeypatch.setattr(audit, "start", started)
    monkeypatch.setattr(audit.effort, "calibrate", calibrated)
    monkeypatch.setattr(Worker, "timed", called)
    monkeypatch.setattr(share.traced, "measure", swept)
    asked = evaluation(tmp_path, toys.write(tmp_path), write_task(20), points=({"depth": 1},), repeat=2, audit=2)
    (record,) = (event.record for event in share.share(asked, plan(asked)) if isinstance(event, RunEnded))
    assert (record.status, record.flags) == ("ok", ())
    assert told == ["calibrated", "auditor"]
    told.clear()
    bare = replace(asked, repeat=0)
    assert isinstance(share.share(bare, plan(bare))[-1], RunEnded)
    assert told == ["auditor"], "nobody asked for what it is for"
