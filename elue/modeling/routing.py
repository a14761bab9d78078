"""Who takes which row, sorted out for a pack: the pairs of a row and an expert in order, and how near a choice was.

All of it is numpy on indices, which is no arithmetic that a Meter would count.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from elue.errors import ElueError
from elue.modeling.ragged import Pack

Margin = Callable[[np.ndarray], np.ndarray]
"""From probabilities (samples, tokens, E), the least difference that a sample's assignment rests on: (samples,)."""


def margin_of_choices(probabilities: np.ndarray, choices: int) -> np.ndarray:
    """For rules by which every row goes to its `choices` most probable experts, with a capacity or without.

    The least gap between two neighbours among the first `choices` + 1 probabilities of any row; infinite without any.
    """
    ordered = np.sort(probabilities, -1)[..., -(choices + 1) :]
    least: np.ndarray = np.diff(ordered, axis=-1).min((1, 2), initial=np.inf)
    return least


def margin_of_any(probabilities: np.ndarray) -> np.ndarray:
    """For any rule that compares probabilities with each other: the least gap between any two of a sample's.

    Sound, but long samples nearly always have two that are close. Rules that compare them with anything else, such as
    a threshold, bring a margin of their own.
    """
    return margin_of_choices(probabilities.reshape(len(probabilities), 1, -1), probabilities[0].size)


def checked(row: Tensor, expert: Tensor, weight: Tensor, rows: int, experts: int) -> tuple[np.ndarray, np.ndarray]:
    """Row and expert of each pair of an assignment for so many rows and experts.

    Raises ElueError for tensors of different length or none, indices that are no integers, and ones that do not exist.
    """
    if row.dim() != 1 or not row.shape == expert.shape == weight.shape:
        shapes = ", ".join(str(tuple(tensor.shape)) for tensor in (row, expert, weight))
        raise ElueError(
            "bad_assignment",
            f"An assignment has rows, experts and weights of shapes {shapes}.",
            "Give all three the shape (pairs,): an entry for each pair of a row and an expert that takes it.",
        )
    arrays = []
    for name, indices, count in (("row", row, rows), ("expert", expert, experts)):
        if indices.dtype not in (torch.int64, torch.int32):
            raise ElueError(
                "bad_assignment", f"An assignment's {name} indices are {indices.dtype}.", "Give them as torch.int64."
            )
        array = np.from_dlpack(indices.detach().cpu())
        outside = array[(array < 0) | (array >= count)]
        if len(outside):
            raise ElueError(
                "bad_assignment",
                f"An assignment names {name} {outside[0]}, and there are {count}.",
                f"Name 0 to {count - 1}; a row that no expert takes is in no pair.",
            )
        arrays.append(array)
    return arrays[0], arrays[1]


def read(values: Tensor, rows: int) -> np.ndarray:
    """The values, one a pair. A Meter prices reading by what is read, which is `rows` numbers however many pairs."""
    first = values.new_zeros(rows)
    first[: len(values)].copy_(values[:rows])
    return np.concatenate([first.numpy()[: len(values)], np.from_dlpack(values[rows:])])


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """Pairs of a row of a pack and an expert, with a weight each, by expert and then by row: arrays (pairs,)."""

    row: np.ndarray
    expert: np.ndarray
    weight: np.ndarray

    @classmethod
    def sorted(cls, row: np.ndarray, expert: np.ndarray, weight: np.ndarray) -> Pairs:
        """Pairs that come in any order."""
        order = np.lexsort((row, expert))
        return cls(row[order], expert[order], weight[order])

    def of(self, expert: int) -> slice:
        """The places of one expert's pairs."""
        return slice(*np.searchsorted(self.expert, [expert, expert + 1]).tolist())

    def levels(self) -> list[np.ndarray]:
        """Places of pairs, by row: the first of every row that has one, the second of every row that has two, ..."""
        return _levels(self.row, np.argsort(self.row, kind="stable"))

    def choices(self, rows: int) -> list[np.ndarray]:
        """The expert of greatest weight of each of so many rows, -1 for none; then, where any has it, the second..."""
        chosen = []
        for places in _levels(self.row, np.lexsort((self.expert, -self.weight, self.row))):
            chosen.append(np.full(rows, -1))
            chosen[-1][self.row[places]] = self.expert[places]
        return chosen or [np.full(rows, -1)]


def _levels(row: np.ndarray, order: np.ndarray) -> list[np.ndarray]:
    """Of places ordered by row, those that are the first of their row, then those that are the second, ..."""
    ordered, place = row[order], np.arange(len(order))
    first = np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(order)]
    rank = place - np.maximum.accumulate(np.where(first, place, 0))
    return [order[rank == level] for level in range(rank.max(initial=-1) + 1)]


def part_of(pack: Pack, row: np.ndarray, rows: Tensor, state: Tensor) -> Pack:
    """The samples that these rows of a pack, rising, belong to, with other rows in their place and a state a row."""
    owner = np.searchsorted(pack.starts(), row, side="right") - 1
    members, lengths = np.unique(owner, return_counts=True)
    return Pack([pack.requests[place] for place in members], lengths.tolist(), rows, state)


def note_choices(number: int, pack: Pack, pairs: Pairs) -> None:
    """Note where the tokens of a layer go, for the samples that gather notes.

    Under "3" each token's expert of greatest weight, -1 for none; under "3.2" its second, where a token has one, ...
    """
    if not any(request.noted for request in pack.requests):
        return
    for choice, chosen in enumerate(pairs.choices(pack.tokens), start=1):
        for request, start, length in zip(pack.requests, pack.starts(), pack.lengths, strict=True):
            experts = tuple(chosen[start : start + length].tolist())
            if request.noted and (choice == 1 or max(experts) >= 0):
                name = str(number) if choice == 1 else f"{number}.{choice}"
                request.notes.setdefault("experts", {})[name] = experts
