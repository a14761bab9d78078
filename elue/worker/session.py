"""The parent's end of a worker: starts it, calls it with a deadline, and turns every way to fail into a status."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from elue.errors import ElueError
from elue.tasks import generated
from elue.worker import starting, stopping, wire
from elue.worker.company import Company
from elue.worker.confinement import mode, watch
from elue.worker.confinement.sandbox import MEANS, Limits
from elue.worker.confinement.view import view
from elue.worker.confinement.watch import Usage as Usage
from elue.worker.decoding import Fault, decode
from elue.worker.failure import WorkerFailure
from elue.worker.frames import Call, CallFrame, Hello, Load, Ready, Reply, Trouble, answer_of, name_of
from elue.worker.output import Output

Frame = TypeVar("Frame")
START_SECONDS = 300.0
"""How long a worker may take to import its plugin, or to load its weights."""

_PARTING = 2.0
"""Seconds that the process which waits for a worker has to end with it."""

_ANYONES = ("/etc/", "/proc/", "/sys/", "/dev/", "/usr/", "/opt/", "/run/", "/var/", "/boot/")
"""Where files belong to the system: libraries look there unasked."""


class Worker:
    """One confined child process with a log. Use as a context manager; leaving kills everything it started.

    Of the file system it sees Python, ELUE and `sees` (the plugin's file, its weights), never `hides` (the task's
    files, the runs) nor what generates tasks. `means` are the ways it may confine itself by, all there are where None;
    `confinement` is what took hold. `module` is what runs in it (see `elue.worker.inside.serving`). Where this system
    can't confine it by any of all means, ElueError `unconfined` is raised unless the user allows it, or it runs `own`
    code of ELUE. `apart` and `anew` say how its process comes to be (see `elue.worker.starting`).
    """

    def __init__(
        self,
        log: Path,
        threads: int = 1,
        limits: Limits | None = None,
        sees: Sequence[Path] = (),
        hides: Sequence[Path] = (),
        means: Sequence[str] | None = None,
        module: str = "elue.worker",
        own: bool = False,
        apart: bool = False,
        anew: bool = False,
    ) -> None:
        if sys.platform == "win32":
            raise ElueError("no_worker", "Workers do not run on Windows, which lacks what confines them.", "Use WSL 2.")
        self.log = log
        self._limits = limits or Limits()
        self._hides = [str(path.resolve()) for path in (*hides, generated.FOLDER)]
        try:
            self._output = Output(log)
        except OSError as error:
            hint = "Free some space, or choose another folder with --runs."
            raise ElueError("runs_unwritable", f"Cannot write {log}: {error.strerror}.", hint) from None
        try:
            self._home = tempfile.TemporaryDirectory(prefix="elue-worker-", ignore_cleanup_errors=True)
        except OSError as error:
            self._output.given()
            self._output.keep()
            message = f"Cannot make a folder for a worker in {tempfile.gettempdir()}: {error.strerror}."
            raise ElueError("no_space", message, "Name another by TMPDIR.") from None
        ways = tuple(MEANS if means is None else means)
        anew = anew or ("bubblewrap" in ways and shutil.which("bwrap") is not None)
        self._channel, far = socket.socketpair()
        environment = starting.environment_of(self._home.name, threads)
        with far:
            self._process = starting.start(module, far, self._output.writing, environment, apart, anew)
        self._output.given()
        shown = [str(path.absolute()) for path in sees]
        masks = view(self._home.name, shown, self._hides).masks
        self.confinement: dict[str, Any] = {}
        try:
            self._send(Hello(self._limits, tuple(shown), tuple(masks), ways))
            self.confinement.update(self._receive(Ready, START_SECONDS, "start").confinement)
            self._company = Company(self._process.pid, filtered=self.confinement.get("processes") == "seccomp")
            if not own and means is None:
                mode.check(self.confinement)
        except BaseException:
            self.close()
            raise

    def call(self, asked: Call[Frame], seconds: float) -> Frame:
        """Call the worker and wait for its answer.

        Raises WorkerFailure when the plugin fails, hangs, dies or answers nonsense, ElueError when the plugin says that
        the user made a mistake, and Stopped when the user has interrupted.
        """
        return self.timed(asked, seconds)[0]

    def timed(self, asked: Call[Frame], seconds: float) -> tuple[Frame, float]:
        """The same, and the seconds between call and reply by this process's clock, which no plugin can touch."""
        stopping.check()
        if wire.waiting(self._channel):
            raise WorkerFailure(*self._stray())
        name = name_of(type(asked))
        clock = time.perf_counter()
        self._send(CallFrame(name, asked))
        reply = self._receive(Reply, seconds, name)
        took = time.perf_counter() - clock
        self._judge(reply.sought)
        if reply.error is not None:
            raise _failure(reply.error)
        answer = _decoded(answer_of(type(asked)), reply.answer, name)
        if wrong := asked.fault(answer):
            raise WorkerFailure("invalid", f"sent no answer to '{name}' ({wrong})")
        self._company.look(loaded=isinstance(asked, Load))
        return answer, took

    def usage(self) -> Usage:
        """CPU time and peak memory so far, read from the system, not from the worker."""
        return watch.usage(self._process.pid)

    def pause(self) -> None:
        """Stop the worker and everything it started, so that it takes no time from others."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill the worker and everything it started; a call that waits for it fails. Still to be closed."""
        _, *members = watch.family(self._process.pid)
        for member in reversed(members):
            with suppress(OSError):
                os.kill(member, signal.SIGKILL)
        if members:  # the first waits for them, and ends what they leave
            self.resume()
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(_PARTING)
        self._signal(signal.SIGKILL)

    def close(self) -> None:
        """Kill the worker and everything it started, and wait until all of it is gone."""
        self.kill()
        self._process.wait()
        wire.drain(self._channel, 5.0)
        self._channel.close()
        self._output.keep()
        self._home.cleanup()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self._process.pid, number)
        except (ProcessLookupError, PermissionError):
            self._process.send_signal(number)

    def _send(self, frame: Any) -> None:
        try:
            wire.send(self._channel, frame)
        except wire.Closed:
            raise WorkerFailure(*self._death()) from None

    def _receive(self, kind: type[Frame], seconds: float, name: str) -> Frame:
        try:
            return _decoded(kind, wire.receive(self._channel, seconds, self._look), name)
        except wire.Timeout:
            raise WorkerFailure("timeout", f"no answer to '{name}' within {seconds:g} s") from None
        except wire.Closed:
            raise WorkerFailure(*self._death()) from None
        except wire.WireError as error:
            raise WorkerFailure("invalid", f"sent {error}") from None

    def _stray(self) -> tuple[str, str]:
        """What bytes nobody asked for mean: a dead worker, or one that answers twice."""
        try:
            wire.receive(self._channel, 1.0)
        except wire.Closed:
            return self._death()
        except wire.WireError as error:
            return "invalid", f"sent {error}"
        return "invalid", "answered twice"

    def _look(self) -> None:
        """Look at a worker that takes its time. Raises WorkerFailure where it uses more than it may, and Stopped."""
        stopping.check()
        now = watch.session(self._process.pid)
        if now is not None and now.tasks > self._limits.tasks:
            raise WorkerFailure("forbidden", f"started more than {self._limits.tasks} processes and threads")
        if now is not None and now.memory > self._limits.memory and self._memory(now) > self._limits.memory:
            raise WorkerFailure("crashed", f"used more than {self._limits.memory / 2**30:g} GiB of memory")
        if watch.size(self._home.name) > self._limits.disk:
            raise WorkerFailure("crashed", f"wrote more than {self._limits.disk / 2**20:g} MiB of files")

    def _memory(self, now: watch.Session) -> int:
        """What its processes have, without what is but shared among them and with those it was copied from."""
        return watch.shared_out(self._process.pid) or now.memory

    def _judge(self, sought: Sequence[str]) -> None:
        """Raise WorkerFailure where a plugin asked for a file that exists and is not its to see.

        Libraries look for files that need not be there, and read the system's: neither says anything.
        """
        for path in sought:
            hidden = any(path == folder or path.startswith(f"{folder}/") for folder in self._hides)
            if "\0" in path or (path.startswith(_ANYONES) and not hidden):
                continue
            if hidden or Path(path).is_file():
                raise WorkerFailure("forbidden", f"tried to read '{Path(path).name}', which a worker may not see")

    def _death(self) -> tuple[str, str]:
        """The status and the reason of a worker that is gone."""
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "crashed", "the worker closed its channel"
        if code > 128 and self.confinement.get("pids") in ("namespace", "kept"):
            code = 128 - code
        if code == -signal.SIGSYS:
            return "forbidden", "made a system call that a worker may not make, such as starting a process"
        if code == -signal.SIGXCPU:
            return "timeout", f"the worker used more than {self._limits.cpu} s of processor time"
        if code < 0:
            return "crashed", f"the worker was killed by {_signal(-code)}"
        return "crashed", f"the worker ended with exit code {code}"


def _decoded(kind: type[Frame], sent: Any, name: str) -> Frame:
    try:
        return decode(kind, sent, strange=True)
    except Fault as fault:
        raise WorkerFailure("invalid", f"sent no answer to '{name}' ({fault})") from None


def _failure(trouble: Trouble) -> Exception:
    """The exception that trouble stands for."""
    if trouble.status == "user":
        return ElueError(trouble.code, trouble.message, trouble.hint)
    return WorkerFailure(trouble.status, trouble.message)


def _signal(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
