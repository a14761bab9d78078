"""A Dask cluster on this machine, whose processes are killed at random and started again."""

from __future__ import annotations

import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path


class LocalCluster:
    """A scheduler and workers, each a process of its own. Those that end are started again by `keep`."""

    def __init__(self, folder: Path, workers: int) -> None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
        self.folder = folder
        self.log = (folder / "cluster.log").open("ab")
        port = self.address.rpartition(":")[2]
        self._commands: dict[str, Sequence[str]] = {
            "scheduler": ("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard"),
            **{
                f"worker {number}": (
                    *("distributed.cli.dask_worker", self.address, "--nthreads", "1", "--no-nanny", "--no-dashboard"),
                    *("--memory-limit", "0", "--local-directory", str(folder), "--death-timeout", "60"),
                )
                for number in range(workers)
            },
        }
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self.keep()

    @property
    def names(self) -> list[str]:
        """What may be killed."""
        return list(self._commands)

    def keep(self) -> None:
        """Start what is not running."""
        for name, command in self._commands.items():
            if name not in self._running or self._running[name].poll() is not None:
                self._running[name] = subprocess.Popen(
                    [sys.executable, "-m", *command], stdout=self.log, stderr=self.log, cwd=self.folder
                )

    def kill(self, name: str) -> None:
        """Kill a process as a machine that goes down does."""
        self._running[name].kill()
        self._running[name].wait()

    def close(self) -> None:
        """End all."""
        for process in self._running.values():
            process.kill()
            process.wait()
        self.log.close()


def under_fire(
    cluster: LocalCluster,
    command: Sequence[str | Path],
    kills: int,
    seed: int,
    pauses: tuple[float, float] = (1.0, 4.0),
) -> tuple[list[str], str]:
    """Run `elue` until it ends by itself, starting it again after each kill that hit it, or where no scheduler came.

    So many kills hit workers, scheduler and this parent, at random times, with `pauses` of so many seconds. Returns
    what was hit, and what the last one said.
    """
    draw, hit = random.Random(seed), list[str]()
    while True:
        with (cluster.folder / "told").open("wb") as told:
            parent = subprocess.Popen(
                [sys.executable, "-m", "elue", *map(str, command)],
                stdout=told,
                stderr=told,
                cwd=cluster.folder,
                start_new_session=True,
            )
            killed = False
            while parent.poll() is None and not killed:
                time.sleep(draw.uniform(*pauses))
                if len(hit) < kills and parent.poll() is None:
                    name = draw.choice([*cluster.names, "parent"])
                    hit.append(name)
                    if killed := name == "parent":
                        with suppress(ProcessLookupError):
                            os.killpg(parent.pid, signal.SIGKILL)
                        parent.wait()
                    else:
                        cluster.kill(name)
                cluster.keep()
        said = (cluster.folder / "told").read_text()
        if not killed and "There is no Dask scheduler" not in said:
            return hit, said
