"""Whose networks a method's points are: what the house has published is no point of anybody else's.

Bundling others' networks as points of one's own costs nothing and would lead wherever any of them does. Who was first
among strangers is for the checks of submissions (E711), which can look at the history.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from elue.record.point import point_text
from elue.scores.edition_runs import EditionRun, alike, room_of

SAME_COST = 0.01
"""Share of FLOPs by which a run that costs as much as another may be cheaper."""
FARTHEST = 0.75
"""Share by which mean square errors differ at most where answers are alike: a distance of a third of a run's own error,
squared a tenth of it, leaves the other one's between two thirds and four thirds, squared 0.44 and 1.74."""


class Originals:
    """Runs of the house, by what tells a copy of them."""

    def __init__(self, house: Sequence[EditionRun]) -> None:
        self.weights: dict[str | None, str] = {
            run.curve.weights_digest: run.curve.method for run in house if run.curve.weights_digest
        }
        self.house = [_Original(run, _cost(run), _wrong(run)) for run in house]

    def copied(self, own: Sequence[EditionRun]) -> str:
        """Why a method's runs are not all its own: they have the weights of another one of the house, or answer all
        that it does, its mistakes among them and but for next to nothing, and are no cheaper: neither FLOPs on top nor
        some answers turned over make a network of one's own.

        Empty where they are; one and the same answer to everything is anybody's, and so is what is always right.
        """
        for run in own:
            other = self.weights.get(run.curve.weights_digest, run.curve.method)
            if other != run.curve.method:
                return f"its weights are those of '{other}'"
            if original := self._copied(run):
                return f"its answers at {_words(run)} are those of '{original}', for no fewer FLOPs"
        return ""

    def _copied(self, run: EditionRun) -> str:
        """The method of the house whose answers a run gives; empty where there is none."""
        room, cost, wrong = room_of(run.column), _cost(run), _wrong(run)
        if not room:
            return ""
        for original in self.house:
            other = original.run
            if other.curve.method == run.curve.method or cost < (1 - SAME_COST) * original.cost:
                continue
            if abs(wrong - original.wrong) > FARTHEST * wrong:
                continue
            if alike(run.column, other.column, room):
                return other.curve.method
        return ""


@dataclass(frozen=True, slots=True)
class _Original:
    """A run of the house, its mean FLOPs and its mean square error."""

    run: EditionRun
    cost: float
    wrong: float


def _words(run: EditionRun) -> str:
    """Which operating point has to be left out."""
    return point_text(json.loads(run.point)) if run.point not in ("", "{}") else "its only point"


def _cost(run: EditionRun) -> float:
    return float(run.column.flops.mean())


def _wrong(run: EditionRun) -> float:
    return float((run.column.error**2).mean())
