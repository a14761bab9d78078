"""What `elue train` itself notes beside weights, whatever the plugin writes: what they were trained for, and how.

It tells a finished training from one that broke off, one job from another, and whose task weights are. It is no part
of the weights: their digest leaves it out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from elue.errors import ElueError
from elue.protocol import TaskInfo
from elue.tasks import TaskData
from elue.worker.frames import TRAINING_LOG, TRAINING_NOTE

KIT_NOTE = "elue.json"
"""What the kit writes, last of all, into a folder of weights."""
_SAME: Mapping[str, str] = {
    "method": "method",
    "source_digest": "method's code",
    "tasks": "tasks and their data",
    "backbone": "backbone",
    "seed": "seed",
    "asked_device": "device",
    "options": "options",
    "max_train_samples": "part of the train split (--max-train-samples)",
}
"""What makes two trainings the same job, with its name for the user."""


def finished(folder: Path) -> bool:
    """Whether a training ended well in a folder."""
    return any((folder / name).is_file() for name in (KIT_NOTE, TRAINING_NOTE))


def task_note(train: TaskData, validation: TaskData) -> dict[str, Any]:
    """What is noted of a task, by its train and validation splits."""
    spec = train.spec
    return {
        "name": spec.name,
        "kind": spec.kind,
        "labels": list(spec.labels),
        "metric": spec.metric,
        "samples": {data.split: len(data.samples) for data in (train, validation)},
        "revisions": {data.split: data.revision for data in (train, validation)},
    }


def backbone_note(reference: str) -> dict[str, str]:
    """A backbone by its name and, of a folder, the digest of its files."""
    folder = Path(reference)
    if not folder.is_dir():
        return {"name": reference}
    digest = hashlib.sha256()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        digest.update(f"{path.relative_to(folder).as_posix()} {content}\n".encode())
    return {"name": folder.resolve().name, "digest": digest.hexdigest()}


def read(folder: Path) -> dict[str, Any] | None:
    """The note beside weights, None where there is none that can be read."""
    return _json(folder / TRAINING_NOTE)


def kit_note(folder: Path) -> dict[str, Any] | None:
    """What the kit wrote beside weights, None where that can't be read."""
    return _json(folder / KIT_NOTE)


def reports(folder: Path) -> list[dict[str, Any]]:
    """What a training reported so far, in order: its validation passes, and the ends of phases without one.

    What an interrupted training did twice stands here once. Empty where nothing was reported.
    """
    try:
        lines = (folder / TRAINING_LOG).read_text("utf-8").splitlines()[1:]
    except (OSError, ValueError):
        return []
    last: dict[tuple[object, object], dict[str, Any]] = {}
    for line in lines:
        try:
            report = json.loads(line)
            place = report["phase"], report["step"]
        except (ValueError, KeyError, TypeError, RecursionError):
            continue  # cut off in the middle
        last.pop(place, None)
        last[place] = report
    return list(last.values())


def differences(note: Mapping[str, Any], asked: Mapping[str, Any]) -> Iterator[str]:
    """In what a finished training was another job than one that is asked for, in words."""
    for name, words in _SAME.items():
        before, now = note.get(name), asked[name]
        if before != now:
            plain = all(isinstance(value, str | int | None) for value in (before, now)) and name != "source_digest"
            yield f"{words} {before}, not {now}" if plain else f"other {words}"


def check_task(folder: Path, task: TaskInfo) -> None:
    """Raise ElueError `foreign_weights` where a folder says that its weights were trained for other tasks."""
    known = list(_tasks(folder))
    asked = task.name, task.kind, tuple(task.labels)
    if known and asked not in known:
        names = ", ".join(f"'{name}'" for name, _, _ in known)
        message = f"'{folder}' was trained for task {names}, not for '{task.name}'."
        if task.name in [name for name, _, _ in known]:
            message = f"'{folder}' was trained for a task {names} of other labels."
        raise ElueError("foreign_weights", message, "Train the method on this task first.")


def _tasks(folder: Path) -> Iterator[tuple[str, str, tuple[str, ...]]]:
    """The tasks that weights were trained for, by name, kind and labels; none where nothing says so."""
    note = read(folder)
    if note is None:
        kit = kit_note(folder) or {}
        told = kit.get("trained_on", [kit.get("task")])
    else:
        told = note.get("tasks")
    for task in told if isinstance(told, list) else []:
        if isinstance(task, dict) and isinstance(task.get("labels"), list):
            yield str(task.get("name")), str(task.get("kind")), tuple(map(str, task["labels"]))


def _json(file: Path) -> dict[str, Any] | None:
    try:
        document = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError, RecursionError):
        return None
    return document if isinstance(document, dict) else None
