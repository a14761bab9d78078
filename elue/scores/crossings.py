"""Which rule on which training: curves of the same weights under many rules, side by side against one yardstick."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from elue.record.board import CurveKey, counts, curve_of
from elue.record.schema import Record
from elue.scores.contributions import contributions
from elue.scores.folds import folds_of
from elue.scores.intervals import Estimate
from elue.scores.leads import SHARES, Compared, Sampled, Scale, areas_of, scale_of
from elue.scores.resampling import Column, column_of, side_by_side
from elue.scores.trainings import Difference

DRAWS = 1000
"""Draws of the samples behind an interval and a chance."""
RULE = "rule"
SAME = 1e-3
"""Points of quality within which leads tie: draws of like curves come apart by rounding."""


@dataclass(frozen=True, slots=True)
class Alternative:
    """One of several curves of the same training: its lead, that at half of full compute, its chance to be the best."""

    lead: Difference
    half: Difference
    best: float


def alternatives(curves: Sequence[Sampled], scale: Scale) -> list[Alternative]:
    """Curves that one training could have, each by itself measured by the yardstick.

    The chance to be the best is the share of draws of the samples, the same for all, in which the lead is the largest;
    curves that tie share it.
    """
    areas, weights = areas_of(curves, scale)
    drawn = areas[1][:, :, 0]
    first = drawn >= drawn.max(axis=1, keepdims=True) - SAME
    chances = (first / first.sum(axis=1, keepdims=True)).mean(axis=0)
    measured = []
    for place, best in enumerate(chances.tolist()):
        own = areas[0][:, place : place + 1], areas[1][:, place : place + 1]
        compared = Compared(scale, own, weights[place])
        lead, half = (compared.over(scale.areas, window) for window in (0, 1 + SHARES.index(1 / 2)))
        measured.append(Alternative(lead, half, best))
    return measured


@dataclass(frozen=True, slots=True)
class Cell:
    """A training under a rule: its lead over the yardstick, over the whole range and at half of full compute.

    Intervals are those of these weights. `best` is the chance that its lead is the largest of the row, `own` whether
    the rule is its method's own.
    """

    own: bool
    lead: Estimate
    half: Estimate
    best: float
    points: int
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Row:
    """A training: a cell for each rule that it was asked by, and why it can't be asked by others, as far as known."""

    curve: CurveKey
    family: str
    cells: Mapping[str, Cell]
    missing: Mapping[str, str]

    @property
    def first(self) -> str:
        """The rule with the largest lead."""
        return max(self.cells, key=lambda rule: self.cells[rule].lead.value)


@dataclass(frozen=True, slots=True)
class Matrix:
    """Trainings by rules, on a board; `rules` begins with those that most trainings were asked by."""

    rules: tuple[str, ...]
    rows: tuple[Row, ...]

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        return {"rules": self.rules, "rows": [asdict(row) for row in self.rows]}


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The runs, by key, that others are measured by, the budgets in FLOPs, and clusters of samples, if any."""

    keys: frozenset[str]
    low: float
    high: float
    clusters: tuple[int, ...] = ()


def matrix(records: Iterable[Record], yardstick: Yardstick, draws: int = DRAWS) -> Matrix:
    """The matrix of the trainings that have crossings, from whole records of one board, which may come one by one.

    Raises ElueError `samples_differ` where they did not answer the same samples.
    """
    static: dict[CurveKey, list[Column]] = defaultdict(list)
    asked: dict[CurveKey, dict[str, list[tuple[Record, Column]]]] = defaultdict(lambda: defaultdict(list))
    ids: tuple[str, ...] = ()
    for record in records:
        if not counts(record) or record.samples is None:
            continue
        column, rule = column_of(record), record.point.get(RULE)
        if record.key in yardstick.keys:
            static[curve_of(record)].append(column)
            ids = record.samples.id
        elif isinstance(rule, str):
            asked[curve_of(record)][rule].append((record.model_copy(update={"samples": None}), column))
    scale = scale_of(
        [_sampled(columns) for _, columns in sorted(static.items(), key=str)],
        folds_of(ids, yardstick.clusters),
        yardstick.low,
        yardstick.high,
        draws,
        seed=0,
    )
    rows = []
    for curve, by_rule in sorted(asked.items(), key=lambda item: (item[0].method, item[0].seed, str(item[0]))):
        runs = [record for pairs in by_rule.values() for record, _ in pairs]
        if not any(record.crossing for record in runs):
            continue
        curves = [_sampled([column for _, column in pairs]) for pairs in by_rule.values()]
        cells = {
            rule: Cell(
                own=not any(record.crossing for record, _ in pairs),
                lead=measured.lead.estimate,
                half=measured.half.estimate,
                best=measured.best,
                points=len(pairs),
                keys=tuple(record.key for record, _ in pairs),
            )
            for (rule, pairs), measured in zip(by_rule.items(), alternatives(curves, scale), strict=True)
        }
        rows.append(Row(curve, runs[0].method.family, cells, missing_of(runs[0])))
    return Matrix(_ordered(rows), tuple(rows))


def missing_of(record: Record) -> dict[str, str]:
    """By rule why a training can't be asked by it, as its weights tell."""
    told = ((record.weights.training if record.weights else None) or {}).get("crossings")
    return {str(rule): str(why) for rule, why in told.items()} if isinstance(told, dict) else {}


def _ordered(rows: Sequence[Row]) -> tuple[str, ...]:
    many = {rule: sum(rule in row.cells for row in rows) for row in rows for rule in (*row.cells, *row.missing)}
    return tuple(sorted(many, key=lambda rule: (-many[rule], rule)))


def _sampled(columns: Sequence[Column]) -> Sampled:
    answered = side_by_side(columns)
    return Sampled(answered.flops, contributions(answered))
