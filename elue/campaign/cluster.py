"""Jobs on a Dask cluster: Slurm, Kubernetes, or any machines that see the same files."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit

from elue.campaign.engines import Loss
from elue.errors import ElueError

SOON = 30.0
"""Seconds for which a scheduler that is not there at the beginning may be starting."""
PATIENCE = 60.0
"""Seconds for which a scheduler that is gone may come back at its address."""


class Cluster:
    """The workers of a Dask scheduler, as many jobs on each as it has threads.

    What a lost worker had under way the scheduler gives to others; where the scheduler is lost, all is begun anew with
    the next one at its address. Raises ElueError `no_dask`, `no_scheduler`.
    """

    def __init__(self, address: str) -> None:
        try:
            import distributed
        except ImportError:
            raise ElueError("no_dask", "--scheduler needs Dask.", "Install it: pip install 'elue[cluster]'.") from None
        self._distributed, self._address = distributed, address
        self._threads: dict[str, int] = {}
        self._client: Any = None
        self._connect(SOON)

    @property
    def places(self) -> int:
        """How many threads all workers have now."""
        try:
            self._threads = self._client.nthreads()
        except (OSError, TimeoutError, RuntimeError, ValueError):
            self.mend()
        return sum(self._threads.values())

    @property
    def beside(self) -> int:
        """See `elue.campaign.engines.Engine`; as it was when places were last asked for."""
        return most_on_one(self._threads)

    def submit(self, function: Callable[[Any], Any], work: Any) -> Future[Any]:
        """See `elue.campaign.engines.Engine`."""
        self.mend()
        future: Future[Any] = self._client.get_executor(pure=False).submit(function, work)
        return future

    def loss(self, error: BaseException) -> Loss | None:
        """See `elue.campaign.engines.Engine`."""
        if isinstance(error, self._distributed.KilledWorker):
            return "worker"
        return "all" if isinstance(error, CancelledError | OSError) else None

    def mend(self) -> None:
        """Find the scheduler again, or the one that has taken its place."""
        if self._client.status != "running":
            self._forget()
            self._connect(PATIENCE)

    def close(self) -> None:
        """Take back what has not begun, and leave the cluster as it is."""
        self._forget()

    def _forget(self) -> None:
        """Leave the scheduler, which may be gone."""
        with suppress(OSError, TimeoutError, RuntimeError):
            self._client.close(timeout=5)

    def _connect(self, patience: float) -> None:
        end = time.monotonic() + patience
        while True:
            try:
                self._client = self._distributed.Client(self._address, timeout=5, set_as_default=False)
            except (OSError, TimeoutError, ValueError) as error:
                if isinstance(error, ValueError) or time.monotonic() > end:
                    message = f"There is no Dask scheduler at {self._address}: {str(error).splitlines()[0]}."
                    raise ElueError("no_scheduler", message, "Start one: dask scheduler.") from None
                time.sleep(0.5)
            else:
                return


def most_on_one(threads: Mapping[str, int]) -> int:
    """The most threads that one machine has, by the addresses of workers; 1 where there are none."""
    machines: Counter[str] = Counter()
    for address, count in threads.items():
        machines[urlsplit(address).hostname or address] += count
    return max(1, *machines.values()) if machines else 1
