"""How a worker's process comes to be: as a copy of one that has imported what every worker needs, or started anew.

To import torch takes longer than most of what a worker is asked. So on Linux this process keeps *originals*: each has
imported it, runs one thread, never sees a plugin, and is forked into workers (see `elue.worker.inside.original`).
Where none is to be had a worker is started anew. Either way the same runs in it, and all it has of others is its
channel and its log.
"""

from __future__ import annotations

import atexit
import json
import os
import select
import signal
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Protocol

from elue.worker.decoding import plain

MODULE = "elue.worker.inside.original"
"""What runs in an original."""
NOWHERE = "/nonexistent"
"""The home of originals: no worker's, should a module look for it while it is imported."""
TOLD = struct.Struct(">i")
"""What an original tells of a copy: the number of its process, 0 where there is none, and in the end its exit code."""
_SECONDS = 300.0
"""How long an original may take to import its modules."""
_COPIES = sys.platform == "linux" and hasattr(os, "pidfd_open")


@dataclass(frozen=True, slots=True)
class CopyRequest:
    """What an original is asked for: the module that a copy runs, and its environment."""

    module: str
    environment: Mapping[str, str]


class Process(Protocol):
    """What a worker's parent needs of its process, as `subprocess.Popen` has it."""

    @property
    def pid(self) -> int:
        """Its number, not another's before it has been waited for without a timeout."""

    @property
    def returncode(self) -> int | None:
        """What `wait` has given."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code, below 0 for a signal, once it has ended. Raises subprocess.TimeoutExpired."""

    def send_signal(self, sig: int) -> None:
        """Send it a signal, unless it is known to have ended."""


def start(
    module: str, channel: socket.socket, output: int, environment: Mapping[str, str], apart: bool, anew: bool
) -> Process:
    """Start a worker that runs a module at its end of a channel, in the home its environment names.

    What a process draws once when it starts, such as the order of sets, is the same in all copies of an original; those
    that are `apart` are copies of another one. `anew` it is no copy.
    """
    if _COPIES and not anew:
        copy = _copied(module, channel.fileno(), output, environment, apart)
        if copy is not None:
            return copy
    return subprocess.Popen(
        [sys.executable, "-I", "-m", module, str(channel.fileno())],
        pass_fds=[channel.fileno()],
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        cwd=environment["HOME"],
        env=environment,
        start_new_session=True,
    )


class Copy:
    """A process that an original has forked."""

    def __init__(self, pid: int, line: socket.socket) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._line = line
        self._lock = threading.Lock()

    def wait(self, timeout: float | None = None) -> int:
        """See `Process`. Where the original is gone, its copies were killed with it."""
        with self._lock:
            if self.returncode is None:
                ready = select.poll()
                ready.register(self._line, select.POLLIN)
                if not ready.poll(None if timeout is None else 1000 * timeout):
                    raise subprocess.TimeoutExpired(MODULE, timeout or 0.0)
                told = self._line.recv(TOLD.size)
                self.returncode = TOLD.unpack(told)[0] if told else -signal.SIGKILL
            if timeout is None:
                self._line.close()  # so that the original lets its number go
            return self.returncode

    def send_signal(self, sig: int) -> None:
        """See `Process`."""
        if self.returncode is None:
            os.kill(self.pid, sig)


class _Original:
    """A process to copy, by the number of threads its copies are to use."""

    def __init__(self, threads: str) -> None:
        self.usable, self._has_copied = True, False
        self._requests, far = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        nothing = subprocess.DEVNULL
        with far:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", MODULE, str(far.fileno()), str(os.getpid())],
                pass_fds=[far.fileno()],
                stdin=nothing,
                stdout=nothing,
                stderr=nothing,
                cwd="/",
                env=environment_of(NOWHERE, threads),
                start_new_session=True,
            )

    def copied(self, module: str, channel: int, output: int, environment: Mapping[str, str]) -> Copy | None:
        """A copy that begins to be a worker. None where there is none to be had, now or ever."""
        line, far = socket.socketpair()
        request = json.dumps(CopyRequest(module, environment), default=plain).encode()
        try:
            with far:
                socket.send_fds(self._requests, [request], [channel, output, far.fileno()])
            line.settimeout(_SECONDS)
            told = line.recv(TOLD.size)
        except OSError:
            told = b""
        pid = TOLD.unpack(told)[0] if told else 0
        if not pid:
            self.usable = False
            line.close()
            return None
        self._has_copied = True
        line.settimeout(None)
        return Copy(pid, line)

    def broke(self) -> bool:
        """Whether it has ended though it was good for something, so that another may be so again."""
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(1.0)
        return self._has_copied and self._process.returncode is not None

    def close(self) -> None:
        """End it, and with it its copies."""
        self._requests.close()
        self._process.kill()
        self._process.wait()

    def forget(self) -> None:
        """Leave it to the process that has started it, of which this one is a fork."""
        self._requests.close()
        self._process.returncode = 0


_lock = threading.Lock()
_originals: dict[tuple[str, bool], _Original] = {}
"""By the threads of their copies, and whether these are apart."""


def prepare(threads: int, apart: bool = False) -> None:
    """Have originals begin to import what workers need, now and side by side: the workers to come need not wait.

    With `apart` also the one whose copies are apart.
    """
    if not _COPIES:
        return
    _prepare()
    for key in ((str(threads), False), *([(str(threads), True)] if apart else [])):
        with _lock:
            _originals[key] = _originals.get(key) or _Original(key[0])


def _copied(module: str, channel: int, output: int, environment: Mapping[str, str], apart: bool) -> Copy | None:
    """A copy of this process's original, of another one where that has broken meanwhile."""
    _prepare()
    key = environment["OMP_NUM_THREADS"], apart
    for _ in range(2):
        with _lock:
            original = _originals[key] = _originals.get(key) or _Original(key[0])
        copy = original.copied(module, channel, output, environment) if original.usable else None
        if copy is not None or not original.broke():
            return copy
        with _lock:
            if _originals.get(key) is original:
                del _originals[key]
    return None


@cache
def _prepare() -> None:
    """Have originals end with this process, and be none of those that it forks."""
    atexit.register(close)
    os.register_at_fork(after_in_child=_forget)


def close() -> None:
    """End all originals. The next worker starts new ones."""
    with _lock:
        originals = list(_originals.values())
        _originals.clear()
    for original in originals:
        original.close()


def _forget() -> None:
    global _lock
    _lock = threading.Lock()
    for original in _originals.values():
        original.forget()
    _originals.clear()


def environment_of(home: str, threads: int | str) -> dict[str, str]:
    """A scrubbed environment: nothing of the user's but where programs are found. Of numbers torch has the threads."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "LOGNAME": "worker",
        "HOME": home,
        "TMPDIR": home,
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "OPENBLAS_NUM_THREADS": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "TORCH_FORCE_WEIGHTS_ONLY_LOAD": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
