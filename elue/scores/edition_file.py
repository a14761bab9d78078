"""An edition as the text of its file."""

from __future__ import annotations

import json
from collections.abc import Iterator

from elue.scores.edition import Edition, EditionTask, Yardstick

HEAD = [name for name in Edition.model_fields if name not in ("name", "tasks")]
"""What stands at the head of the file, all that an edition fixes but its tasks."""


def text_of(edition: Edition) -> str:
    """The TOML that `elue.scores.edition.load` reads back as this edition, from a file of its name."""
    document = edition.model_dump(mode="json")
    head = [_line(name, document[name]) for name in HEAD if document[name] is not None]
    parts = [head, *(list(_task(name, task)) for name, task in edition.tasks.items())]
    return "\n\n".join("\n".join(lines) for lines in parts) + "\n"


def _task(name: str, task: EditionTask) -> Iterator[str]:
    document = task.model_dump(mode="json", exclude={"yardstick", "trainings"})
    yield f"[tasks.{json.dumps(name)}]"
    yield from (_line(key, value) for key, value in document.items() if value not in (None, []))
    parts = {"yardstick": task.yardstick if task.yardstick != Yardstick() else None, "trainings": task.trainings}
    for part, of in parts.items():
        if of is not None:
            yield f"\n[tasks.{json.dumps(name)}.{part}]"
            yield from (_line(key, value) for key, value in of.model_dump(mode="json").items() if value)


def _line(key: str, value: object) -> str:
    """A key with its value. JSON's strings, numbers and flat lists are TOML's, too, but for one character."""
    if isinstance(value, list) and value and isinstance(value[0], str):
        return f"{key} = [\n" + "".join(f"  {_text(part)},\n" for part in value) + "]"
    return f"{key} = {_text(value)}"


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
