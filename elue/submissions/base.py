"""A submission as it was at a git revision, told by git without a word from the submission's own folder."""

from __future__ import annotations

import os
import subprocess
from functools import cached_property
from pathlib import Path

from elue.errors import ElueError
from elue.submissions import manifest as manifests
from elue.submissions.manifest import Manifest

_QUIET = ("--no-pager", "--no-replace-objects", "--literal-pathspecs", "--no-optional-locks")
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


class BaseRevision:
    """A submission as it was at a git revision. Raises ElueError where there is no such revision.

    The repository is the one around the folder, never one within. Objects are read as they are: nothing is filtered,
    converted, fetched or hooked, no setting of the repository names a program that is run for that, and of the
    environment git sees no variable of its own.
    """

    def __init__(self, folder: Path, revision: str) -> None:
        place = folder.absolute()  # not resolved: a link would lead to another repository
        place = place.resolve() if ".." in place.parts else place
        self.around, self.name, self.revision = place.parent, place.name, revision
        commit = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        below = self._git("rev-parse", "--show-prefix").decode("utf-8", "surrogateescape").rstrip("\n")
        self._tree = f"{commit.decode('ascii').strip()}:{below}{self.name}"

    def _git(self, *words: str) -> bytes:
        settings = [word for setting in _HARMLESS for word in ("-c", setting)]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        try:
            done = subprocess.run(
                ["git", "-C", str(self.around), *_QUIET, *settings, *words],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                env=kept | _ENVIRONMENT,
            )
        except OSError as error:
            raise ElueError("no_git", f"git cannot be run: {error.strerror}.", "Leave --base out.") from None
        if done.returncode:
            message = f"There is no revision '{self.revision}' of {self.name}."
            raise ElueError("no_base", message, "Give a branch or commit of the repository the submission lies in.")
        return done.stdout

    @cached_property
    def names(self) -> list[str]:
        """Every file of the submission then, relative to it."""
        commit, _, below = self._tree.partition(":")
        listed = self._git("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit, f"{below}/")
        start = len(below) + 1
        return [name[start:] for name in listed.decode("utf-8", "replace").split("\0") if name]

    def text(self, name: str) -> str:
        """A file as it was then."""
        return self._git("cat-file", "blob", f"{self._tree}/{name}").decode("utf-8", "replace")

    @cached_property
    def manifest(self) -> Manifest | None:
        """The manifest then, if there was a sound one."""
        try:
            return manifests.parse(self.text(manifests.FILE)) if manifests.FILE in self.names else None
        except manifests.Misfit:
            return None

    @property
    def version(self) -> int:
        """The version of the manifest then; 0 if there was no sound one."""
        return self.manifest.version if self.manifest else 0
