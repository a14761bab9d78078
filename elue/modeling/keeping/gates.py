"""Gates: what decides in a pack which rows stay, from what is looked at in one layer.

A gate says which samples it asks at all at the point in force: where nothing can leave, nothing is reckoned. What it
computes rests on the number of a sample's rows alone; `close` marks the samples that noise could have decided.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from elue.modeling.keeping.masked import Site
from elue.modeling.ragged import Pack
from elue.modeling.running import DECISION_TOLERANCE, is_close

IMPORTANCE_TOLERANCE = 1.5e-5
"""A margin of received attention nearer to 0 than this, as a share, is left to the sample alone.

In packs and alone it was seen to differ by 5.9e-6 of itself at most, on six layers.
"""

Decision = tuple[np.ndarray, np.ndarray]
"""Which rows stay, (rows,), and for which samples that was close, (samples,). A sample's first row stays anyhow."""


@dataclass(frozen=True)
class Gate:
    """Who is asked, (samples,), and what is decided of those, from hidden rows or from received attention (rows,)."""

    site: Site
    asks: Callable[[Pack], np.ndarray]
    decide: Callable[[Pack, Tensor], Decision]
    diagonal: bool = True


def over(pack: Pack, margins: Tensor, tolerance: float) -> Decision:
    """Rows whose margin, (rows,), is 0 or more stay."""
    keep, close = (margins >= 0).numpy(), is_close(margins.numpy(), tolerance)
    first = pack.starts()
    keep[first], close[first] = True, False
    return keep, np.logical_or.reduceat(close, first)


def best(pack: Pack, received: Tensor, budgets: np.ndarray) -> Decision:
    """Of each sample the first row and the best of the others stay, so many in all as `budgets` (samples,) says.

    Of equals the first stays.
    """
    values = received.numpy().copy()
    values[pack.starts()] = np.inf
    keep, close = np.ones(pack.tokens, dtype=bool), np.zeros(len(pack.requests), dtype=bool)
    sample = 0
    for group in pack.groups():
        block = values[group.rows].reshape(group.samples, group.tokens)
        budget = np.clip(budgets[sample : sample + group.samples], 1, group.tokens)
        order = np.argsort(-block, axis=1, kind="stable")
        ranks = np.argsort(order, axis=1, kind="stable")
        keep[group.rows] = (ranks < budget[:, None]).reshape(-1)
        falling = np.take_along_axis(block, order, 1)
        last = np.take_along_axis(falling, budget[:, None] - 1, 1)[:, 0]
        following = np.take_along_axis(falling, np.minimum(budget, group.tokens - 1)[:, None], 1)[:, 0]
        inside = (budget > 1) & (budget < group.tokens)
        close[sample : sample + group.samples] = inside & (last < (1 + IMPORTANCE_TOLERANCE) * following)
        sample += group.samples
    return keep, close


def all_but_first(pack: Pack) -> np.ndarray:
    """The rows of a pack that may leave."""
    rows = np.ones(pack.tokens, dtype=bool)
    rows[pack.starts()] = False
    return np.flatnonzero(rows)


def judged(pack: Pack, predict: Callable[[Tensor], Tensor]) -> Decision:
    """Rows stay where `predict` says 0 or more; it sees all rows but each sample's first, (some, hidden) -> (some,)."""
    rows = all_but_first(pack)
    margins = predict(pack.rows.index_select(0, torch.from_numpy(rows)))
    keep, close = np.ones(pack.tokens, dtype=bool), np.zeros(pack.tokens, dtype=bool)
    keep[rows], close[rows] = (margins >= 0).numpy(), is_close(margins.numpy(), DECISION_TOLERANCE)
    return keep, np.logical_or.reduceat(close, pack.starts())


def everyone(pack: Pack) -> np.ndarray:
    """All samples are asked."""
    return np.ones(len(pack.requests), dtype=bool)


def nobody(pack: Pack) -> np.ndarray:
    """No sample is asked."""
    return np.zeros(len(pack.requests), dtype=bool)


def longer_than_one(pack: Pack) -> np.ndarray:
    """Those that have more than the first row are asked."""
    return np.asarray(pack.lengths) > 1
