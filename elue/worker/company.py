"""Whether a worker that has loaded its model is alone, as the parent sees it: a helper computes what nobody counts."""

from __future__ import annotations

import time

from elue.worker.confinement import watch
from elue.worker.failure import WorkerFailure

_EVERY = 0.5
"""Seconds between two looks."""
_GRACE = 1.0
"""Seconds that what libraries started may take to end once the model is loaded."""


class Company:
    """The processes of a worker before any plugin was there, and what is to hold once a model is loaded."""

    def __init__(self, leader: int, filtered: bool) -> None:
        own = watch.family(leader)
        self._leader, self._own, self._worker = leader, frozenset(own), own[-1]
        self._filters = watch.filters(self._worker) if filtered else None
        self._looked: float | None = None

    def look(self, loaded: bool = False) -> None:
        """Look, from the call on that `loaded` the model, now and then.

        Raises WorkerFailure where another process runs beside the worker, or where it may still start some though it
        is to have given that up.
        """
        if not loaded and (self._looked is None or time.monotonic() - self._looked < _EVERY):
            return
        left = time.monotonic() + (_GRACE if self._looked is None else 0.0)
        while others := [pid for pid in watch.family(self._leader) if pid not in self._own and watch.alive(pid)]:
            if time.monotonic() >= left:
                raise WorkerFailure("forbidden", f"keeps {len(others)} processes running beside the worker")
            time.sleep(0.02)
        if self._filters is not None and (watch.filters(self._worker) or 0) <= self._filters:
            raise WorkerFailure("forbidden", "kept the right to start processes")
        self._looked = time.monotonic()
