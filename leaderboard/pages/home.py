"""The overall board: each method over all tasks of a profile, by the scores and ranks of `elue.scores.overall`."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import TYPE_CHECKING, Any

from elue import tasks
from elue.leaderboard.boards import Board, Curve, merit
from elue.leaderboard.scoring import Scored
from elue.leaderboard.summaries import is_published, track_of
from elue.record.schema import ProfileRef
from elue.scores import overall
from elue.scores.intervals import Estimate
from elue.scores.overall import OverallScore
from elue.scores.ranking import TRUST

if TYPE_CHECKING:
    from elue.leaderboard.site import Site


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A method under one profile. `tasks` are those it covers, of `of` that the profile has.

    `best`, `flops` and `touched` are means over tasks: of each task that of the best runs of its curves. A `published`
    row has numbers in it that nobody measured here. `these_weights` says of one with too few trainings how many it has.
    """

    method: str
    family: str
    title: str
    profile: ProfileRef
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
    published: bool
    these_weights: str


def rows(site: Site) -> list[MethodRow]:
    """Ranked rows first, then by tasks covered and score; within a profile, that with the most runs first."""
    groups: dict[tuple[str, str], list[Board]] = defaultdict(list)
    for task in site.tasks:
        seen: set[tuple[str, str]] = set()
        for board in task.boards:  # full test boards come first
            conditions = board.profile.digest, board.key.measure
            if board.limit is None and conditions not in seen:
                seen.add(conditions)
                groups[conditions].append(board)
    for conditions, boards in groups.items():
        real = [board for board in boards if not _generated(board.task)]
        groups[conditions] = real or boards
    largest = sorted(groups, key=lambda conditions: (-sum(len(board.runs) for board in groups[conditions]), conditions))
    return [row for conditions in largest for row in sorted(_profile(site, groups[conditions]), key=_order)]


def _generated(task: str) -> bool:
    """Whether a task's texts are made up by rule: good for trying things out, and for no rank."""
    return task in tasks.names() and tasks.get(task).generated


def _order(row: MethodRow) -> tuple[Any, ...]:
    score = -row.score.value if row.score else math.inf
    return row.rank or math.inf, -len(row.tasks), score, -row.best, row.method


def _profile(site: Site, boards: Sequence[Board]) -> list[MethodRow]:
    known = [scores for board in boards if (scores := site.score_of(board).scores)]
    scored = {score.method: score for score in overall.overall(known)}
    few = {method: reason for board in reversed(boards) for method, reason in _few(site.score_of(board)).items()}
    rankless = {*few, *(method for board in boards if _generated(board.task) for method in scored)}
    scored = {name: replace(score, rank=None) if name in rankless else score for name, score in scored.items()}
    ranks = [score.rank for score in scored.values()]
    titles = {method.name: method.title for method in site.methods}
    entries: dict[str, list[list[Curve]]] = defaultdict(list)
    for board in boards:
        of_board: dict[str, list[Curve]] = defaultdict(list)
        for curve in board.curves:
            of_board[curve.method].append(curve)
        for method, curves in of_board.items():
            entries[method].append(curves)
    return [
        _row(boards, own, titles.get(method, method), scored.get(method), ranks, few.get(method, ""))
        for method, own in entries.items()
    ]


def _few(scored: Scored) -> dict[str, str]:
    """Of methods that have no rank on a board for want of trainings, their own or the reference's, why."""
    without = {curve.method for curve in scored.curves.values() if scored.rank_of(curve) is None and curve.rank}
    return dict.fromkeys(without, "") | scored.these_weights


def _row(
    boards: Sequence[Board],
    own: Sequence[Sequence[Curve]],
    title: str,
    score: OverallScore | None,
    ranks: Sequence[int | None],
    few: str,
) -> MethodRow:
    runs = [run for curves in own for curve in curves for run in curve.runs]
    best = [[min(curve.runs, key=merit) for curve in curves] for curves in own]
    touched = [[params.touched_mean for run in of_task if (params := run.record.params)] for of_task in best]
    largest = max(runs, key=lambda run: run.record.params.total if run.record.params else -1)
    first = runs[0].record.method
    covered = {run.record.task.name: None for run in runs}
    return MethodRow(
        method=first.name,
        family=first.family,
        title=title,
        profile=boards[0].profile,
        tasks=score.tasks if score else tuple(covered),
        of=score.of if score else len(boards),
        score=score.elue_1 if score else None,
        rank=score.rank if score else None,
        tied=ranks.count(score.rank) if score and score.rank else 0,
        best=fmean(fmean(run.score for run in of_task) for of_task in best),
        flops=fmean(fmean(run.cost for run in of_task) for of_task in best),
        touched=fmean(map(fmean, touched)) if all(touched) else None,
        trust=min((run.record.trust for run in runs), key=TRUST.index),
        division="open" if any(run.record.division == "open" for run in runs) else "closed",
        track=track_of(largest.record),
        published=any(is_published(run.record) for run in runs),
        these_weights=few,
    )
