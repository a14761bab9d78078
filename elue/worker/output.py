"""What a worker prints, on its way to the log: in a file of its own, of which the next worker sees nothing.

One that several workers write to would carry what the first has seen to the others, though none can read it: whoever
has it open for writing sees and sets its length, its times and where it has holes.
"""

from __future__ import annotations

import os
import tempfile
from contextlib import suppress
from pathlib import Path

MOST = 16 * 2**20
"""Bytes of what one worker printed that are kept, the last ones; and of a log that is added to: a longer one starts
anew."""
_PART = 2**20


class Output:
    """A file without a name, beside the log, that one worker prints to. Raises OSError where it can't be made."""

    def __init__(self, log: Path) -> None:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            if file.tell() > MOST:
                file.truncate(0)
        self._log = log
        descriptor, name = tempfile.mkstemp(prefix=".", suffix=".log", dir=log.parent)
        self._printed = os.fdopen(descriptor, "rb")
        try:
            self.writing = os.open(name, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        except OSError:
            self._printed.close()
            raise
        finally:
            Path(name).unlink()

    def given(self) -> None:
        """The worker has its handle, so this process needs none to write by."""
        os.close(self.writing)

    def keep(self) -> None:
        """Add what was printed to the log. Call when the worker has ended; a second time it does nothing."""
        if self._printed.closed:
            return
        with self._printed as printed, suppress(OSError), self._log.open("ab") as log:
            left = min(MOST, printed.seek(0, os.SEEK_END))
            printed.seek(-left, os.SEEK_END)
            while left and (part := printed.read(min(_PART, left))):
                log.write(part)
                left -= len(part)
