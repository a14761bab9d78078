"""What pages show of a run's single samples, drawn from its whole record and small enough to keep for every run."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from elue.leaderboard import experts, samplefiles
from elue.record.schema import Record, Samples

BINS = 24


@dataclass(frozen=True, slots=True)
class Spend:
    """How one unit of the model was used: `share` of the samples ran it, on `rows` rows (tokens) a sample that did.

    `layer` is the layer's number, 0 for a unit that belongs to none; `expert` its number, if the unit is one. `flops`
    is what it takes of the mean FLOPs a sample, None where the record does not tell.
    """

    unit: str
    kind: str
    layer: int
    expert: int | None
    share: float
    rows: float
    flops: float | None = None


@dataclass(frozen=True, slots=True)
class Detail:
    """FLOPs over samples as counts in `BINS` bins, equal in log FLOPs from `low` to `high`, and the use of units.

    `words` names of each expert, by layer and number, the words that it gets; of tasks whose texts may be shown.
    """

    low: float
    high: float
    bins: tuple[int, ...]
    spend: tuple[Spend, ...]
    explained: tuple[str, ...]
    samples: int
    words: Mapping[experts.Place, tuple[experts.Word, ...]] = field(default_factory=dict)

    @property
    def spread(self) -> experts.Spread | None:
        """How tokens spread over experts; None of a model that has none."""
        return experts.spread_of(
            experts.Use(s.kind, (s.layer, s.expert or 0), s.share * s.rows, s.share)
            for s in self.spend
            if s.kind != "expert" or s.expert is not None
        )


def detail_of(record: Record, low: float, high: float) -> Detail | None:
    """The detail of a run whose board spans these FLOPs; None for a record without samples."""
    if record.samples is None:
        return None
    return Detail(
        low=low,
        high=high,
        bins=histogram(record.samples.flops, low, high),
        spend=spend_of(record.samples, record.units),
        explained=tuple(sample.id for sample in record.explained),
        samples=len(record.samples.id),
        words=experts.words_of(record.explained) if samplefiles.shippable(record.task.name) else {},
    )


def histogram(values: Sequence[float], low: float, high: float, bins: int = BINS) -> tuple[int, ...]:
    """Counts of the values in bins of equal width in their logarithm; what lies outside counts at the edge."""
    width = math.log(high / low) if high > low > 0 else 0.0
    if not width:
        return (len(values), *(0,) * (bins - 1))
    at = bins * np.log(np.maximum(np.array(values, dtype=float), low) / low) / width
    return tuple(np.bincount(np.minimum(at.astype(int), bins - 1), minlength=bins).tolist())


def spend_of(samples: Samples, flops: Mapping[str, float] | None = None) -> tuple[Spend, ...]:
    """The use of every unit in the traces, by layer, in the order in which a layer first runs them.

    `flops` is the mean FLOPs a sample of each unit, where they are known.
    """
    taken = [0] * len(samples.traces)
    for place in samples.trace_of:
        taken[place] += 1
    ran: dict[str, int] = defaultdict(int)
    rows: dict[str, int] = defaultdict(int)
    order: dict[str, int] = {}
    for trace, times_taken in zip(samples.traces, taken, strict=True):
        for unit, shape, times in trace:
            order.setdefault(unit, len(order))
            rows[unit] += times_taken * times * (shape[0] if shape else 1)
        for unit in {unit for unit, _, _ in trace}:
            ran[unit] += times_taken
    total = len(samples.trace_of)
    spends = [
        Spend(unit, *_parts(unit), ran[unit] / total, rows[unit] / ran[unit], (flops or {}).get(unit))
        for unit in order
        if total and ran[unit]
    ]
    kinds = {kind: place for place, kind in enumerate(dict.fromkeys(s.kind for s in spends))}
    return tuple(sorted(spends, key=lambda s: (s.layer, kinds[s.kind], s.expert or 0, order[s.unit])))


def _parts(unit: str) -> tuple[str, int, int | None]:
    """Kind, layer and expert in a unit's name, as in `expert.3.1`."""
    match = re.fullmatch(r"(.*?)(?:\.(\d{1,6}))?(?:\.(\d{1,6}))?", unit)
    if not match:
        return unit, 0, None
    kind, layer, expert = match.groups()
    return kind, int(layer or 0), int(expert) if expert is not None else None
