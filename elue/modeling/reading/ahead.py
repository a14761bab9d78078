"""What units that look ahead say of whole texts, and its rows for the tokens that several texts are at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from elue.modeling.reading.book import Numbers
from elue.modeling.reading.units import Looked, ReaderUnit, Reading


def look_ahead(texts: Sequence[Reading], words: Tensor, units: Mapping[str, ReaderUnit]) -> None:
    """Note what units say of texts, whose tokens are embedded as `words`, (tokens of all, width)."""
    lengths, start = [len(reading.ids) for reading in texts], 0
    for reading, length in zip(texts, lengths, strict=True):
        reading.looked = range(length)
        for unit in units:
            reading.ran(unit, (length,))
    said = [unit(words.split(lengths)) for unit in units.values()]
    told = [torch.cat(parts) if parts[1:] else parts[0] for parts in said]
    among = Looked(words, torch.cat(told, 1) if told[1:] else told[0])
    for reading, own, seen in zip(texts, words.split(lengths), among.seen.split(lengths), strict=True):
        reading.words, reading.seen, reading.among, reading.start = own, seen, among, start
        start += len(reading.ids)


class Shelf:
    """Groups of texts that were looked at together, by number, as long as one of them is being read."""

    def __init__(self) -> None:
        self.groups: dict[int, Looked] = {}
        self.latest = 0

    def number(self, reading: Reading, wanted: Numbers) -> int:
        """The number of a text's group, which it gets now if it is new; those that are not `wanted` are let go."""
        if self.groups.get(self.latest) is reading.among:
            return self.latest
        for number, group in self.groups.items():
            if group is reading.among:
                return number
        if reading.among is None:
            return 0
        self.latest += 1
        kept = set(wanted.tolist())
        self.groups = {number: group for number, group in self.groups.items() if number in kept}
        self.groups[self.latest] = reading.among
        return self.latest

    def rows(self, numbers: Numbers, places: Numbers, what: Literal["words", "seen"]) -> Tensor:
        """Embeddings, or what was said, at places of groups, by their numbers: (places, width)."""
        kinds = np.unique(numbers).tolist()
        tables: list[Tensor] = [getattr(self.groups[number], what) for number in kinds]
        if len(tables) == 1:
            return tables[0].index_select(0, torch.from_numpy(places))
        made = tables[0].new_empty(len(places), tables[0].shape[1])
        for number, table in zip(kinds, tables, strict=True):
            rows = (numbers == number).nonzero()[0]
            made.index_copy_(0, torch.from_numpy(rows), table.index_select(0, torch.from_numpy(places[rows])))
        return made
