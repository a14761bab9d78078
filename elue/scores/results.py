"""The shape of a board's scores: curves, points and pairs, as plain data."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from elue.scores.intervals import Estimate
from elue.scores.pareto import CostScore


@dataclass(frozen=True, slots=True)
class PointScore:
    """A run: score in percent and mean FLOPs a sample with intervals, and how sure it is to be on the board's front."""

    key: str
    score: Estimate
    flops: Estimate
    on_front: bool
    front_probability: float | None


@dataclass(frozen=True, slots=True)
class CurveScore:
    """A curve: its scores against the reference, None without one.

    `best` is the best score of a point in
    percent, `params` the most parameters of a point, `touched` the most that a sample of a point reads on average.
    """

    method: str
    source_digest: str
    weights_digest: str | None
    seed: int
    elue_1: Estimate | None
    elue_2022: Estimate | None
    points: int
    best: float
    params: int | None
    touched: float | None
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two curves, by their places on the board: `a` minus `b` in `elue-1`, and the paired test of that difference.

    `p` is two-sided and of this pair alone, None where nothing varies.
    """

    a: int
    b: int
    difference: Estimate
    p: float | None


@dataclass(frozen=True, slots=True)
class BoardScores:
    """The scores of a board: curves from the best `elue_1` on, points by rising cost, pairs that can be tested.

    `reference` is the place of the reference curve among the curves, None where there is none; `yardstick` are its
    points, `low` and `high` the budgets in FLOPs between which `elue_1` is taken, `floor` the score of a guess.
    """

    task: str
    split: str
    revision: str
    limit: int | None
    profile: str
    profile_digest: str
    measure: str
    metric: str
    samples: int
    track: str | None
    reference: int | None
    yardstick: tuple[CostScore, ...]
    low: float | None
    high: float | None
    floor: float
    resamples: int
    seed: int
    curves: tuple[CurveScore, ...]
    points: tuple[PointScore, ...]
    pairs: tuple[Pair, ...]

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return asdict(self)
