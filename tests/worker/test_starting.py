"""A worker that is a copy against one that was started anew: all the same, and no copy has anything of another."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from elue.meter import profile
from elue.worker import starting
from elue.worker.confinement import watch
from elue.worker.confinement.sandbox import Limits
from elue.worker.failure import WorkerFailure
from elue.worker.frames import Calibrate
from elue.worker.session import Worker
from tests.worker.confinement.probing import WAYS, every_way, probe

pytestmark = pytest.mark.skipif(not starting._COPIES, reason="workers are always started anew on this system")

BOTH = pytest.mark.parametrize("anew", [False, True], ids=["copy", "anew"])
SEES = """
    import gc, random, resource, signal, stat, tempfile, threading
    import numpy, torch

    def kind(descriptor):
        status = os.fstat(int(descriptor))
        if stat.S_ISSOCK(status.st_mode):
            return "socket"
        return (status.st_dev, status.st_ino) if status.st_nlink else "output"

    limits = [name for name in dir(resource) if name.startswith("RLIMIT_")]
    listed = [name for name in os.listdir("/proc/self/fd") if os.path.exists(f"/proc/self/fd/{name}")]
    found |= {
        "environment": {name: value.replace(os.getcwd(), "HOME") for name, value in os.environ.items()},
        "in C": [C.getenv(b"OMP_NUM_THREADS") != 0, os.environ["HOME"] == os.getcwd() == tempfile.gettempdir()],
        "descriptors": sorted(str(kind(name)) for name in listed),
        "inherited": [os.get_inheritable(int(name)) for name in listed if int(name) > 2],
        "threads": [threading.active_count(), len(os.listdir("/proc/self/task")), torch.get_num_threads()],
        "signals": [str(signal.getsignal(number)) for number in range(1, 32)],
        "mask": sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])),
        "limits": {name: resource.getrlimit(getattr(resource, name)) for name in limits},
        "flags": str(sys.flags),
        "path": sys.path,
        "main": [sys.modules["__main__"].__spec__.name, sys.argv[0]],
        "umask": os.umask(0o22),
        "niceness": os.nice(0),
        "writes": [sys.stdout.encoding, sys.stdout.line_buffering, sys.stdout.fileno(), sys.stdin.read()],
        "collected": gc.get_threshold(),
    }
    """


@every_way
def test_a_copy_finds_itself_as_a_new_process_does(way: str, tmp_path: Path) -> None:
    copied, anew = (probe(tmp_path, SEES, way, anew=anew) for anew in (False, True))
    assert copied["descriptors"] == anew["descriptors"]
    assert copied == anew
    assert copied["threads"][:2] == [1, 1]
    assert len(copied["descriptors"]) == 4, "input, output, errors, and the channel"


def test_a_copy_has_no_memory_in_common_with_its_original(tmp_path: Path) -> None:
    """What is mapped to be shared and can be written would be one thing in all copies, whatever plugin they hold."""
    code = """
    import mmap
    before = [line.split()[:2] for line in open("/proc/self/maps")]
    kept = mmap.mmap(-1, 4096)
    after = [line.split()[:2] for line in open("/proc/self/maps")]
    shared = [[where for where, rights in maps if rights[1] == "w" and rights[3] == "s"] for maps in (before, after)]
    found |= {"inherited": shared[0], "own": len(shared[1])}
    """
    assert probe(tmp_path, code, "hook") == {"inherited": [], "own": 1}


def test_copies_draw_differently_and_know_nothing_of_each_other(tmp_path: Path) -> None:
    draws = """
    import builtins, random
    import numpy, torch
    known = [hasattr(torch, "left"), hasattr(builtins, "left"), "LEFT" in os.environ, "left" in sys.modules]
    torch.left = builtins.left = os.environ["LEFT"] = sys.modules["left"] = "left"
    drawn = [random.random(), numpy.random.rand(), torch.rand(1).item(), os.urandom(4).hex()]
    found |= {"known": known, "drawn": drawn}
    """
    first, second = (probe(tmp_path, draws, "landlock" if "landlock" in WAYS else "hook") for _ in range(2))
    assert not any(first["known"] + second["known"])
    assert not {*first["drawn"]} & {*second["drawn"]}


def test_the_order_of_sets_is_another_in_those_that_are_apart(tmp_path: Path) -> None:
    code = "found['drawn'] = hash('a text')"
    drawn = [probe(tmp_path, code, "hook", apart=apart)["drawn"] for apart in (False, False, True, True)]
    assert drawn[0] == drawn[1]
    assert drawn[2] == drawn[3]
    assert drawn[0] != drawn[2]


@BOTH
@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("os._exit(3)", "ended with exit code 3"),
        ("os.kill(os.getpid(), 9)", "killed by SIGKILL"),
        ("C.abort()", "killed by SIGABRT"),
    ],
)
def test_how_a_worker_ended_is_told(anew: bool, code: str, reason: str, tmp_path: Path) -> None:
    with pytest.raises(WorkerFailure, match=reason):
        probe(tmp_path, code, "hook", anew=anew)


@BOTH
def test_what_a_worker_prints_is_in_its_log(anew: bool, tmp_path: Path) -> None:
    probe(tmp_path, "print('said', flush=True); os.write(2, b'written')", "hook", anew=anew)
    assert {"said", "written"} <= set((tmp_path / "log").read_text().replace("written", " written ").split())


@BOTH
def test_a_worker_is_gone_when_it_is_closed(anew: bool, tmp_path: Path) -> None:
    with Worker(tmp_path / "log", own=True, anew=anew) as worker:
        family = watch.family(worker._process.pid)
        assert all(map(watch.alive, family))
        with pytest.raises(subprocess.TimeoutExpired):
            worker._process.wait(0.01)
    assert not any(map(watch.alive, family))
    assert worker._process.returncode in (-signal.SIGKILL, 128 + signal.SIGKILL)


def test_the_number_of_a_copy_is_no_other_s_as_long_as_it_is_known(tmp_path: Path) -> None:
    with Worker(tmp_path / "log", own=True) as worker:
        pid = worker._process.pid
        worker.kill()
        worker._process.wait(10.0)
        time.sleep(0.2)
        assert Path(f"/proc/{pid}").exists(), "a zombie"
    assert not _stays(lambda: Path(f"/proc/{pid}").exists())


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No originals but the test's own."""
    monkeypatch.setattr(starting, "_originals", {})
    yield
    starting.close()


def test_where_the_original_is_killed_its_copies_end_and_another_takes_its_place(fresh: None, tmp_path: Path) -> None:
    with Worker(tmp_path / "log", own=True) as worker:
        (original,) = starting._originals.values()
        members = watch.family(worker._process.pid)
        os.kill(original._process.pid, signal.SIGKILL)
        with pytest.raises(WorkerFailure, match=r"killed by SIGKILL|closed its channel"):
            _call_without_end(worker)
        assert not _stays(lambda: any(map(watch.alive, members)))
    with Worker(tmp_path / "log", own=True) as worker:
        (another,) = starting._originals.values()
        assert another is not original
        assert isinstance(worker._process, starting.Copy)


@pytest.mark.parametrize("module", ["elue.absent", "this"], ids=["fails", "ends"])
def test_where_there_is_no_original_workers_are_started_anew(
    module: str, fresh: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(starting, "MODULE", module)
    for _ in range(2):
        with Worker(tmp_path / "log", own=True) as worker:
            assert isinstance(worker._process, subprocess.Popen)
    assert len(starting._originals) == 1, "it is not tried again"


def test_a_process_of_several_threads_is_not_copied() -> None:
    code = """
    import threading, time
    from elue.worker.inside import original
    threading.Thread(target=time.sleep, args=(1.0,)).start()
    print(original._fork())
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, check=True)
    assert done.stdout == "None\n"


def test_a_fork_of_the_evaluator_has_its_own_originals_and_all_end_with_who_started_them(tmp_path: Path) -> None:
    """However it ends, and whatever the fork, which lives on, holds of it."""
    code = f"""
    import os, time
    from pathlib import Path
    from elue.worker import starting
    from elue.worker.confinement import watch
    from elue.worker.session import Worker

    def use():
        worker = Worker(Path({str(tmp_path / "log")!r}), own=True)
        assert isinstance(worker._process, starting.Copy)
        return worker, starting._originals["1", False]._process.pid

    reading, writing = os.pipe()
    worker, ours = use()
    if os.fork() == 0:
        another, theirs = use()
        another.close()
        os.write(writing, b"the same" if theirs == ours else b"another")
        time.sleep(30)
    members = watch.family(ours)
    print(os.read(reading, 10).decode(), *members, flush=True)
    time.sleep(60)
    """
    words = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True, start_new_session=True) as evaluator:
        assert evaluator.stdout is not None
        which, *members = evaluator.stdout.readline().split()
        assert which == "another"
        assert len(members) >= 2
        evaluator.kill()
        assert not _stays(lambda: any(watch.alive(int(pid)) for pid in members))
        os.killpg(evaluator.pid, signal.SIGKILL)


@every_way
def test_memory_that_processes_only_share_is_counted_once(way: str, tmp_path: Path) -> None:
    """Those that wait outside for a worker are copies as it is."""
    with Worker(tmp_path / "log", means=WAYS[way], limits=Limits(memory=2**29)) as worker:
        leader = worker._process.pid
        now, shared_out = watch.session(leader), watch.shared_out(leader)
        assert now is not None
        assert shared_out is not None
        assert shared_out < now.memory
        assert shared_out < 2**28
        worker._look()


def _call_without_end(worker: Worker) -> None:
    while True:
        worker.call(Calibrate("calls", 2, profile.load("elue-1")), 60.0)


def _stays(holds: Callable[[], Any], seconds: float = 10.0) -> bool:
    """Whether something still holds after so many seconds."""
    until = time.monotonic() + seconds
    while holds():
        if time.monotonic() > until:
            return True
        time.sleep(0.02)
    return False
