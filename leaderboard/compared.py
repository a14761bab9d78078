"""What the comparison of two curves shows: differences at budgets by `elue.scores`, and the pair that it opens on."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import TYPE_CHECKING, Any

from elue.errors import ElueError
from elue.leaderboard import claims
from elue.leaderboard.boards import Board, Curve, ShownRun, merit
from elue.leaderboard.claims import CameOut
from elue.leaderboard.publish import File
from elue.leaderboard.samplefiles import data_file
from elue.leaderboard.text import clean
from elue.scores.comparing import FEWEST
from elue.scores.intervals import Estimate
from elue.scores.kept import kept, outcome
from elue.scores.pairwise import Apart, CurvePoints, Word, apart, word_of
from elue.scores.resampling import Column, resample, side_by_side
from elue.scores.results import BoardScores, Pair

if TYPE_CHECKING:
    from elue.leaderboard.standings import Ranking

WORDS: tuple[Word, ...] = ("level", "likely", "sure")
OPENS_AT = 0.4
"""The part of full compute that the page opens on."""


@dataclass(frozen=True)
class AtBudget:
    """Two curves at a budget in FLOPs: their hulls' scores, the difference, and each one's best point within it."""

    budget: float
    a: float
    b: float
    difference: Estimate
    word: Word
    points: tuple[ShownRun | None, ShownRun | None]

    @property
    def extra(self) -> float | None:
        """How much more the best point of A within the budget costs than that of B, as a share; less is negative."""
        first, second = self.points
        return first.cost / second.cost - 1 if first and second and second.cost else None


@dataclass(frozen=True)
class Opening:
    """The pair of a board that the page opens on. `full` is what all of the reference costs, `mean` the difference in
    `elue-1`, `place` the budget to begin with."""

    a: Curve
    b: Curve
    full: float
    rows: tuple[AtBudget, ...]
    mean: Pair | None
    place: int


Drawn = Mapping[str, CurvePoints]
"""Curves by their ids, with what they are on each resample."""


def drawn_of(board: Board, scores: BoardScores, columns: Mapping[str, Column], clusters: Sequence[int]) -> Drawn:
    """All curves of a scored board whose samples are known; none without a reference, and on too few samples."""
    if scores.low is None or scores.high is None or (len(set(clusters)) or scores.samples) < FEWEST:
        return {}
    places = {key: place for place, key in enumerate(columns)}
    known = [curve for curve in board.curves if all(run.key in places for run in curve.runs)]
    if not known:
        return {}
    try:
        drawn = resample(side_by_side(list(columns.values())), scores.resamples, scores.seed, clusters)
    except ElueError:
        return {}
    curves = {}
    for curve in known:
        own = [places[run.key] for run in curve.runs]
        points = [(run.cost, run.score) for run in curve.runs]
        curves[curve.id] = CurvePoints(points, (drawn.flops[:, own], drawn.scores[:, own]))
    return curves


def apart_of(scores: BoardScores, drawn: Drawn) -> Apart | None:
    """All these curves at budgets of the range of the score; None where there are none."""
    if not drawn or scores.low is None or scores.high is None:
        return None
    return apart(drawn, scores.low, scores.high, scores.floor)


def came_out(
    board: Board, scores: BoardScores, drawn: Drawn, ranking: Ranking, clusters: Sequence[int]
) -> list[CameOut]:
    """What a board says of the claims of its methods' papers, against the full model: the dearest point of all of the
    edition's yardstick where one ranks the board, else of the reference."""
    full = _yardstick(board, scores, drawn, ranking)
    if not full:
        return []
    samples = len(set(clusters)) or scores.samples
    whole = fmean(max(cost for cost, _ in of.points) for of in full)
    said = []
    for claim in claims.shipped():
        own = [drawn[curve.id] for curve in board.by_method.get(claim.method, ()) if curve.id in drawn]
        if not own or claim.compute is None or claim.beside == "itself":
            continue
        difference = kept(own, full, claim.compute, scores.floor, samples)
        reaches = all(min(cost for cost, _ in of.points) <= claim.compute * whole for of in own)
        verdict = outcome(difference.estimate, claim.loss) if claim.loss is not None and reaches else None
        said.append(CameOut(claim, difference.estimate, verdict, len(own), len(full), reaches))
    return said


def _yardstick(board: Board, scores: BoardScores, drawn: Drawn, ranking: Ranking) -> list[CurvePoints]:
    """The trainings of the full model: one alone may be better or worse than most by more than a claim is about."""
    curve_of = {run.key: run.curve for run in board.runs}
    if ranking.standing:
        keys: Sequence[str] = ranking.standing.yardstick_keys
    else:
        keys = scores.curves[scores.reference].keys[:1] if scores.reference is not None else ()
    ids = dict.fromkeys(curve_of.get(key, "") for key in keys)
    return [drawn[name] for name in ids if name in drawn]


def opening(board: Board, scores: BoardScores, told: Apart, ranking: Ranking) -> Opening | None:
    """Rank 1 against the reference; where nothing has rank 1, what leads by `elue-1`. None of a board of one curve."""
    curve_of = {run.key: run.curve for run in board.runs}
    ids = [curve_of[curve.keys[0]] for curve in scores.curves]
    reference = ids[scores.reference] if scores.reference is not None else ""
    others = [name for name in ids if name in told.names and name != reference]
    if reference not in told.names or not others:
        return None
    rows = ranking.standing.rows if ranking.standing else ()
    first = {curve_of[key] for row in rows if row.tested.rank == 1 for key in row.keys if key in curve_of}
    chosen = next((name for name in others if name in first), others[0])
    budgets = told.budgets
    place = min(range(len(budgets)), key=lambda i: abs(budgets[i] / budgets[-1] - OPENS_AT))
    mean = pair_of(scores.pairs, ids.index(chosen), ids.index(reference))
    a, b = board.curve(chosen), board.curve(reference)
    return Opening(a, b, budgets[-1], tuple(_rows(a, b, told)), mean, place)


def pair_of(pairs: Sequence[Pair], a: int, b: int) -> Pair | None:
    """The pair of two places, the way round that is asked for."""
    for pair in pairs:
        if (pair.a, pair.b) == (a, b):
            return pair
        if (pair.a, pair.b) == (b, a):
            return Pair(a, b, turned(pair.difference), pair.p)
    return None


def turned(difference: Estimate) -> Estimate:
    """The same difference the other way round."""
    low, high = difference.low, difference.high
    return Estimate(-difference.value, None if high is None else -high, None if low is None else -low, difference.error)


def _rows(a: Curve, b: Curve, told: Apart) -> Iterator[AtBudget]:
    first, second = (told.levels[told.names.index(curve.id)].tolist() for curve in (a, b))
    rows = zip(told.budgets, first, second, told.difference(a.id, b.id), told.words(a.id, b.id), strict=True)
    for budget, level, other, difference, word in rows:
        yield AtBudget(budget, level, other, difference, word, (within(a, budget), within(b, budget)))


def within(curve: Curve, budget: float) -> ShownRun | None:
    """The best point of a curve that costs no more than the budget; of equal scores the cheapest."""
    return min((run for run in curve.runs if run.cost <= budget), key=merit, default=None)


def files(board: Board, scores: BoardScores, told: Apart) -> Iterator[File]:
    """What the page's script loads: the curves of a board, and of each what it has above all that come after it."""
    curve_of = {run.key: run.curve for run in board.runs}
    place_of = {curve_of[curve.keys[0]]: place for place, curve in enumerate(scores.curves)}
    mean_of = {(pair.a, pair.b): pair for pair in scores.pairs}
    content = {
        "budgets": list(told.budgets),
        "curves": list(told.names),
        "levels": [[round(100 * level) for level in levels] for levels in told.levels.tolist()],
        "corners": [[[cost, round(score, 4)] for cost, score in corners] for corners in told.corners],
    }
    yield data_file(f"samples/{board.id}-pairs", content)
    for place, name in enumerate(told.names):
        own = {}
        for other in told.names[place + 1 :]:
            a, b = place_of[name], place_of[other]
            mean = mean_of.get((a, b)) or ((pair := mean_of.get((b, a))) and _turned(pair))
            own[other] = _pair(told, name, other, mean)
        yield data_file(f"samples/{board.id}-pairs-{name}", own)


def _turned(pair: Pair) -> Pair:
    return Pair(pair.b, pair.a, turned(pair.difference), pair.p)


def _pair(told: Apart, a: str, b: str, mean: Pair | None) -> dict[str, Any]:
    """At each budget difference, low and high in hundredths of a point, and the place of the word in `WORDS`."""
    differences = told.difference(a, b)
    at = [_hundredths(difference) for difference in differences]
    words = "".join(str(WORDS.index(word_of(difference, len(told.budgets)))) for difference in differences)
    return {"at": at, "words": words, "mean": [*_hundredths(mean.difference), mean.p] if mean else None}


def _hundredths(of: Estimate) -> list[int | None]:
    return [None if value is None else round(100 * value) for value in (of.value, of.low, of.high)]


@dataclass(frozen=True)
class Overall:
    """What the first page tells of a board's methods: their leads over its static model, over all their trainings.

    By the rules of an `edition`, its title, with its page at `path`; without one, for these weights.
    """

    static: str
    leads: Mapping[str, Estimate]
    edition: str = ""
    path: str = ""

    def of(self, *methods: str) -> list[tuple[str, Estimate]]:
        """Those of these methods that have a lead, each once; the static model has none over itself."""
        return [(name, self.leads[name]) for name in dict.fromkeys(methods) if name in self.leads]


Shown = tuple[Board, str, Opening, Overall]
"""A board that can be compared on, its title, what it opens on, and what the first page says there."""


def index_file(shown: Iterable[Shown]) -> File:
    """Which boards and curves can be compared, by titles, what each board opens on, and the leads of its methods."""
    content = [
        {
            "board": board.id,
            "title": clean(title),
            "curves": [[curve.id, clean(curve.label), clean(curve.method)] for curve in board.curves],
            "opens": [told.a.id, told.b.id, told.place],
            "full": told.full,
            "overall": {
                "static": clean(overall.static),
                "edition": clean(overall.edition),
                "path": overall.path,
                "leads": {clean(name): [lead.value, lead.low, lead.high] for name, lead in overall.leads.items()},
            },
        }
        for board, title, told, overall in shown
    ]
    return data_file("compare", content)
