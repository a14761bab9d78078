"""How far a run's compute follows the single sample, and where its samples ended."""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

import numpy as np

from elue.record.schema import Samples
from elue.scores.resampling import Array


def spread(flops: Array, full: Array) -> float:
    """How unevenly a run computes beyond what length explains: the standard deviation of the logarithm of each
    sample's FLOPs over those of the full model on it. 0 of a static model, whatever its depth."""
    known = (flops > 0) & (full > 0)
    return float(np.std(np.log(flops[known] / full[known]))) if known.any() else 0.0


def ways_out(samples: Samples) -> list[tuple[str, int]]:
    """Where samples ended, and how many did, from the nearest way out on: the exit they left at, or the last model of
    a cascade, or the last layer that ran. From traces; empty without any."""
    if not samples.traces:
        return []
    names = [_end(tuple(unit for unit, _, _ in trace)) for trace in samples.traces]
    counts = Counter(names[place] for place in samples.trace_of)
    return [(name, counts[(order, name)]) for order, name in sorted(counts)]


@lru_cache(maxsize=4096)
def _end(units: tuple[str, ...]) -> tuple[int, str]:
    stages = list(
        dict.fromkeys(unit.split(".")[0] for unit in units if re.fullmatch(r"[a-z_]+\.[a-z_]+(\.\d+)?", unit))
    )
    if stages:
        return len(stages), f"model {len(stages)}: {stages[-1].replace('_', ' ')}"
    exits = [int(unit[5:]) for unit in units if re.fullmatch(r"exit\.\d{1,6}", unit)]
    if exits:
        return max(exits), f"exit {max(exits)}"
    layers = [int(number) for unit in units for number in re.findall(r"^[a-z_]+\.(\d{1,6})", unit)]
    return (max(layers), f"layer {max(layers)}") if layers else (0, "before any layer")
