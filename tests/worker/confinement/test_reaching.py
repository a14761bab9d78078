"""Ways round what is refused: sockets that are there already, limits that all processes share, memory for two."""

from __future__ import annotations

import os
from pathlib import Path

from tests.worker.confinement.probing import every_way, probe
from tests.worker.confinement.test_calls import CALL, STRONG

PAIR = """
    import socket
    ours, theirs = socket.socketpair()
"""


@every_way
def test_no_name_is_bound_that_another_worker_could_find(way: str, tmp_path: Path) -> None:
    """An abstract name that is taken says one bit, without any connection, where networks are shared."""
    if way not in STRONG:
        return
    code = f"""{CALL}{PAIR}
    name = ctypes.create_string_buffer(b"\\x01\\x00\\x00elue-left", 12)
    call("bind", "bind", ours.fileno(), name, 12)
    call("connect", "connect", ours.fileno(), name, 12)
    call("listen", "listen", ours.fileno(), 1)
    call("accept", "accept", ours.fileno(), None, None)
    attempt("server", lambda: socket.socket(socket.AF_UNIX).bind(chr(0) + "elue-left"))
    """
    assert set(probe(tmp_path, code, way).values()) == {"EPERM"}


@every_way
def test_a_handle_on_the_evaluator_is_good_for_nothing(way: str, tmp_path: Path) -> None:
    """A socket tells its peer: by number, and on newer kernels by a handle that needs no `pidfd_open`."""
    if way not in STRONG:
        return
    code = f"""{CALL}
    import socket, stat
    handles = [fd for fd in range(3, 64) if os.path.exists(f"/proc/self/fd/{{fd}}")]
    channel = next(fd for fd in handles if stat.S_ISSOCK(os.fstat(fd).st_mode))
    size, peer = ctypes.c_int(4), ctypes.c_int(-1)
    C.getsockopt(channel, 1, 77, ctypes.byref(peer), ctypes.byref(size))
    call("signal", "pidfd_send_signal", peer.value, 9, None, 0)
    call("file", "pidfd_getfd", peer.value, 0, 0)
    call("advice", "process_madvise", peer.value, place, 1, 4, 0)
    call("space", "setns", peer.value, 0)
    """
    assert set(probe(tmp_path, code, way).values()) == {"EPERM"}


@every_way
def test_what_all_of_a_user_s_processes_share_is_not_used_up(way: str, tmp_path: Path) -> None:
    if way not in STRONG:
        return
    code = f"""{CALL}
    call("asynchronous requests", "io_setup", 65536, place)
    call("watches", "inotify_init1", 0)
    """
    assert set(probe(tmp_path, code, way).values()) == {"EPERM"}


@every_way
def test_the_system_takes_a_worker_before_the_evaluator(way: str, tmp_path: Path) -> None:
    code = """
    found["first"] = int(open("/proc/self/oom_score_adj").read())
    """
    assert probe(tmp_path, code, way)["first"] == 1000
    assert int(Path("/proc/self/oom_score_adj").read_text()) < 1000


@every_way
def test_what_the_evaluator_is_cannot_be_read(way: str, tmp_path: Path) -> None:
    names = ("environ", "maps", "mem", "stack", "syscall", "wchan", "io", "limits", "stat", "cgroup", "mountinfo", "fd")
    paths = [f"/proc/{os.getpid()}/{name}" for name in names]
    paths += [f"/proc/self/task/../../{os.getpid()}/stat", f"/proc/self/root/proc/{os.getpid()}/stat"]
    code = f"""
    for path in {paths!r}:
        attempt(path, lambda: open(path).read())
        if {way in STRONG}:
            raw(path + " in C", "open", path.encode(), os.O_RDONLY)
    """
    assert set(probe(tmp_path, code, way).values()) <= {"ENOENT", "EACCES"}
