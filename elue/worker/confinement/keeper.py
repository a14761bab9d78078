"""A process that waits outside for the worker: what the worker leaves behind is its child, and ends with it."""

from __future__ import annotations

import os
import signal

from elue.worker.confinement import kernel, watch


def stay_outside() -> None:
    """Go on in a child. This process only waits for it, ends as it does, and takes along all that it started.

    No other thread may run yet.
    """
    child = os.fork()
    if child == 0:
        kernel.die_with_parent()
        return
    ended, status = 0, 0
    while ended != child:
        ended, status = os.wait()
    _end_others()
    os._exit(128 + os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status))


def keep_orphans() -> bool:
    """Go on in a child of a keeper: what starts from here on stays among its descendants, wherever it goes.

    Returns False, and goes on as before, where the system has no such thing.
    """
    if not kernel.adopt_orphans():
        return False
    stay_outside()
    return True


def _end_others() -> None:
    """Kill what the child left, and what that leaves in turn, until nothing is left."""
    while True:
        for member in watch.family(os.getpid())[1:]:
            try:
                os.kill(member, signal.SIGKILL)
            except OSError:
                continue
        try:
            os.wait()
        except ChildProcessError:
            return
