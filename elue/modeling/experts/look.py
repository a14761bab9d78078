"""What a router may see of tokens, and what is chosen for them.

Both are the same for the padded batches of training and for packs: rows of real tokens, one sample after the other.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from elue.errors import ElueError

TOLERANCE = 4e-6
"""A choice that rests on probabilities nearer to each other than this is left to the sample alone.

Nine times what gaps between them were seen to differ by, at most, in packs and alone (4.5e-7 on six layers).
"""
LOGIT_TOLERANCE = 2e-5
"""The same for numbers that are no probabilities: there it was 1.6e-6."""
SHARE_TOLERANCE = 1.3e-5
"""The same for shares of a softmax, by what part of the greater one two of them lie apart, which is how far apart their
logits lie. It counts for each unit that the router's weights of two experts lie apart, and is four times the most seen:
3.3e-6, in 150,000 choices for sentences and long texts among 4 and among 16 experts, 7.4e-7 in their root mean square.
"""
MEASURED_LAYERS = 6
"""Layers on which that was seen. On twelve, those of MiniLM twice over, gaps of probabilities moved by 3e-6 and those
of logits by 2.1e-5 at layer 9, with 16 experts: behind the sixth, tolerances grow with the square of the depth. Those
of shares, where one of 6,000 rows moved by 1.6e-4 at layer 10, grow with its fifth power.
"""


@dataclass(eq=False)
class Look:
    """Tokens of some samples as a layer's router meets them.

    `rows` (tokens, hidden), sample after sample, `lengths` (samples,) the tokens of each; `layer` counts from 1, `turn`
    the passes over the same text from 0; `step` of `total` is how far training is.
    """

    rows: Tensor
    lengths: np.ndarray
    read_ids: Callable[[], np.ndarray]
    layer: int = 1
    turn: int = 0
    training: bool = False
    step: int = 0
    total: int = 1

    @cached_property
    def ids(self) -> np.ndarray:
        """The token ids, (tokens,)."""
        return self.read_ids()

    @cached_property
    def starts(self) -> np.ndarray:
        """The first row of each sample, (samples,)."""
        return np.cumsum(self.lengths) - self.lengths

    @cached_property
    def owner(self) -> np.ndarray:
        """The sample of each row, (tokens,)."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """Experts of each row, in order of preference: `expert` (tokens, k) and `weight` (tokens, k), None where all are 1.

    Where `wanted` (tokens, k) is false the row does without. `margin` gives for each row the least difference that the
    choice rests on, (tokens,), in what has this `tolerance`; None where it rests on none. If `relative`, these are
    parts of the greater of two shares.
    """

    expert: np.ndarray
    weight: Tensor | None = None
    wanted: np.ndarray | None = None
    margin: Callable[[], np.ndarray] | None = None
    tolerance: float = TOLERANCE
    relative: bool = False

    def where(self, wanted: np.ndarray, margin: Callable[[], np.ndarray]) -> Choice:
        """The same choice but for what is not wanted, (tokens, k), which rests on `margin` too."""
        both = wanted if self.wanted is None else self.wanted & wanted
        mine = self.margin
        return replace(self, wanted=both, margin=margin if mine is None else lambda: np.minimum(mine(), margin()))

    def close(self, look: Look, steep: float = 1.0) -> np.ndarray:
        """The samples for which noise could have turned the choice, (samples,), of a router so `steep`."""
        if self.margin is None:
            return np.zeros(len(look.lengths), dtype=bool)
        deep = max(1.0, look.layer / MEASURED_LAYERS)
        least = self.tolerance * (steep * deep**5 if self.relative else deep**2)
        return np.minimum.reduceat(self.margin(), look.starts) < least

    def checked(self, rows: int, experts: int) -> Choice:
        """The choice itself. Raises ElueError where it does not fit so many rows and experts."""
        expert, shape = self.expert, self.expert.shape
        shapes = [tuple(part.shape) for part in (self.weight, self.wanted) if part is not None]
        if len(shape) != 2 or shape[0] != rows or any(other != shape for other in shapes):
            message = f"A choice for {rows} rows has experts, weights and wishes of shapes {[shape, *shapes]}."
            raise ElueError("bad_choice", message, "Give all of them the shape (tokens, k).")
        if expert.dtype.kind != "i":
            raise ElueError("bad_choice", f"A choice's experts are {expert.dtype}.", "Give them as int64.")
        outside = expert[(expert < 0) | (expert >= experts)]
        if len(outside):
            message = f"A choice names expert {outside[0]}, and there are {experts}."
            raise ElueError("bad_choice", message, f"Name 0 to {experts - 1}; say in `wanted` who does without.")
        return self


def array(values: Tensor) -> np.ndarray:
    """The values of a tensor, wherever it lies."""
    return values.detach().cpu().numpy()


def index(values: np.ndarray, like: Tensor) -> Tensor:
    """Places as a tensor beside another one."""
    return torch.from_numpy(np.ascontiguousarray(values)).to(like.device)
