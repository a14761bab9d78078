"""Tracks: boards on which only runs within a cap take part, such as `params<=40M` or `flops<=500M`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from elue.errors import ElueError
from elue.record.schema import Record

Kind = Literal["params", "touched", "flops"]
KINDS: tuple[Kind, ...] = ("params", "touched", "flops")
UNITS = {"": 1, "K": 10**3, "M": 10**6, "G": 10**9, "B": 10**9, "T": 10**12}


@dataclass(frozen=True, slots=True)
class Track:
    """A cap on the parameters of a model, on those that a sample reads on average, or on mean FLOPs a sample."""

    kind: Kind
    cap: float

    def __str__(self) -> str:
        unit = max((u for u in ("", "K", "M", "G", "T") if self.cap >= UNITS[u]), key=UNITS.__getitem__, default="")
        return f"{self.kind}<={self.cap / UNITS[unit]:g}{unit}"

    def allows(self, params: float | None, touched: float | None, flops: float) -> bool:
        """Whether a run with these numbers takes part. One whose number is unknown does not."""
        number = {"params": params, "touched": touched, "flops": flops}[self.kind]
        return number is not None and number <= self.cap


PARAMETER_TRACKS = tuple(Track("params", cap * 1e6) for cap in (40, 55, 70, 110))
"""The tracks of the 2022 leaderboard."""


def parse(text: str) -> Track:
    """The track that a text such as `params<=40M` names. Raises ElueError `bad_track`."""
    matched = re.fullmatch(r"\s*([a-z]+)\s*(?:<=|≤)\s*([0-9.]+(?:e[0-9]+)?)\s*([KMGBT]?)\s*", text)
    kind = next((kind for kind in KINDS if matched and matched[1] == kind), None)
    try:
        cap = float(matched[2]) * UNITS[matched[3]] if matched else 0.0
    except ValueError:
        cap = 0.0
    if kind is None or cap <= 0:
        hint = f"Write one of {', '.join(f'{kind}<=NUMBER' for kind in KINDS)}; NUMBER may end in K, M, G or T."
        raise ElueError("bad_track", f"'{text}' is no track.", hint)
    return Track(kind, cap)


def within(records: Iterable[Record], track: Track) -> list[Record]:
    """The runs that take part in a track; one that was not measured does not."""
    return [
        record
        for record in records
        if record.flops
        and track.allows(
            record.params.total if record.params else None,
            record.params.touched_mean if record.params else None,
            record.flops.mean,
        )
    ]
