"""What a reading is made of: units that compute, the text on its way through them, and what becomes of it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from elue.protocol import Step

State = tuple[Tensor, ...]
"""What a cell carries from token to token: tensors of one row a sample, (samples, width)."""

RELATIVE_TOLERANCE = 1e-4
"""How near to its limit a decision, relative to the limit where that is above 1, counts as close.

The same sample in another batch differs by some 1e-6, as matrix products of other sizes sum in another order.
"""


@dataclass(frozen=True, slots=True)
class ReaderUnit:
    """A part that computes: `run` on tensors of these `widths`, (rows, width) each.

    `run` may take integers after them, the sizes of what is to be done: they become part of the traced shape.
    `listed` is true where the result goes to Python, as decisions and answers do. One that is `chunked` runs on a list
    of chunks of texts, (tokens, width) each, and on tensors of one row a chunk: its traced shape is (tokens,).
    """

    run: Callable[..., Any]
    widths: tuple[int, ...]
    listed: bool = False
    chunked: bool = False

    def rehearse(self, rows: int, sizes: Sequence[int]) -> None:
        """Run once on zeros: on so many rows, or on a chunk of so many tokens."""
        inputs: list[Any] = [torch.zeros(1 if self.chunked else rows, width) for width in self.widths]
        if self.chunked:
            inputs[0] = [torch.zeros(rows, self.widths[0])]
        self(*inputs, sizes=sizes)

    def __call__(self, *inputs: Any, sizes: Sequence[int] = ()) -> Any:
        """Run on tensors of one row a sample."""
        result = self.run(*inputs, *sizes)
        return result.tolist() if self.listed else result


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """A decision between two for every sample of a batch: the rows where it is `on`.

    In training `share` (samples,) says by how much, and carries the gradient.
    """

    on: Sequence[int]
    share: Tensor | None = None


@dataclass(slots=True)
class Reading:
    """One text on its way through the Reader: `at` is the place of its current token, `read` the places it read.

    Of a pair `second` is the place where its second text begins, else 0. It came at `since` of the clock, -1 where it
    was looked at in company before. `notes` is the method's own memory of this sample; `steps` counts the units it went
    through, `turns` the steps of the method. Where units look ahead, `words` (tokens, width) is the text embedded,
    `seen` (tokens, …) what they said, and `looked` the places looked at.
    """

    number: int
    ids: Sequence[int]
    since: int
    at: int = 0
    read: list[int] = field(default_factory=list)
    notes: dict[str, Any] = field(default_factory=dict)
    steps: dict[tuple[str, tuple[int, ...]], int] = field(default_factory=dict)
    sure: bool = True
    turns: int = 0
    looked: Sequence[int] = ()
    words: Tensor | None = None
    seen: Tensor | None = None
    second: int = 0

    def ran(self, unit: str, shape: tuple[int, ...]) -> None:
        """Note that a unit ran for this sample."""
        key = (unit, shape)
        self.steps[key] = self.steps.get(key, 0) + 1

    def trace(self) -> tuple[Step, ...]:
        """All that ran: the look-ups `embed (tokens, distinct tokens)`, then units in the order they first ran."""
        places = self.looked or self.read
        looked = len(places), len({self.ids[place] for place in places})
        counted = (Step(unit, shape, times) for (unit, shape), times in self.steps.items())
        return (Step("embed", looked), *counted) if places else tuple(counted)


@dataclass(frozen=True, slots=True)
class Ending:
    """What became of a text: its `number` in the stream, the head's output, its trace and the places it read."""

    number: int
    outputs: list[float]
    trace: tuple[Step, ...]
    read: tuple[int, ...]


def replaced(old: Tensor, new: Tensor, rows: Sequence[int] | None) -> Tensor:
    """The state with new values in some rows (None: all) and its first dimensions, as many as there are.

    It keeps its precision: under autocast units give numbers of less.
    """
    new = new.to(old.dtype)
    if rows is None and new.shape == old.shape:
        return new
    width = new.shape[1]
    if rows is None:
        return torch.cat([new, old[:, width:]], 1)
    chosen = torch.tensor(rows, device=old.device)
    if width < old.shape[1]:
        new = torch.cat([new, old.index_select(0, chosen)[:, width:]], 1)
    return old.index_copy(0, chosen, new)


def near(value: float, limit: float) -> bool:
    """Whether a decision between two sides of `limit` is so close that another batch may round it over.

    Ask it of what is not squeezed: of a logit rather than a probability near 0 or 1.
    """
    return math.isfinite(limit) and abs(value - limit) <= RELATIVE_TOLERANCE * max(1.0, abs(limit))
