"""Rows of a pack that leave: for good, or parked with their sample until they come back in their places."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from elue.modeling.ragged import Pack, Request, taken

KEPT = "kept"
"""The note of the positions of the tokens that each layer ran on."""


def leave(pack: Pack, keep: np.ndarray, parked: Tensor | None = None) -> Pack:
    """The rows where `keep` (rows,) is true, at least one a sample; of the others, `parked` holds what will come back.

    That is the state they end with, (rows, hidden), where they don't leave for good.
    """
    if parked is not None or any(request.noted for request in pack.requests):
        _remember(pack, keep, parked)
    return pack.keep(keep)


def _remember(pack: Pack, keep: np.ndarray, parked: Tensor | None) -> None:
    away = None if parked is None else parked.index_select(0, torch.from_numpy(np.flatnonzero(~keep)))
    start = gone = 0
    for request, length in zip(pack.requests, pack.lengths, strict=True):
        stays = keep[start : start + length]
        positions = _positions(request, length)
        leaving = length - int(stays.sum())
        if away is not None and leaving:
            request.parked.append((positions[~stays], away[gone : gone + leaving]))
        request.positions = positions[stays]
        start, gone = start + length, gone + leaving


def note_kept(pack: Pack) -> None:
    """Note what a layer runs on, for the samples that gather notes."""
    for request, length in zip(pack.requests, pack.lengths, strict=True):
        if request.noted:
            request.notes.setdefault(KEPT, []).append(_positions(request, length))


def _positions(request: Request, length: int) -> np.ndarray:
    return np.arange(length) if request.positions is None else request.positions


def come_back(pack: Pack) -> Pack:
    """All rows of the samples, those that are parked in their places again."""
    if not any(request.parked for request in pack.requests):
        return pack
    own = np.arange(pack.tokens)
    parts, rows_before = [pack.rows], pack.tokens
    indices: list[np.ndarray] = []
    for request, start, length in zip(pack.requests, pack.starts(), pack.lengths, strict=True):
        places, rows = [_positions(request, length)], [own[start : start + length]]
        for positions, parked in request.parked:
            parts.append(parked)
            places.append(positions)
            rows.append(np.arange(rows_before, rows_before + len(positions)))
            rows_before += len(positions)
        indices.append(np.concatenate(rows)[np.argsort(np.concatenate(places))])
        request.parked, request.positions = [], None
    lengths = np.array([len(index) for index in indices])
    order = np.argsort(lengths, kind="stable")
    index = torch.from_numpy(np.concatenate([indices[place] for place in order]))
    requests = [pack.requests[place] for place in order]
    return Pack(
        requests, lengths[order].tolist(), torch.cat(parts).index_select(0, index), memory=taken(pack.memory, order)
    )
