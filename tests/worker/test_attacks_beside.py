"""Attacks by a helper beside the worker, which computes on request what nobody counts: by every way and its parts."""

from __future__ import annotations

import os
import textwrap
import time
from pathlib import Path

import pytest

from elue.worker.confinement import watch
from elue.worker.failure import WorkerFailure
from tests.worker.helping import Helped, every_way_and_part

HELPERS = {
    "asked by pipes": """
        def serve():
            while question := os.read(ask, 1):
                x = torch.ones(64, 64)
                for _ in range(100): x = torch.tanh(x @ x)
                os.write(tell, question)
        twice(serve)
        """,
    "forked in C": "twice(lambda: os.read(ask, 1), C.fork)",
    "forked by a thread that ended": """
        thread = threading.Thread(target=lambda: twice(lambda: os.read(ask, 1)))
        thread.start(); thread.join()
        """,
    "a helper of a helper": "twice(lambda: twice(lambda: os.read(ask, 1)))",
    "looks into shared memory": """
        shared = mmap.mmap(-1, 64)
        def look():
            while True:
                if shared[0]: shared[0] = 0
                time.sleep(0.05)
        twice(look)
        """,
    "waits for a record lock": """
        file = open("lock", "w")
        def wait():
            while True:
                try: fcntl.lockf(file, fcntl.LOCK_EX)
                except OSError: pass
                time.sleep(0.05)
        twice(wait)
        """,
    "looks for files": """
        def search():
            while True:
                if os.path.exists("ask"): open("answer", "w").close()
                time.sleep(0.05)
        twice(search)
        """,
    "ignores signals": """
        def ignore():
            for number in range(1, 32):
                try: signal.signal(number, signal.SIG_IGN)
                except (OSError, ValueError): pass
            time.sleep(600)
        twice(ignore)
        """,
}
"""What a plugin's module does to have a helper that stays; each leaves one process."""

OTHERS = {
    "is a thread's child": (
        """
        ready = threading.Event()
        def start():
            if os.fork() == 0: time.sleep(600)
            ready.set()
            time.sleep(600)
        threading.Thread(target=start, daemon=True).start()
        ready.wait()
        """,
        "",
    ),
    "starts while the model loads": ("", "twice(lambda: time.sleep(600))"),
    "starts anew every moment": (
        """
        def anew():
            while os.fork() == 0:
                time.sleep(0.05)
        twice(anew)
        """,
        "",
    ),
}
"""Further ones, in the module and in `load`."""


@every_way_and_part
def test_nothing_but_the_worker_is_alive_after_loading(way: str, tmp_path: Path) -> None:
    before = "ask, asked = os.pipe()\ntold, tell = os.pipe()\n" + "\n".join(map(textwrap.dedent, HELPERS.values()))
    with Helped(tmp_path, way, before) as helped:
        helped.open()
        with pytest.raises(WorkerFailure, match=f"keeps {len(HELPERS)} processes running beside the worker") as caught:
            helped.load()
        members = watch.family(helped.worker._process.pid)
    assert caught.value.status == "forbidden"
    assert not [pid for pid in members if watch.alive(pid)], "what was there ended with the worker"


@pytest.mark.parametrize("name", OTHERS)
def test_however_it_started(name: str, tmp_path: Path) -> None:
    before, load = OTHERS[name]
    with Helped(tmp_path, "hook", before, load) as helped:
        helped.open()
        with pytest.raises(WorkerFailure, match="running beside the worker") as caught:
            helped.load()
        members = watch.family(helped.worker._process.pid)
    assert caught.value.status == "forbidden"
    assert not [pid for pid in members if watch.alive(pid)]


@every_way_and_part
def test_a_helper_s_time_is_the_worker_s(way: str, tmp_path: Path) -> None:
    """Of one that lives and of one that has ended, and to a part of what a clock's tick is."""
    burning = """
        told, tell = os.pipe()
        def work(): burn(0.4); os.write(tell, b"x")
        twice(lambda: (work(), time.sleep(600)))
        twice(work)
        os.read(told, 1); os.read(told, 1); time.sleep(0.2)
        """
    spent = []
    for folder, before in (("with", burning), ("without", "")):
        (tmp_path / folder).mkdir()
        with Helped(tmp_path / folder, way, before) as helped:
            helped.open()
            usage = helped.worker.usage()
            assert usage.cpu_seconds is not None
            spent.append(usage.cpu_seconds)
    assert spent[0] - spent[1] > 0.5


@every_way_and_part
def test_the_right_to_start_processes_cannot_be_kept(way: str, tmp_path: Path) -> None:
    """By putting something else in the place of what gives it up, and taking that away in time."""
    load = """
        from elue.worker.confinement import sandbox
        gives_up = sandbox.forbid_processes_and_network
        def keeps(filtered): sandbox.forbid_processes_and_network = gives_up
        sandbox.forbid_processes_and_network = keeps
        """
    predict = "if C.fork() == 0: time.sleep(600)"

    def use(helped: Helped) -> None:
        helped.open()
        helped.load()
        helped.predict()
        time.sleep(0.6)
        helped.predict()

    with Helped(tmp_path, way, load=load, predict=predict) as helped, pytest.raises(WorkerFailure) as caught:
        use(helped)
    assert caught.value.status == "forbidden"
    assert any(part in caught.value.reason for part in ("the right to start processes", "beside the worker"))


def test_the_time_of_a_process_is_told_to_less_than_a_tick() -> None:
    before = watch.usage(os.getpid()).cpu_seconds
    until = time.process_time() + 0.002
    while time.process_time() < until:
        pass
    after = watch.usage(os.getpid()).cpu_seconds
    assert before is not None
    assert after is not None
    assert 0.002 <= after - before < 0.2
