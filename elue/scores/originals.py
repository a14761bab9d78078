"""Whose networks a method's points are: what the house has published is no point of anybody else's.

Bundling others' networks as points of one's own costs nothing and would lead wherever any of them does. Who was first
among strangers is for the checks of submissions (E711), which can look at the history.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from elue.scores.edition_runs import EditionRun

SAME_COST = 0.01
"""Share of FLOPs by which a run that costs as much as another may be cheaper."""


class Originals:
    """Runs of the house, by what tells a copy of them."""

    def __init__(self, house: Sequence[EditionRun]) -> None:
        self.weights: dict[str | None, str] = {
            run.curve.weights_digest: run.curve.method for run in house if run.curve.weights_digest
        }
        self.answers: dict[bytes, list[EditionRun]] = defaultdict(list)
        for run in house:
            self.answers[run.column.value.tobytes()].append(run)

    def copied(self, own: Sequence[EditionRun]) -> str:
        """Why a method's runs are not all its own: they have the weights of another one of the house, or answer all
        that it does, its mistakes among them, and are no cheaper: FLOPs on top make no network of one's own.

        Empty where they are; one and the same answer to everything is anybody's, and so is what is always right.
        """
        for run in own:
            other = self.weights.get(run.curve.weights_digest, run.curve.method)
            if other != run.curve.method:
                return f"its weights are those of '{other}'"
            for original in self.answers.get(run.column.value.tobytes(), ()):
                if original.curve.method != run.curve.method and _as_dear(run, original) and _telling(run):
                    return f"its answers are those of '{original.curve.method}', for no fewer FLOPs"
        return ""


def _as_dear(run: EditionRun, other: EditionRun) -> bool:
    own, beside = float(run.column.flops.mean()), float(other.column.flops.mean())
    return own >= (1 - SAME_COST) * beside


def _telling(run: EditionRun) -> bool:
    return bool(np.ptp(run.column.value) and run.column.error.any())
