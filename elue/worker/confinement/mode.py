"""How well a worker was confined, in one word, and whether that is enough to run a stranger's code."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, Literal

from elue.errors import ElueError

Mode = Literal["namespaces", "kernel", "hook"]
"""From the strongest to the weakest; see `ABOUT`."""

ABOUT: Mapping[Mode, str] = {
    "namespaces": "files, network and processes of its own, and system calls are filtered",
    "kernel": "the kernel refuses files outside its view, the network, and calls that reach other processes",
    "hook": "only Python watches the plugin: machine code gets round that",
}
VARIABLE = "ELUE_ALLOW_UNCONFINED"
"""Set to 1, workers run in the weakest mode, too."""


def mode_of(confinement: Mapping[str, Any]) -> Mode:
    """The mode that a worker's report amounts to: the weakest of what holds files, network and processes."""
    held = [confinement.get(name, "hook") for name in ("files", "network", "processes")]
    if "hook" in held:
        return "hook"
    return "namespaces" if held[0] in ("bubblewrap", "namespaces") and held[1] == "namespace" else "kernel"


def check(confinement: Mapping[str, Any]) -> None:
    """Raise ElueError where nothing but Python watches, and nobody said that this will do."""
    if mode_of(confinement) == "hook" and os.environ.get(VARIABLE) != "1":
        message = "This system cannot confine a worker: a plugin could read and change your files."
        hint = "Use Linux 5.13 or newer with Landlock and seccomp (see `elue doctor`), or say --allow-unconfined."
        raise ElueError("unconfined", message, hint)
