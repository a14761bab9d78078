"""How a worker fails its parent."""

from __future__ import annotations


class WorkerFailure(Exception):
    """The plugin did not deliver. `status` is one of failed, crashed, timeout, invalid, forbidden."""

    def __init__(self, status: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason

    def __reduce__(self) -> tuple[type[WorkerFailure], tuple[str, str]]:
        """So that it crosses from one process to another."""
        return type(self), (self.status, self.reason)
