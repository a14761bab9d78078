"""The overall board: each method over all tasks of a profile, from what `elue.ranking` says of each task.

A method's overall score is the mean of its `elue-1` over the tasks it covers. Tasks have different samples, so their
errors are independent: that of the mean is the root of the summed squares over the count. Ranks compare only methods
that cover every task of the profile, by the mean of their paired differences, corrected over all pairs (Holm).
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from elue.intervals import LEVEL, Estimate, from_error, holm, p_value, shared_ranks
from elue.ranking import TRUST

from .boards import Board, Curve, Run
from .summaries import division_of, track_of

if TYPE_CHECKING:
    from .site import Site


@dataclass(frozen=True, slots=True)
class Row:
    """A method under one profile. `tasks` are those it covers, of `of` that the profile has."""

    method: str
    family: str
    title: str
    profile: Any
    tasks: tuple[str, ...]
    of: int
    score: Estimate | None
    rank: int | None
    tied: int
    best: float
    flops: float
    touched: float | None
    trust: str
    division: str
    track: str
    runs: int
    front: int


@dataclass(frozen=True, slots=True)
class _Entry:
    """A method's curve on a board. Where it has several, that with the highest trust and most points, not the best."""

    board: Board
    curve: Curve

    @property
    def best(self) -> Run:
        return min(self.curve.runs, key=lambda run: (-run.score, run.cost, run.key))


def rows(site: Site) -> list[Row]:
    """Ranked rows first, then by tasks covered and score; within a profile."""
    groups: dict[str, list[Board]] = defaultdict(list)
    for task in site.tasks:
        seen: set[str] = set()
        for board in task.boards:  # full test boards come first
            digest = board.profile["digest"]
            if board.limit is None and digest not in seen:
                seen.add(digest)
                groups[digest].append(board)
    found = [row for boards in groups.values() for row in _profile(site, boards)]
    size = {digest: sum(len(board.runs) for board in boards) for digest, boards in groups.items()}
    return sorted(found, key=lambda row: (-size[row.profile["digest"]], row.profile["digest"], *_order(row)))


def _order(row: Row) -> tuple[Any, ...]:
    score = -row.score.value if row.score else math.inf
    return row.rank or math.inf, -len(row.tasks), score, -row.best, row.method


def _profile(site: Site, boards: Sequence[Board]) -> list[Row]:
    entries: dict[str, list[_Entry]] = defaultdict(list)
    for board in boards:
        for method in dict.fromkeys(curve.method for curve in board.curves):
            own = [curve for curve in board.curves if curve.method == method]
            entries[method].append(_Entry(board, min(own, key=_preference)))
    titles = {method.name: method.title for method in site.methods}
    scores = {method: _mean(site, own) for method, own in entries.items()}
    ranks = _ranks(site, {m: own for m, own in entries.items() if len(own) == len(boards) and scores[m]}, scores)
    return [
        _row(own, titles.get(method, method), len(boards), scores[method], ranks.get(method), list(ranks.values()))
        for method, own in entries.items()
    ]


def _preference(curve: Curve) -> tuple[Any, ...]:
    trust = min(TRUST.index(run.summary["trust"]) for run in curve.runs)
    return -trust, -len(curve.runs), curve.runs[0].summary["seed"], curve.id


def _mean(site: Site, own: Sequence[_Entry]) -> Estimate | None:
    """The mean of `elue-1`; None where a task has no score."""
    found = [site.score_of(entry.board).curves.get(entry.curve.id) for entry in own]
    estimates = [curve.elue_1 for curve in found if curve and curve.elue_1]
    return _mean_of(estimates) if len(estimates) == len(own) else None


def _mean_of(estimates: Sequence[Estimate]) -> Estimate:
    if len(estimates) == 1:
        return estimates[0]
    errors = [each.error for each in estimates if each.error is not None]
    error = math.sqrt(sum(each**2 for each in errors)) / len(estimates) if len(errors) == len(estimates) else None
    return from_error(sum(each.value for each in estimates) / len(estimates), error)


def _ranks(site: Site, entries: dict[str, list[_Entry]], scores: dict[str, Estimate | None]) -> dict[str, int]:
    """Shared ranks of the methods that cover every task."""
    names = [name for name in entries if all(_rank(site, entry) is not None for entry in entries[name])]
    if not names:
        return {}
    place = {name: i for i, name in enumerate(names)}
    differences: dict[tuple[int, int], list[Estimate]] = defaultdict(list)
    for index in range(len(entries[names[0]])):
        board = entries[names[0]][index].board
        scores_of = site.score_of(board)
        ids = {id(curve): name for name, curve in scores_of.curves.items()}
        owner = {entries[name][index].curve.id: place[name] for name in names}
        assert scores_of.scores is not None
        for pair in scores_of.scores.pairs:
            a, b = (owner.get(ids.get(id(scores_of.scores.curves[i]), "")) for i in (pair.a, pair.b))
            if a is not None and b is not None:
                differences[min(a, b), max(a, b)].append(_turned(pair.difference, a > b))
    means = {pair: _mean_of(found) for pair, found in differences.items()}
    adjusted = holm([p_value(mean) for mean in means.values()])
    worse = [
        (a, b) if mean.value > 0 else (b, a)
        for ((a, b), mean), p in zip(means.items(), adjusted, strict=True)
        if p <= LEVEL and mean.value
    ]
    values = [found.value if (found := scores[name]) else -math.inf for name in names]
    return dict(zip(names, shared_ranks(values, worse), strict=True))


def _rank(site: Site, entry: _Entry) -> int | None:
    curve = site.score_of(entry.board).curves.get(entry.curve.id)
    return curve.rank if curve else None


def _turned(difference: Estimate, turn: bool) -> Estimate:
    return Estimate(-difference.value, error=difference.error) if turn else difference


def _row(own: Sequence[_Entry], title: str, of: int, score: Estimate | None, rank: int | None, ranks: list[int]) -> Row:
    runs = [run for entry in own for run in entry.curve.runs]
    latest = runs[0].summary["method"]
    largest = max(runs, key=lambda run: (run.summary["params"] or {"total": -1})["total"])
    touched = [params["touched_mean"] for entry in own if (params := entry.best.summary["params"])]
    return Row(
        method=latest["name"],
        family=latest["family"],
        title=title,
        profile=own[0].board.profile,
        tasks=tuple(entry.board.task for entry in own),
        of=of,
        score=score,
        rank=rank,
        tied=ranks.count(rank) if rank else 0,
        best=sum(entry.best.score for entry in own) / len(own),
        flops=sum(entry.best.cost for entry in own) / len(own),
        touched=sum(touched) / len(touched) if len(touched) == len(own) else None,
        trust=min((run.summary["trust"] for run in runs), key=TRUST.index),
        division="open" if any(division_of(run.summary) == "open" for run in runs) else "closed",
        track=track_of(largest.summary),
        runs=len(runs),
        front=sum(run.on_front for run in runs),
    )
