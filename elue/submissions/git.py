"""Asking git about a repository that strangers wrote in."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

_QUIET = ("--no-pager", "--no-replace-objects", "--no-optional-locks")
_HARMLESS = (
    "core.fsmonitor=false",
    f"core.hooksPath={os.devnull}",
    f"core.attributesFile={os.devnull}",
    "safe.bareRepository=explicit",
)
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_ATTR_NOSYSTEM": "1",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_TERMINAL_PROMPT": "0",
}


def git(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    """Run git in a folder. Raises OSError where there is none.

    Objects are read as they are: nothing is filtered, converted, fetched or hooked, no setting of the repository names
    a program that is run for that, and of the environment git sees no variable of its own.
    """
    settings = [word for setting in _HARMLESS for word in ("-c", setting)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
    return subprocess.run(
        ["git", "-C", str(folder), *_QUIET, *settings, *words],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        env=kept | _ENVIRONMENT,
    )


def told(folder: Path, *words: str) -> str | None:
    """What git prints; None where it fails, or where there is no git."""
    try:
        done = git(folder, *words)
    except OSError:
        return None
    return done.stdout.decode("utf-8", "replace").strip() if done.returncode == 0 else None


def unlinked(folder: Path) -> Path:
    """Where a folder lies, by its own name: a link is not followed, for it may lead into another repository."""
    place = folder.absolute()
    return place.resolve() if ".." in place.parts else place
