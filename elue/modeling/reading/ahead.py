"""What units that look ahead say of whole texts, and its rows for the tokens that several texts are at."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from elue.modeling.reading.book import Numbers
from elue.modeling.reading.units import Looked, ReaderUnit, Reading


def look_ahead(texts: Sequence[Reading], words: Sequence[Tensor], units: Mapping[str, ReaderUnit]) -> None:
    """Note what units say of texts, whose tokens are embedded as `words`, (tokens, width) each."""
    for reading in texts:
        reading.looked = range(len(reading.ids))
        for unit in units:
            reading.ran(unit, (len(reading.ids),))
    said = [unit(words) for unit in units.values()]
    seen = torch.cat([torch.cat(parts, 1) if parts[1:] else parts[0] for parts in zip(*said, strict=True)])
    among, lengths, start = Looked(torch.cat(list(words)), seen), [len(reading.ids) for reading in texts], 0
    for reading, own, told in zip(texts, among.words.split(lengths), among.seen.split(lengths), strict=True):
        reading.words, reading.seen, reading.among, reading.start = own, told, among, start
        start += len(reading.ids)


def rows_of(readings: Sequence[Reading], places: Numbers, what: Literal["words", "seen"]) -> Tensor:
    """The embedding of each text's token at its place, or what was said of it, (texts, width)."""
    groups: dict[int, list[int]] = {}
    for row, reading in enumerate(readings):
        groups.setdefault(id(reading.among), []).append(row)
    starts = np.array([reading.start for reading in readings], np.int64) + places
    parts = [
        getattr(readings[rows[0]].among, what).index_select(0, torch.from_numpy(starts[rows]))
        for rows in groups.values()
    ]
    if len(parts) == 1:
        return parts[0]
    order = np.concatenate(list(groups.values()))
    return torch.cat(parts).index_select(0, torch.from_numpy(order.argsort()))
