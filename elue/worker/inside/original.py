"""The process that workers are copies of: it has imported what they need, runs one thread, and never sees a plugin.

Started as `python -I -m elue.worker.inside.original FD PID`: FD is a socket on which its parent, PID, asks for copies,
each with the ends of a worker's channel, of its log, and of a line on which it is told of the copy. A copy goes on as
`python -I -m MODULE FD` would have begun: in a session of its own, with the environment and the home asked for, holding
nothing but its channel and its log. This process only waits; it ends with its parent, and its copies end with it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import select
import socket
import sys
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from elue.worker.confinement import kernel
from elue.worker.decoding import decode
from elue.worker.starting import TOLD, CopyRequest

NEEDED = (
    "numpy",
    "torch",
    "elue.meter",
    "elue.meter.meter",
    "elue.worker.inside.calibration",
    "elue.worker.inside.ground",
    "elue.worker.inside.parameters",
    "elue.worker.inside.plugin",
    "elue.worker.inside.pricing",
    "elue.worker.inside.seal",
    "elue.worker.inside.serving",
    "elue.worker.inside.timing",
)
"""What takes a worker long to import, or what every one imports."""
_MOST = 2**16
"""Bytes of a request."""


@dataclass(frozen=True, slots=True)
class Request:
    """What a copy is to be: what was asked for, its channel and what it prints to."""

    asked: CopyRequest
    channel: int
    output: int


def main(requests: socket.socket, parent: int) -> None:
    """Make copies until the parent is gone. Returns in copies alone, when what runs there does."""
    watched = os.pidfd_open(parent)
    if os.getppid() != parent:
        return
    for name in NEEDED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    request = _serve(requests, watched)
    if request is None:
        os._exit(0)
    become(request)


def become(request: Request) -> None:
    """Be what was asked for, in a copy."""
    os.setsid()
    for descriptor, place in ((os.open(os.devnull, os.O_RDONLY), 0), (request.output, 1), (request.output, 2)):
        os.dup2(descriptor, place)
    for entry in list(Path("/proc/self/fd").iterdir()):
        if int(entry.name) > 2 and int(entry.name) != request.channel:
            with suppress(OSError):  # that of the listing itself
                os.close(int(entry.name))
    os.environ.clear()
    os.environ.update(request.asked.environment)
    os.chdir(request.asked.environment["HOME"])
    tempfile.tempdir = None
    sys.modules["numpy"].random.seed()
    sys.modules["torch"].default_generator.seed()
    sys.argv = [request.asked.module, str(request.channel)]
    runpy.run_module(request.asked.module, run_name="__main__", alter_sys=True)


def _serve(requests: socket.socket, parent: int) -> Request | None:
    """Fork for every request. Returns in each copy with what was asked for, and None once the parent is gone.

    That a copy has ended is told, yet it stays a zombie until the other end of its line is closed: till then nobody
    else has its number.
    """
    poll = select.poll()
    poll.register(requests, select.POLLIN)
    poll.register(parent, select.POLLIN)
    copies: dict[int, tuple[int, socket.socket]] = {}
    while True:
        for ready, _ in poll.poll():
            if ready == parent:
                return None
            if ready == requests.fileno():
                body, descriptors, _, _ = socket.recv_fds(requests, _MOST, 3)
                if not body:
                    return None
                channel, output, line = *descriptors[:2], socket.socket(fileno=descriptors[2])
                pid = _fork()
                if pid == 0:
                    return Request(decode(CopyRequest, json.loads(body)), channel, output)
                os.close(channel)
                os.close(output)
                line.send(TOLD.pack(pid or 0))
                if pid is None:
                    line.close()
                    continue
                ended = os.pidfd_open(pid)
                copies[ended] = pid, line
                poll.register(ended, select.POLLIN)
                continue
            pid, line = copies.pop(ready)
            poll.unregister(ready)
            if ready == line.fileno():
                os.waitpid(pid, 0)
                line.close()
                continue
            os.close(ready)
            status = os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
            assert status is not None
            with suppress(OSError):
                line.send(TOLD.pack(status.si_status if status.si_code == os.CLD_EXITED else -status.si_status))
            copies[line.fileno()] = pid, line
            poll.register(line, 0)


def _fork() -> int | None:
    """The number of a copy, 0 in it, None where this process can't be copied: other threads would be missing there."""
    own = os.getpid()
    if sum(1 for _ in Path("/proc/self/task").iterdir()) > 1:
        return None
    try:
        pid = os.fork()
    except OSError:
        return None
    if pid == 0:
        kernel.die_with_parent()
        if os.getppid() != own:
            os._exit(1)
    return pid


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])), int(sys.argv[2]))
