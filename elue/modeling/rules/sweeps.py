"""Which settings of a rule are worth measuring, by the signals of validation samples."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from elue.modeling import signals
from elue.modeling.ladder import simulate
from elue.modeling.rules.registry import RULES, Ladder, rule_at, why_not
from elue.modeling.signals import Signals
from elue.modeling.sweep import SWEEP_POINTS, Tried, choose, thresholds
from elue.protocol import Point

CANDIDATES = 500
"""Thresholds that are tried on one statistic."""
STREAKS = (1, 2, 3)
"""How many exits in a row must be sure, or near one another, in a sweep that sets a threshold as well."""
RISKS = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5)
"""Risks of the conformal rule."""


@dataclass(frozen=True)
class Statistic:
    """What a rule compares with a threshold: `over` it, or else under it, a sample leaves.

    `of` gives it for all ways out but the last, of any shape; `ends` are settings that always and never let leave.
    """

    of: Callable[[Signals], Tensor]
    over: bool
    ends: tuple[float, float]
    knob: str = "threshold"

    def cuts(self, seen: Signals, at_most: int = CANDIDATES) -> list[float]:
        """The ends, and thresholds that part the samples seen."""
        return [*self.ends, *thresholds(self.of(seen).flatten(), over=self.over, at_most=at_most)]


def _early(seen: Signals) -> Tensor:
    return seen.of_logits()[:, :-1]


def _running(values: Tensor) -> Tensor:
    """Means over the ways so far, of (samples, ways, ...)."""
    counts = torch.arange(1, values.shape[1] + 1).view(1, -1, *[1] * (values.dim() - 2))
    return values.cumsum(1) / counts


SHARE = Statistic(lambda seen: signals.entropy(_early(seen), normalized=True), False, (1.1, 0.0))
APART = Statistic(
    lambda seen: signals.divergence(_early(seen)[:, 1:], _early(seen)[:, :-1]), False, (1.0, 0.0)
)  # a divergence is at most ln 2
STATISTICS: dict[str, Statistic] = {
    "normalised_entropy": SHARE,
    "confidence": Statistic(lambda seen: signals.confidence(_early(seen)), True, (0.0, 1.0)),
    "gap": Statistic(lambda seen: _early(seen).softmax(-1).topk(2).values.diff(dim=-1).neg(), True, (0.0, 1.0)),
    "energy": Statistic(lambda seen: _early(seen).logsumexp(-1), True, (-1000.0, 1000.0), "energy"),
    "normalised_energy": Statistic(lambda seen: signals.normalised_energy(_early(seen)), False, (1.0, 0.0)),
    "mean_probability": Statistic(lambda seen: _running(_early(seen).softmax(-1)).amax(-1), True, (0.0, 1.0)),
    "score": Statistic(lambda seen: seen.of_scores()[:, :-1], False, (1.1, 0.0)),
    "halting": Statistic(lambda seen: 1 - seen.of_scores()[:, :-1].cumprod(1), True, (0.0, 1.0)),
}
"""Rules with nothing to set but a threshold; entropy, whose end depends on the classes, is one more."""


def settings_of(name: str, seen: Signals, ladder: Ladder, count: int = SWEEP_POINTS) -> list[Tried]:
    """Points of a rule, the cheapest first, at most `count` and what closes wide gaps between them.

    `seen` are the signals of all ways out on validation samples; what a point costs is told in layers.
    """
    if name == "patience" and ladder.numbers:
        return numeric_patience(seen, ladder)
    grid, ends = OWN_GRIDS.get(name, _thresholds)(name, seen, ladder)
    if count >= len(grid):
        ends = grid
    return choose(tried([*ends, *grid], seen, ladder), count, ends)


def all_settings(
    seen: Signals, ladder: Ladder, own: Sequence[str], points: Sequence[Point], count: int = SWEEP_POINTS
) -> dict[str, list[Point] | str]:
    """For every rule its points, the cheapest first, or why the ladder can't be asked by it.

    Of a rule in `own` they are those of the default sweep, `points`, and its ends where these were left out there.
    """
    sweeps: dict[str, list[Point] | str] = {}
    for name in RULES:
        reason = why_not(name, ladder)
        if reason is not None:
            sweeps[name] = reason
            continue
        settings = settings_of(name, seen, ladder, count)
        if name in own:
            ends = [*settings[:1], *settings[-1:]]
            settings = without_repeats([*tried([p for p in points if p["rule"] == name], seen, ladder), *ends])
        sweeps[name] = [candidate.setting for candidate in sorted(settings, key=lambda candidate: candidate.compute)]
    return sweeps


def tried(points: Iterable[Point], seen: Signals, ladder: Ladder) -> list[Tried]:
    """What points cost in layers."""
    layers = torch.tensor(ladder.layers or range(1, ladder.ways + 1))
    return [Tried(at, layers[simulate(seen, rule_at(at, ladder)) - 1], weights=seen.weights) for at in points]


def without_repeats(candidates: Iterable[Tried]) -> list[Tried]:
    """In their order all but those that do to every sample what one before them does."""
    kept: list[Tried] = []
    for candidate in candidates:
        if not any(candidate.alike(other) for other in kept):
            kept.append(candidate)
    return kept


def numeric_patience(seen: Signals, ladder: Ladder) -> list[Tried]:
    """Every patience over numbers and, as none leaves there, exit 1.

    The tolerance is the median difference between one exit and the next, or another where that closes a gap.
    """
    apart = seen.of_logits().squeeze(-1).diff(dim=1).abs()
    tolerances = [float(f"{apart.quantile(share).item():.3g}") for share in (0.5, 0.1, 0.3, 0.7, 0.9)]
    patiences = range(1, ladder.ways)
    first: Point = {"rule": "fixed", "exit": 1}
    grid: list[Point] = [
        {"rule": "patience", "patience": patience, "tolerance": tolerance}
        for tolerance in tolerances
        for patience in patiences
    ]
    always = [first, *grid[: len(patiences)]]
    return choose(tried([first, *grid], seen, ladder), 2, always)


Grid = tuple[Sequence[Point], Sequence[Point]]
"""Points to choose from, and those among them, such as the ends, that are chosen in any case."""


def _thresholds(name: str, seen: Signals, ladder: Ladder) -> Grid:
    statistic = STATISTICS[name] if name in STATISTICS else _entropy(ladder)
    points: list[Point] = [{"rule": name, statistic.knob: cut} for cut in statistic.cuts(seen)]
    return points, points[:2]


def _entropy(ladder: Ladder) -> Statistic:
    """Entropy is at most the logarithm of the number of classes."""
    always = math.floor(10 * math.log(ladder.task.outputs) + 1) / 10
    return Statistic(lambda seen: signals.entropy(_early(seen)), False, (always, 0.0))


def _streaks(statistic: Statistic) -> Callable[[str, Signals, Ladder], Grid]:
    """Some lengths of a streak with thresholds on what each exit in it must be."""

    def grid(name: str, seen: Signals, ladder: Ladder) -> Grid:
        streaks = [streak for streak in STREAKS if streak < ladder.ways - (statistic is APART)]
        cuts = statistic.cuts(seen, CANDIDATES // len(STREAKS))
        points: list[Point] = [
            {"rule": name, "patience": streak, "threshold": cut} for streak in streaks for cut in cuts
        ]
        return points, points[:2]

    return grid


def _patience(name: str, seen: Signals, ladder: Ladder) -> Grid:
    points: list[Point] = [{"rule": name, "patience": patience} for patience in range(1, ladder.ways)]
    return points, points


def _votes(name: str, seen: Signals, ladder: Ladder) -> Grid:
    """Every number of votes, and votes over the root of the number of exits."""
    counts: list[Point] = [{"rule": name, "threshold": votes, "exponent": 0} for votes in range(1, ladder.ways + 1)]
    roots = sorted({vote / ways**0.5 for ways in range(1, ladder.ways) for vote in range(1, ways + 1)})
    cuts = thresholds(torch.tensor(roots), over=True)
    weighed: list[Point] = [{"rule": name, "threshold": cut, "exponent": 0.5} for cut in cuts]
    return [*counts, *weighed], [counts[0], counts[-1]]


def _conformal(name: str, seen: Signals, ladder: Ladder) -> Grid:
    points: list[Point] = [{"rule": name, "risk": risk} for risk in RISKS]
    return points, points


def _fixed(name: str, seen: Signals, ladder: Ladder) -> Grid:
    points: list[Point] = [{"rule": name, "exit": exit} for exit in range(1, ladder.ways + 1)]
    return points, points


def _any_of(name: str, seen: Signals, ladder: Ladder) -> Grid:
    """Entropy or patience, as ELBERT leaves; the longest patience beside a threshold that lets nobody leave ends it."""
    cuts = _entropy(ladder).cuts(seen, CANDIDATES // len(STREAKS))
    both = {"rule": name, "of": "entropy+patience"}
    points: list[Point] = [
        {**both, "patience": streak, "threshold": cut} for streak in STREAKS if streak < ladder.ways for cut in cuts
    ]
    never: Point = {**both, "patience": ladder.ways - 1, "threshold": cuts[1]}
    return [points[0], never, *points[1:]], [points[0], never]


OWN_GRIDS: dict[str, Callable[[str, Signals, Ladder], Grid]] = {
    "patience": _patience,
    "confident_patience": _streaks(SHARE),
    "divergence_patience": _streaks(APART),
    "votes": _votes,
    "conformal": _conformal,
    "fixed": _fixed,
    "any_of": _any_of,
}
"""Rules with more to set than a threshold, or something else."""
