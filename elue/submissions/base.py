"""A submission as it was at a git revision, told by git without a word from the submission's own folder."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from elue.errors import ElueError
from elue.submissions import manifest as manifests
from elue.submissions.git import git, unlinked
from elue.submissions.manifest import Manifest


class BaseRevision:
    """A submission as it was at a git revision. Raises ElueError where there is no such revision.

    The repository is the one around the folder, never one within.
    """

    def __init__(self, folder: Path, revision: str) -> None:
        place = unlinked(folder)
        self.around, self.name, self.revision = place.parent, place.name, revision
        commit = self._git("rev-parse", "--verify", "--quiet", "--end-of-options", f"{revision}^{{commit}}")
        below = self._git("rev-parse", "--show-prefix").decode("utf-8", "surrogateescape").rstrip("\n")
        self._around = f"{commit.decode('ascii').strip()}:{below}"
        self._tree = f"{self._around}{self.name}"

    def _git(self, *words: str) -> bytes:
        try:
            done = git(self.around, "--literal-pathspecs", *words)
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

    def beside(self, name: str) -> bytes | None:
        """The content of a file that lay beside the submission; None where there was none."""
        done = git(self.around, "--literal-pathspecs", "cat-file", "blob", f"{self._around}{name}")
        return done.stdout if done.returncode == 0 else None

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
