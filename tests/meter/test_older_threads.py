"""Threads that started before the Meter's code was there: their operators are seen, their sleep and prints are not."""

from __future__ import annotations

import subprocess
import sys
import textwrap


def in_a_process(text: str) -> str:
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(text)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


OLD = """
import threading, time, torch
from queue import SimpleQueue
asked, told = SimpleQueue(), SimpleQueue()
x, w = torch.rand(64, 64), torch.rand(64, 64)
def serve():
    while (work := asked.get()) is not None:
        told.put(work())
old = threading.Thread(target=serve); old.start()
sleeper = threading.Thread(target=time.sleep, args=(3,), daemon=True); sleeper.start()
stop = []
def spin():
    while not stop: x @ w
spinner = threading.Thread(target=spin)
if SPIN: spinner.start()
time.sleep(0.1)
from elue.meter import Meter
def measured(work):
    with Meter() as meter:
        x + x
        asked.put(work); told.get()
    print(meter.flops, meter.unknown)
"""


def test_threads_older_than_the_import_are_seen() -> None:
    said = in_a_process(
        "SPIN = False\n"
        + OLD
        + textwrap.dedent("""
        measured(lambda: print("progress"))
        measured(lambda: x @ w)
        measured(lambda: x.clone())
        measured(lambda: x + 1)
        asked.put(None)
        """)
    )
    assert said.splitlines() == [
        "progress",
        "4096 {}",
        "4096 {'work in threads started before': 1}",
        "4096 {}",
        "4096 {'work in threads started before': 1}",
    ]


def test_a_thread_older_than_the_import_that_calls_nothing_is_named() -> None:
    said = in_a_process(
        "SPIN = True\n"
        + OLD
        + textwrap.dedent("""
        with Meter() as meter: x + x
        stop.append(1); asked.put(None); spinner.join()
        print(sum(meter.unknown.values()))
        """)
    )
    assert said == "1\n"


def test_the_main_thread_is_older_to_a_meter_in_another() -> None:
    said = in_a_process("""
        import threading, torch
        from elue.meter import Meter
        x, opened, worked = torch.rand(3), threading.Event(), threading.Event()
        def measure():
            with Meter() as meter:
                x + x
                opened.set(); worked.wait()
            print(meter.flops, meter.unknown)
        thread = threading.Thread(target=measure); thread.start()
        opened.wait(); x * x; worked.set(); thread.join()
        """)
    assert said == "3 {'work in threads started before': 1}\n"
