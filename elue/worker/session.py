"""The parent's end of a worker: starts it, calls it with a deadline, and turns every way to fail into a status."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from elue.errors import ElueError
from elue.worker import wire
from elue.worker.sandbox import Limits

START_SECONDS = 300.0
"""How long a worker may take to import its plugin, or to load its weights."""


class WorkerFailure(Exception):
    """The plugin did not deliver. `status` is one of failed, crashed, timeout, invalid, forbidden."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Usage:
    """What the worker has used since it started, as the parent sees it: CPU seconds and peak resident bytes."""

    cpu_seconds: float | None
    peak_memory: int | None


class Worker:
    """One confined child process with a log. Use as a context manager; leaving kills the whole process group."""

    def __init__(self, log: Path, threads: int = 1, limits: Limits | None = None) -> None:
        self.log = log
        self._home = tempfile.TemporaryDirectory(prefix="elue-worker-")
        log.parent.mkdir(parents=True, exist_ok=True)
        self._channel, far = socket.socketpair()
        with far, log.open("ab") as output:
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-m", "elue.worker", str(far.fileno())],
                pass_fds=[far.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd=self._home.name,
                env=_environment(self._home.name, threads),
                start_new_session=True,
            )
        self._send({"limits": asdict(limits or Limits())})
        self.confinement: dict[str, Any] = self._receive(START_SECONDS, "start").get("confinement", {})

    def call(self, name: str, seconds: float, **arguments: Any) -> dict[str, Any]:
        """Call the worker and wait for its answer.

        Raises WorkerFailure when the plugin fails, hangs, dies or answers nonsense, and ElueError when the plugin
        says that the user made a mistake.
        """
        if wire.waiting(self._channel):
            raise WorkerFailure(*self._stray())
        self._send({"call": name, **arguments})
        answer = self._receive(seconds, name)
        error = answer.get("error")
        if error is None:
            return answer
        if error["status"] == "user":
            raise ElueError(error["code"], error["message"], error["hint"])
        raise WorkerFailure(error["status"], error["message"])

    def usage(self) -> Usage:
        """CPU time and peak memory so far, read from the system, not from the worker."""
        try:
            fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
            status = Path(f"/proc/{self._process.pid}/status").read_text().splitlines()
        except OSError:
            return Usage(None, None)
        ticks = int(fields[11]) + int(fields[12])
        peak = next((int(line.split()[1]) * 1024 for line in status if line.startswith("VmHWM")), None)
        return Usage(ticks / os.sysconf("SC_CLK_TCK"), peak)

    def close(self) -> None:
        """Kill the worker and everything it started."""
        self._channel.close()
        try:
            os.killpg(self._process.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            self._process.kill()
        self._process.wait()
        self._home.cleanup()

    def __enter__(self) -> Worker:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _send(self, message: dict[str, Any]) -> None:
        try:
            wire.send(self._channel, message)
        except wire.Closed:
            raise WorkerFailure("crashed", self._death()) from None

    def _receive(self, seconds: float, name: str) -> dict[str, Any]:
        try:
            return wire.receive(self._channel, seconds)
        except wire.Timeout:
            raise WorkerFailure("timeout", f"no answer to '{name}' within {seconds:g} s") from None
        except wire.Closed:
            raise WorkerFailure("crashed", self._death()) from None
        except wire.WireError as error:
            raise WorkerFailure("invalid", f"sent {error}") from None

    def _stray(self) -> tuple[str, str]:
        """What bytes nobody asked for mean: a dead worker, or one that answers twice."""
        try:
            wire.receive(self._channel, 1.0)
        except wire.Closed:
            return "crashed", self._death()
        except wire.WireError as error:
            return "invalid", f"sent {error}"
        return "invalid", "answered twice"

    def _death(self) -> str:
        try:
            code = self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            return "the worker closed its channel"
        if code < 0:
            return f"the worker was killed by {signal.Signals(-code).name}"
        return f"the worker ended with exit code {code}"


def _environment(home: str, threads: int) -> dict[str, str]:
    """A scrubbed environment: nothing of the user's but where programs are found."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LANG": "C.UTF-8",
        "HOME": home,
        "TMPDIR": home,
        "OMP_NUM_THREADS": str(threads),
        "MKL_NUM_THREADS": str(threads),
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_OFFLINE": "1",
        "TRANSFORMERS_VERBOSITY": "error",
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }
