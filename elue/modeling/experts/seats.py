"""Who takes which row: seats counted with integers, and the pairs of a row and an expert in order.

All of it is numpy on indices, which is no arithmetic that a Meter would count.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from elue.errors import ElueError
from elue.modeling.experts.look import Choice, Look
from elue.modeling.ragged import Pack


def capacity(tokens: np.ndarray, experts: int, factor: float, choices: int = 1) -> np.ndarray:
    """Most rows one expert takes: tokens · choices / experts · factor, rounded up (Switch, eq. 3), for each count.

    Never more than there are pairs: an infinite factor is no limit. Raises ElueError for one that is negative or NaN.
    """
    if not factor >= 0:
        raise ElueError(
            "bad_capacity", f"A capacity factor can't be {factor}.", "Give a number of 0 or more; inf is no limit."
        )
    room = np.asarray(tokens, dtype=np.float64) * choices * min(float(factor), float(experts)) / experts
    return np.ceil(room - 1e-9).astype(np.int64)  # 30 · 0.1 / 3 is one row, whatever the last bit says


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of a row and an expert that takes it, by expert and then by row: arrays (pairs,).

    `place` is where the pair's weight lies in the choice, read row by row.
    """

    row: np.ndarray
    expert: np.ndarray
    place: np.ndarray

    def bounds(self, experts: int) -> np.ndarray:
        """Where each expert's pairs begin, and where the last one's end: (experts + 1,)."""
        return np.searchsorted(self.expert, np.arange(experts + 1))

    def levels(self) -> list[np.ndarray]:
        """Places of pairs, by row: the first of every row that has one, the second of every row that has two, ..."""
        return _levels(self.row, np.argsort(self.row, kind="stable"))

    def counts(self, look: Look, experts: int) -> np.ndarray:
        """How many rows of each sample each expert takes, (samples, experts)."""
        key = look.owner[self.row] * experts + self.expert
        return np.bincount(key, minlength=len(look.lengths) * experts).reshape(-1, experts)


def seat(choice: Choice, look: Look, experts: int, room: np.ndarray | None = None, shared: bool = False) -> Pairs:
    """The pairs of a choice, each expert taking of every sample no more than its `room`, (samples,).

    All first choices are seated, in order of tokens, before any second one (GShard). If `shared`, samples share one
    room, (1,), and come one after the other.
    """
    rows, choices = choice.expert.shape
    expert, row = choice.expert.T.ravel(), np.tile(np.arange(rows), choices)
    if choice.wanted is not None:
        wanted = np.flatnonzero(choice.wanted.T.ravel())
        expert, row, number = expert[wanted], row[wanted], wanted // rows
    else:
        number = np.repeat(np.arange(choices), rows)
    if room is not None:
        group = np.zeros(len(row), dtype=np.int64) if shared else look.owner[row]
        kept = np.sort(_first(group * experts + expert, room[group]))
        expert, row, number = expert[kept], row[kept], number[kept]
    order = np.argsort(expert * rows + row, kind="stable")
    return Pairs(row[order], expert[order], (row * choices + number)[order])


def _first(key: np.ndarray, most: np.ndarray) -> np.ndarray:
    """The places that are among the first so many of their key, by one sort."""
    order = np.argsort(key, kind="stable")
    return order[_ranks(key[order]) < most[order]]


def _ranks(ordered: np.ndarray) -> np.ndarray:
    """Of keys in order the place of each among its equals, from 0."""
    place = np.arange(len(ordered))
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)]
    return place - np.maximum.accumulate(np.where(first, place, 0))


def _levels(row: np.ndarray, order: np.ndarray) -> list[np.ndarray]:
    """Of places ordered by row, those that are the first of their row, then those that are the second, ..."""
    rank = _ranks(row[order])
    return [order[rank == level] for level in range(rank.max(initial=-1) + 1)]


def note_experts(layer: int, pack: Pack, pairs: Pairs, weight: np.ndarray | None) -> None:
    """Note where the tokens of a layer go, for samples that gather notes; `weight` (pairs,) is None where all are 1.

    Under "3" each token's expert of greatest weight, -1 for none; under "3.2" its second, where a token has one, ...
    """
    if not any(request.noted for request in pack.requests):
        return
    heaviest = np.zeros(len(pairs.row)) if weight is None else -weight
    levels = _levels(pairs.row, np.lexsort((pairs.expert, heaviest, pairs.row)))
    for choice, places in enumerate(levels or [np.zeros(0, dtype=np.int64)], start=1):
        chosen = np.full(pack.tokens, -1)
        chosen[pairs.row[places]] = pairs.expert[places]
        for request, start, length in zip(pack.requests, pack.starts(), pack.lengths, strict=True):
            experts = tuple(chosen[start : start + length].tolist())
            if request.noted and (choice == 1 or max(experts) >= 0):
                name = str(layer) if choice == 1 else f"{layer}.{choice}"
                request.notes.setdefault("experts", {})[name] = experts
