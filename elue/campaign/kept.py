"""Weights kept by digest, in a folder or wherever fsspec writes: `STORE/DIGEST/...`, and which training made which.

What is noted beside weights is no part of them and the training's own, though another one may have made the same.
What is read is checked: files that do not have their digest are no weights.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from pathlib import Path
from typing import Any

from elue.errors import ElueError
from elue.evaluation.plan import weights_digest
from elue.worker.frames import TRAINING_LOG, TRAINING_NOTE

CHECKPOINTS = "checkpoints"
"""Where a training keeps what it has, in the folder of its weights; no part of them."""
NOTES = (TRAINING_NOTE, TRAINING_LOG)


class Kept:
    """A store of weights. Raises ElueError `bad_store` for one that can't be opened, read or written."""

    def __init__(self, url: str) -> None:
        from fsspec.core import url_to_fs

        self.url = url
        try:
            files, root = url_to_fs(url)
        except (ImportError, ValueError, OSError) as error:
            raise self._unusable(error) from None
        self._files: Any = files
        self._root = str(root).rstrip("/")

    def check(self) -> None:
        """See that there is a place to keep weights in, before long work for it begins."""
        try:
            self._write(f"{self._root}/.elue", "")
        except OSError as error:
            raise self._unusable(error) from None

    def put(self, folder: Path, digest: str, training: str) -> None:
        """Keep the weights of a folder under their digest, as those of a training. Those that are kept stay."""
        try:
            if not self._files.exists(self._list(digest)):
                names = [path for path in sorted(folder.rglob("*")) if path.is_file()]
                names = [path for path in names if path.relative_to(folder).parts[0] not in (CHECKPOINTS, *NOTES)]
                for path in names:
                    there = f"{self._root}/{digest}/{path.relative_to(folder).as_posix()}"
                    self._files.makedirs(there.rpartition("/")[0], exist_ok=True)
                    self._files.put_file(str(path), there)
                listed = [path.relative_to(folder).as_posix() for path in names]
                self._write(self._list(digest), json.dumps(listed))
            for note in (folder / name for name in NOTES):
                if note.is_file():
                    self._write(f"{self._notes(training)}/{note.name}", note.read_text("utf-8"))
            self._write(f"{self._root}/trainings/{training}", digest)
        except OSError as error:
            raise self._unusable(error) from None

    def digest_of(self, training: str) -> str | None:
        """The weights that a training made, None where they are not here."""
        try:
            digest = self._files.cat_file(f"{self._root}/trainings/{training}").decode()
            return digest if self._files.exists(self._list(digest)) else None
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._unusable(error) from None

    def get(self, digest: str, training: str, folder: Path) -> None:
        """Have the weights of a digest, as those of a training, in a folder, which is not there yet or not finished.

        Raises ElueError `other_weights` for files that do not have it.
        """
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=".fetched-") as temporary:
            part = Path(temporary) / "weights"
            try:
                for name in json.loads(self._files.cat_file(self._list(digest))):
                    (part / name).parent.mkdir(parents=True, exist_ok=True)
                    self._files.get_file(f"{self._root}/{digest}/{name}", str(part / name))
                for name in NOTES:
                    if self._files.exists(f"{self._notes(training)}/{name}"):
                        self._files.get_file(f"{self._notes(training)}/{name}", str(part / name))
            except (OSError, ValueError) as error:
                raise self._unusable(error) from None
            if weights_digest(part) != digest:
                message = f"The weights {digest[:12]} in {self.url} are damaged."
                raise ElueError("other_weights", message, "Remove them there, to have them trained again.")
            shutil.rmtree(folder, ignore_errors=True)
            part.rename(folder)

    def _notes(self, training: str) -> str:
        return f"{self._root}/notes/{training}"

    def _list(self, digest: str) -> str:
        return f"{self._root}/{digest}.json"

    def _write(self, path: str, text: str) -> None:
        self._files.makedirs(path.rpartition("/")[0], exist_ok=True)
        self._files.pipe_file(path, text.encode())

    def _unusable(self, error: Exception) -> ElueError:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        hint = "Give a folder, or a URL that fsspec opens."
        return ElueError("bad_store", f"Cannot use the store {self.url}: {told}.", hint)
