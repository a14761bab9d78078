"""Searching options on validation data: which values are tried, and which trial is best."""

from __future__ import annotations

import itertools
import random
from collections.abc import Mapping, Sequence
from typing import Any

from elue.campaign.request import Trial
from elue.errors import ElueError
from elue.scores.curve import hull_mean

SPLIT = "validation"
"""The split that options are chosen on."""
Curve = Sequence[tuple[float, float]]
"""Points of a trial: FLOPs a sample, score in percent."""


def trials_of(search: Mapping[str, Any] | None, grid: Mapping[str, Sequence[Any]] | None) -> tuple[Trial, ...]:
    """The combinations that are tried, of a method's own grid or else the search's; none without a search.

    Where `trials` says how many, they are drawn by the search's seed. Raises ElueError where there are not so many.
    """
    if search is None:
        if grid is not None:
            raise ElueError("no_search", "a grid needs a table [search].")
        return ()
    grid = grid or search.get("grid")
    if grid is None:
        raise ElueError("no_grid", "[search] has no grid, so each method needs one of its own.")
    every = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    wanted = search.get("trials", len(every))
    if wanted > len(every):
        raise ElueError("small_grid", f"its grid has {len(every)} combinations, [search] asks for {wanted} trials.")
    kept = random.Random(search.get("seed", 0)).sample(range(len(every)), wanted)
    return tuple(every[place] for place in sorted(kept))


def best(curves: Sequence[Curve | None], floor: float) -> int | None:
    """The trial whose mixture hull is highest on average over the budgets that all trials span, in log FLOPs.

    None stands for one that failed; of equals the first is best, and None where all failed. `floor` is the score of an
    answer that costs nothing, which a trial has below its cheapest point.
    """
    costs = [cost for curve in curves if curve for cost, _ in curve]
    if not costs:
        return None
    low, high = min((cost for cost in costs if cost > 0), default=1.0), max(*costs, 1.0)
    means = [hull_mean(curve, low, high, floor) if curve else float("-inf") for curve in curves]
    return means.index(max(means))
