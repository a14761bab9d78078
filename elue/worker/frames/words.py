"""What calls and answers between parent and worker are made of: bounded kinds of data, and what a call is."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Generic, Literal, TypeVar, get_args

from annotated_types import Ge, Lt, MaxLen, MinLen

from elue import protocol
from elue.meter.counts import Count
from elue.protocol import Knob, Sample
from elue.record.trace import DIMENSIONS, LARGEST, LONGEST_UNIT, fault
from elue.worker.decoding import Sound

Answer = TypeVar("Answer")
Short = Annotated[str, MaxLen(200)]
Text = Annotated[str, MaxLen(2000)]
Point = Mapping[str, Knob]
UnitName = Annotated[str, MinLen(1), MaxLen(LONGEST_UNIT)]
Shape = Annotated[tuple[Annotated[int, Ge(0), Lt(LARGEST)], ...], MaxLen(DIMENSIONS)]
Step = Annotated[protocol.Step, Sound(fault)]
Confinement = Annotated[Mapping[Short, Text | Count | Annotated[Mapping[Short, int], MaxLen(100)]], MaxLen(100)]
"""What confines a worker, by what it keeps in."""


@dataclass(frozen=True, slots=True)
class CallKinds:
    """Calls of operators: of those that cost nothing, of those that cost little a call, and of the others."""

    full: Count = 0
    small: Count = 0
    free: Count = 0

    def __add__(self, other: CallKinds) -> CallKinds:
        return CallKinds(self.full + other.full, self.small + other.small, self.free + other.free)

    def __mul__(self, times: int) -> CallKinds:
        return CallKinds(self.full * times, self.small * times, self.free * times)


Offer = Literal["rehearse", "predict_sweep", "ladder", "survey", "explain"]
"""A member of a model that it may lack: see `elue.protocol.DynamicModel`."""


class Call(Generic[Answer]):
    """Something that a worker can be asked for."""

    __slots__ = ()

    def fault(self, answer: Answer) -> str:
        """Why this is no answer to this call; empty where it is one."""
        return ""


def name_of(call: type[Call[Any]]) -> str:
    """What a worker's function for a call is named."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", call.__name__).lower()


def answer_of(call: type[Call[Answer]]) -> type[Answer]:
    """The class of a call's answers."""
    kind: type[Answer] = get_args(call.__orig_bases__[0])[0]  # type: ignore[attr-defined]
    return kind


def others(ids: Sequence[str], samples: Sequence[Sample]) -> str:
    """What is wrong with the ids in an answer to these samples."""
    return "" if list(ids) == [sample.id for sample in samples] else "missing, repeated or unknown ids"


def sized(name: str, column: Sequence[Any], size: int, what: str) -> str:
    """What is wrong with the length of a column that has one entry for each of so many."""
    return "" if len(column) == size else f"{name}: {len(column)} for {size} {what}"
