"""How many tokens each layer leaves: lists of lengths, their text, and the budgets they give a sample."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Sequence
from itertools import pairwise

from elue.errors import ElueError

ALL = "all"
"""A layer that leaves all tokens, in the text of a list of numbers of tokens."""
UNBOUNDED = 1 << 30
"""The number of tokens that stands for all."""
FULL = 100
"""All of a sample's tokens, in percent."""

Lengths = tuple[int, ...]
Budget = Callable[[int, int], int]
"""From a layer's length and a sample's number of tokens, the number of those that the layer may leave."""


def of_tokens(length: int, tokens: int) -> int:
    """Lengths are numbers of tokens."""
    return max(1, min(length, tokens))


def of_shares(length: int, tokens: int) -> int:
    """Lengths are percent of the sample's tokens, rounded up."""
    return max(1, -(-tokens * length // FULL))


def text_of(lengths: Sequence[int]) -> str:
    """The lengths layer by layer, such as 100-80-64 or all-40-12."""
    return "-".join(ALL if length >= UNBOUNDED else str(length) for length in lengths)


def parse_lengths(text: str, layers: int, shares: bool) -> Lengths:
    """The list that a text stands for: one length a layer, none above the one before it.

    Numbers of tokens or "all", or with `shares` percent of the sample's tokens. Raises ElueError for anything else.
    """
    parts = text.split("-")
    most = FULL if shares else UNBOUNDED
    known = [_length(part, shares) for part in parts]
    falling = all(later <= earlier for earlier, later in pairwise(known))
    if len(known) != layers or not falling or not all(1 <= length <= most for length in known):
        what = "percent of the tokens, 1 to 100" if shares else f"numbers of tokens from 1, or '{ALL}'"
        example = text_of(range(10 * layers, 0, -10))
        message = f"lengths can't be '{text}': that is not one length for each of {layers} layers, none above the last."
        raise ElueError("bad_point", message, f"Join {what}, with '-', such as {example}.")
    return tuple(known)


def _length(part: str, shares: bool) -> int:
    """One length of a text, 0 where it is none."""
    if part == ALL and not shares:
        return UNBOUNDED
    return int(part) if re.fullmatch("[0-9]{1,9}", part) else 0


def shortened(start: int, layers: int, next_length: Callable[[int], int], left_out: Collection[int] = ()) -> Lengths:
    """A list from a start that each layer shortens, but those `left_out`."""
    lengths: list[int] = []
    for layer in range(layers):
        before = lengths[-1] if lengths else start
        lengths.append(before if layer in left_out else next_length(before))
    return tuple(lengths)


def least(length: int, kept: float) -> int:
    """The share `kept` of a length, rounded up, whatever the last bit says: 1 at least, and no more than there is."""
    return max(1, min(length, math.ceil(length * kept - 1e-9)))
