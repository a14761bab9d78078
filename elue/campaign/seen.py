"""What data and backbones are, by their contents: read once, and again only where the files have changed."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path

from elue import tasks
from elue.evaluation.plan import weights_digest
from elue.record.files import canonical
from elue.record.writing import beside
from elue.tasks import TaskSpec
from elue.tasks.loading import local_files


class Seen:
    """Revisions of splits and digests of backbones, remembered in a file beside the journal.

    Data of the hub that name no revision, and generated ones, are loaded each time that a campaign is planned.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, str] = _read(path)
        self._now: dict[str, str] = {}

    def revision(self, spec: TaskSpec, split: str, data: Path | None) -> str:
        """The revision of a split. Raises ElueError where it can't be loaded."""
        files = [] if spec.generated else local_files(spec, split, data)[0]
        state = " ".join(_state(path) for path in files) or None
        if not files and not spec.generated and spec.hub and spec.hub.revision:
            state = spec.hub.revision
        name = hashlib.sha256(f"{split} {data} {spec!r} {state}".encode()).hexdigest()
        return self._told(name, state is not None, lambda: tasks.load(spec, split, data).revision)

    def backbone(self, reference: str) -> str:
        """A backbone by its contents where it is a folder, else by its name."""
        folder = Path(reference)
        if not folder.is_dir():
            return reference
        state = {str(path): _state(path) for path in sorted(folder.rglob("*")) if path.is_file()}
        name = hashlib.sha256(canonical(state).encode()).hexdigest()
        return self._told(name, True, lambda: weights_digest(folder))

    def _told(self, name: str, lasting: bool, find: object) -> str:
        assert callable(find)
        if name not in self._now:
            known = self._known.get(name) if lasting else None
            self._now[name] = str(known or find())
            if lasting and known is None:
                self._known[name] = self._now[name]
        return self._now[name]

    def save(self) -> None:
        """Write down what is known, in one piece."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = beside(self.path.parent, ".seen-")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump(self._known, file, indent=1)
        temporary.replace(self.path)


def _read(path: Path) -> dict[str, str]:
    try:
        document = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(name): str(value) for name, value in document.items()} if isinstance(document, Mapping) else {}


def _state(path: Path) -> str:
    state = path.stat()
    return f"{path.resolve()} {state.st_size} {state.st_mtime_ns}"
