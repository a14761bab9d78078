"""Experts in company where each row has one at most: rows lie by expert, and all that follows happens where they lie.

What runs and what is noted is as of units run one by one; rows are moved twice instead of four times, experts take as
many at a time as feed-forwards do, and steps are looked up, as there are thousands of them in a pack.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elue.modeling import kernels
from elue.modeling.experts.layers import Expert, ExpertLayer
from elue.modeling.experts.seats import Pairs
from elue.modeling.ragged import Request
from elue.modeling.tracing import step


class Ledger:
    """Steps of units that run on so many rows, (units, rows), made as they are asked for."""

    def __init__(self, names: Sequence[str]) -> None:
        self.names = names
        self.steps: np.ndarray = np.empty((len(names), 0), dtype=object)

    def note(self, requests: Sequence[Request], counts: np.ndarray) -> None:
        """Note in traces the units that run on any rows of a sample, in order, by their `counts` (samples, units)."""
        known, most = self.steps.shape[1], int(counts.max(initial=0))
        if most >= known:
            fresh = np.empty((len(self.names), 2 * most + 1 - known), dtype=object)
            for place in np.ndindex(fresh.shape):
                fresh[place] = step(self.names[place[0]], (known + place[1],))
            self.steps = np.concatenate([self.steps, fresh], 1)
        sample, unit = np.nonzero(counts)
        steps = self.steps[unit, counts[sample, unit]].tolist()
        ends = np.cumsum(np.count_nonzero(counts, 1)).tolist()
        for request, start, end in zip(requests, [0, *ends], ends, strict=False):
            request.trace += steps[start:end]


def run_by_expert(half: ExpertLayer, rows: Tensor, pairs: Pairs, weight: Tensor | None, activation: str) -> Tensor:
    """A layer's feed-forward half, (tokens, hidden), of `pairs` that have every row once at most."""
    without = np.ones(len(rows), dtype=bool)
    without[pairs.row] = False
    order = np.concatenate([pairs.row, np.flatnonzero(without)])
    laid = kernels.room(rows)
    torch.index_select(rows, 0, torch.from_numpy(order), out=laid)
    for expert, (start, end) in zip(half.experts, pairwise(pairs.bounds(len(half.experts)).tolist()), strict=True):
        if start < end:
            part = laid[start:end]
            update = outcome(expert, part, activation)
            if weight is not None:
                update *= weight[start:end]
            part += update
    back = np.empty_like(order)
    back[order] = np.arange(len(order))
    made = kernels.room(rows)
    torch.index_select(kernels.norm(half.norm, laid), 0, torch.from_numpy(back), out=made)
    return made


def outcome(expert: Any, rows: Tensor, activation: str) -> Tensor:
    """What an expert makes of rows, (rows, hidden), in memory that nobody else has."""
    most = max(1, kernels.INNER_NUMBERS // expert.width)
    if len(rows) <= most and isinstance(expert, Expert) and activation in kernels.FUSED:
        laid = kernels.laid_out(expert.inner, (expert.inner,), rows)
        if laid is not None:
            return kernels.linear(expert.outer, kernels.product(rows, laid, activation))
    out = torch.empty_like(rows)
    for into, chunk in zip(out.split(most), rows.split(most), strict=True):
        expert.into(chunk, activation, into)
    return out
