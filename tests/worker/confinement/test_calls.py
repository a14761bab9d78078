"""System calls that would reach other processes: refused to C code too, by every way that filters calls."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from elue.worker.confinement import calls
from tests.worker.confinement.probing import every_way, original, probe

STRONG = ("bubblewrap", "namespaces", "landlock")

CALL = """
    from elue.worker.confinement.calls import MACHINES, NUMBERS

    buffer = ctypes.create_string_buffer(256)
    place = ctypes.c_void_p(ctypes.addressof(buffer))
    column = MACHINES.index(os.uname().machine)

    def call(label, name, *arguments):
        wide = [ctypes.c_long(argument) if isinstance(argument, int) else argument for argument in arguments]
        raw(label, "syscall", ctypes.c_long(NUMBERS[name][column]), *wide)
"""

OTHERS = {
    "limits": ("prlimit64", "OTHER, 7, None, place"),
    "its limits": ("prlimit64", "OTHER, 0, place, None"),
    "a signal with a value": ("rt_sigqueueinfo", "OTHER, 0, place"),
    "one for a thread": ("rt_tgsigqueueinfo", "OTHER, OTHER, 0, place"),
    "a plain signal": ("kill", "OTHER, 0"),
    "one for the group": ("kill", "0, 0"),
    "one for all": ("kill", "-1, 0"),
    "a thread": ("tgkill", "OTHER, OTHER, 0"),
    "any thread": ("tkill", "OTHER, 0"),
    "a handle": ("pidfd_open", "OTHER, 0"),
    "a handle on itself": ("pidfd_open", "os.getpid(), 0"),
    "a signal by handle": ("pidfd_send_signal", "0, 0, None, 0"),
    "a file of another": ("pidfd_getfd", "0, 0, 0"),
    "reading memory": ("process_vm_readv", "OTHER, place, 0, place, 0, 0"),
    "writing memory": ("process_vm_writev", "OTHER, place, 0, place, 0, 0"),
    "advice on memory": ("process_madvise", "0, place, 0, 0, 0"),
    "letting memory go": ("process_mrelease", "0, 0"),
    "comparing": ("kcmp", "OTHER, OTHER, 0, 0, 0"),
    "tracing": ("ptrace", "16, OTHER, 0, 0"),
    "priority": ("setpriority", "0, OTHER, 0"),
    "priority of a group": ("setpriority", "1, 0, 0"),
    "priority of a user": ("setpriority", "2, 0, 0"),
    "priority at disks": ("ioprio_set", "1, OTHER, 0"),
    "that of a user": ("ioprio_set", "3, 0, 0"),
    "scheduling": ("sched_setscheduler", "OTHER, 0, place"),
    "its parameters": ("sched_setparam", "OTHER, place"),
    "its attributes": ("sched_setattr", "OTHER, place, 0"),
    "processors": ("sched_setaffinity", "OTHER, 8, place"),
    "pages": ("move_pages", "OTHER, 0, None, None, None, 0"),
    "all pages": ("migrate_pages", "OTHER, 0, None, None"),
    "locks held": ("get_robust_list", "OTHER, place, place"),
    "an owner": ("fcntl", "0, 8, OTHER"),
    "an owner by kind": ("fcntl", "0, 15, place"),
    "its signal": ("fcntl", "0, 10, 9"),
    "a notice": ("fcntl", "0, 1026, 0x3f"),
    "a lease": ("fcntl", "0, 1024, 0"),
    "a lock": ("fcntl", "0, 6, place"),
    "a lock, waited for": ("fcntl", "0, 7, place"),
    "a question for locks": ("fcntl", "0, 5, place"),
    "a lock of a file": ("fcntl", "0, 37, place"),
    "one waited for": ("fcntl", "0, 38, place"),
    "signals of a file": ("fcntl", "0, 4, 0x2000"),
    "a lock of all": ("flock", "0, 4"),
    "an owner by ioctl": ("ioctl", "0, 0x8901, place"),
    "a group by ioctl": ("ioctl", "0, 0x8902, place"),
    "signals by ioctl": ("ioctl", "0, 0x5452, place"),
    "typing for the user": ("ioctl", "0, 0x5412, place"),
    "typing, upper half set": ("ioctl", "0, 0x700005412, place"),
    "shared memory": ("shmget", "1, 4096, 0o1666"),
    "its place": ("shmat", "0, None, 0"),
    "semaphores": ("semget", "1, 1, 0o1666"),
    "a queue": ("msgget", "1, 0o1666"),
    "a named queue": ("mq_open", "place, 66, 0o600, None"),
    "death of the parent": ("prctl", "1, 9, 0, 0, 0"),
    "a tracer": ("prctl", "0x59616d61, -1, 0, 0, 0"),
    "orphans": ("prctl", "36, 1, 0, 0, 0"),
    "a cookie of another": ("prctl", "62, 1, OTHER, 0, 0"),
}
"""What is tried with another process (OTHER: the evaluator, or what the worker is a copy of), by call and arguments."""

OWN = {
    "limits": ("prlimit64", "0, 7, None, place"),
    "limits by number": ("prlimit64", "os.getpid(), 7, None, place"),
    "a signal": ("kill", "os.getpid(), 0"),
    "priority": ("setpriority", "0, 0, 19"),
    "processors": ("sched_setaffinity", "0, 128, mask"),
    "flags of a file": ("fcntl", "1, 3, 0"),
    "to close": ("fcntl", "1, 1, 0"),
    "not to wait": ("fcntl", "reading, 4, 0x800"),
    "bytes waiting": ("ioctl", "reading, 0x541b, place"),
    "a name": ("prctl", "15, place, 0, 0, 0"),
}


@every_way
@pytest.mark.parametrize("whose", ["evaluator", "original"])
def test_no_call_reaches_another_process(way: str, whose: str, tmp_path: Path) -> None:
    if way not in STRONG:
        pytest.skip("an audit hook sees nothing of C code")
    other = os.getpid() if whose == "evaluator" else original(tmp_path)
    tried = "\n".join(
        f"    call({label!r}, {name!r}, {arguments.replace('OTHER', str(other))})"
        for label, (name, arguments) in OTHERS.items()
    )
    found = probe(tmp_path, f"{CALL}\n{tried}\n", way)
    expected = {label: "ENOSYS" if name in calls.ABSENT else "EPERM" for label, (name, _) in OTHERS.items()}
    assert found == expected


@every_way
def test_every_refused_call_is_tried_or_always_refused(way: str, tmp_path: Path) -> None:
    if way not in STRONG:
        pytest.skip("an audit hook sees nothing of C code")
    code = f"{CALL}\n    for name in {list(calls.ALWAYS)!r}:\n        call(name, name, *[-1] * 6)\n"
    assert set(probe(tmp_path, code, way).values()) == {"EPERM"}
    tried = {name for name, _ in OTHERS.values()}
    assert {*calls.ONLY_ITSELF, *calls.ONLY_WITH, "prctl", "flock"} <= tried


@every_way
def test_what_a_process_asks_for_itself_it_gets(way: str, tmp_path: Path) -> None:
    own = "\n".join(f"    call({label!r}, {name!r}, {arguments})" for label, (name, arguments) in OWN.items())
    code = f"""{CALL}
    reading, writing = os.pipe()
    mask = ctypes.create_string_buffer(b"\\xff" * 128, 128)
{own}
    import threading
    thread = threading.Thread(target=lambda: call("in a thread", "setpriority", 0, 0, 19))
    thread.start()
    thread.join()
    """
    assert set(probe(tmp_path, code, way).values()) == {"done"}


@every_way
def test_command_lines_of_others_cannot_be_read(way: str, tmp_path: Path) -> None:
    """They may hold the password of a database."""
    words = [sys.executable, "-c", "import time; time.sleep(60)", "--db", "postgresql://me:secret@host/db"]
    with subprocess.Popen(words) as other:
        code = f"""
        for pid in ({other.pid}, {os.getpid()}, {original(tmp_path)}):
            for name in ("cmdline", "environ", "status", "comm"):
                attempt(f"{{pid}} {{name}}", lambda: open(f"/proc/{{pid}}/{{name}}").read())
                if {way in STRONG}:
                    raw(f"{{pid}} {{name}} in C", "open", f"/proc/{{pid}}/{{name}}".encode(), os.O_RDONLY)
        itself = open("/proc/self/cmdline").read()
        """
        found = probe(tmp_path, code, way)
        other.kill()
    assert set(found.values()) <= {"ENOENT", "EACCES"}, found


@every_way
def test_answers_cannot_be_left_for_the_next_worker(way: str, tmp_path: Path) -> None:
    if way not in STRONG:
        pytest.skip("an audit hook sees nothing of C code")
    places = [f"{folder}/elue-left" for folder in ("/dev/shm", tempfile.gettempdir(), "/var/tmp")]
    code = f"""
    for name in {places!r}:
        place = name.encode()
        raw(name, "open", place, os.O_RDONLY)
        C.open(place, os.O_CREAT | os.O_RDWR, 0o600)
    """
    assert set(probe(tmp_path, code, way).values()) <= {"ENOENT", "EACCES"}
    assert set(probe(tmp_path, code, way).values()) <= {"ENOENT", "EACCES"}
