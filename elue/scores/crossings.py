"""Which rule on which training: curves of the same weights under many rules, side by side against one yardstick.

What holds for some weights alone is a row a training; a row a method has the mean over its trainings, with an interval
that carries them, too.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from elue.record.board import CurveKey, counts, curve_of
from elue.record.schema import Record
from elue.scores.contributions import contributions
from elue.scores.folds import folds_of
from elue.scores.intervals import Estimate
from elue.scores.leads import SHARES, Compared, Sampled, Scale, areas_of, scale_of
from elue.scores.resampling import Array, Column, column_of, side_by_side
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
    chances = _chances(areas[1][:, :, 0])
    return [Alternative(*_leads(areas, weights, [place], scale), best) for place, best in enumerate(chances)]


def _chances(drawn: Array) -> list[float]:
    """How often each column has the largest value of its row, those that tie a part of it each."""
    first = drawn >= drawn.max(axis=1, keepdims=True) - SAME
    chances: list[float] = (first / first.sum(axis=1, keepdims=True)).mean(axis=0).tolist()
    return chances


def _leads(
    areas: tuple[Array, Array], weights: Array, own: Sequence[int], scale: Scale
) -> tuple[Difference, Difference]:
    """The lead of these trainings, over the whole range and at half of full compute."""
    places = list(own)
    compared = Compared(scale, (areas[0][:, places], areas[1][:, places]), weights[places].mean(axis=0))
    return compared.over(scale.areas, 0), compared.over(scale.areas, 1 + SHARES.index(1 / 2))


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
class Mean:
    """A method under a rule: the mean lead of those of its trainings that were asked by it.

    Intervals hold for further trainings, too, where `general` says so: there both sides have several. `best` is the
    chance over samples that these trainings' mean lead is the largest of the row, None where one of them was not asked
    by the rule. In so many of the `trainings` the rule is `first`.
    """

    own: bool
    lead: Estimate
    half: Estimate
    best: float | None
    trainings: int
    first: int
    general: bool


@dataclass(frozen=True, slots=True)
class Together:
    """The trainings of a method with one source, by rule, and why some can't be asked by others."""

    method: str
    source_digest: str
    family: str
    trainings: tuple[CurveKey, ...]
    cells: Mapping[str, Mean]
    missing: Mapping[str, str]

    @property
    def first(self) -> str:
        """The rule with the largest lead, of those that most trainings were asked by."""
        return max(self.cells, key=lambda rule: (self.cells[rule].trainings, self.cells[rule].lead.value))


@dataclass(frozen=True, slots=True)
class Matrix:
    """Trainings by rules, on a board; `rules` begins with those that most trainings were asked by.

    `methods` has the same, method by method, over its trainings.
    """

    rules: tuple[str, ...]
    rows: tuple[Row, ...]
    methods: tuple[Together, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """All of it as plain data."""
        rows, methods = ([asdict(row) for row in of] for of in (self.rows, self.methods))
        return {"rules": self.rules, "rows": rows, "methods": methods}


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The runs, by key, that others are measured by, the budgets in FLOPs, and clusters of samples, if any."""

    keys: frozenset[str]
    low: float
    high: float
    clusters: tuple[int, ...] = ()


def matrix(records: Iterable[Record], yardstick: Yardstick, draws: int = DRAWS) -> Matrix:
    """The matrix of the trainings that were asked by several rules or by another's, from whole records of one board.

    These may come one by one, in any order: draws belong to columns, whose order is that of their runs' keys.

    Raises ElueError `samples_differ` where they did not answer the same samples.
    """
    static: dict[CurveKey, dict[str, Column]] = defaultdict(dict)
    asked: dict[CurveKey, dict[str, list[tuple[Record, Column]]]] = defaultdict(lambda: defaultdict(list))
    ids: tuple[str, ...] = ()
    for record in records:
        if not counts(record) or record.samples is None:
            continue
        column, rule = column_of(record), record.point.get(RULE)
        if record.key in yardstick.keys:
            static[curve_of(record)][record.key] = column
            ids = record.samples.id
        elif isinstance(rule, str):
            asked[curve_of(record)][rule].append((record.model_copy(update={"samples": None}), column))
    scale = scale_of(
        [_sampled([static[curve][key] for key in sorted(static[curve])]) for curve in sorted(static, key=str)],
        folds_of(ids, yardstick.clusters),
        yardstick.low,
        yardstick.high,
        draws,
        seed=0,
    )
    rows, whole = [], {}
    for curve, told in sorted(asked.items(), key=lambda item: (item[0].method, item[0].seed, str(item[0]))):
        by_rule = {rule: sorted(told[rule], key=lambda pair: pair[0].key) for rule in sorted(told)}
        runs = [record for pairs in by_rule.values() for record, _ in pairs]
        if len(by_rule) < 2 and not any(record.crossing for record in runs):
            continue
        whole[curve] = {rule: _sampled([column for _, column in pairs]) for rule, pairs in by_rule.items()}
        cells = {
            rule: Cell(
                own=not any(record.crossing for record, _ in pairs),
                lead=measured.lead.estimate,
                half=measured.half.estimate,
                best=measured.best,
                points=len(pairs),
                keys=tuple(record.key for record, _ in pairs),
            )
            for (rule, pairs), measured in zip(
                by_rule.items(), alternatives(list(whole[curve].values()), scale), strict=True
            )
        }
        rows.append(Row(curve, runs[0].method.family, cells, missing_of(runs[0])))
    groups: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        groups[row.curve.method, row.curve.source_digest].append(row)
    return Matrix(_ordered(rows), tuple(rows), tuple(_together(own, whole, scale) for own in groups.values()))


def _together(rows: Sequence[Row], curves: Mapping[CurveKey, Mapping[str, Sampled]], scale: Scale) -> Together:
    """A method's trainings under each rule, all on the same draws of the samples."""
    asked = [(rule, row.curve) for row in rows for rule in row.cells]
    areas, weights = areas_of([curves[curve][rule] for rule, curve in asked], scale)
    places: dict[str, list[int]] = defaultdict(list)
    for place, (rule, _) in enumerate(asked):
        places[rule].append(place)
    by_all = [rule for rule, own in places.items() if len(own) == len(rows)]
    drawn = [areas[1][:, places[rule], 0].mean(axis=1) for rule in by_all]
    chances = dict(zip(by_all, _chances(np.stack(drawn, axis=1)), strict=True)) if drawn else {}
    cells = {}
    for rule, own in places.items():
        lead, half = _leads(areas, weights, own, scale)
        cells[rule] = Mean(
            own=any(row.cells[rule].own for row in rows if rule in row.cells),
            lead=lead.estimate,
            half=half.estimate,
            best=chances.get(rule),
            trainings=len(own),
            first=sum(row.first == rule for row in rows),
            general=lead.general,
        )
    head = rows[0]
    missing = {rule: why for row in rows for rule, why in row.missing.items()}
    trainings = tuple(row.curve for row in rows)
    return Together(head.curve.method, head.curve.source_digest, head.family, trainings, cells, missing)


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
