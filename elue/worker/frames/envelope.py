"""What crosses between parent and worker around the calls: the greeting, and what every call and answer is put in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from annotated_types import MaxLen

from elue.worker.confinement.sandbox import Limits
from elue.worker.frames.words import Confinement, Short, Text


@dataclass(frozen=True, slots=True)
class Hello:
    """The first frame to a worker: how to confine itself. It answers with a `Ready`."""

    limits: Limits
    sees: tuple[str, ...]
    hides: tuple[str, ...]
    means: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Ready:
    """What took hold of the confinement."""

    confinement: Confinement


@dataclass(frozen=True, slots=True)
class CallFrame:
    """Every further frame to a worker: the name of a call, and the call."""

    call: Short
    asked: Any


@dataclass(frozen=True, slots=True)
class Trouble:
    """Why there is no answer. With the status "user" it is a mistake of the user's, who gets all of it to read."""

    status: Literal["user", "failed", "invalid", "forbidden"]
    message: Text
    code: Text = ""
    hint: Text = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """Every further frame from a worker: an answer or trouble, and paths that were sought outside its view."""

    answer: Any = None
    error: Trouble | None = None
    sought: Annotated[tuple[Text, ...], MaxLen(10_000)] = ()
