"""What is kept of the full model at a share of its compute, by hand, and what is said of it."""

from __future__ import annotations

import numpy as np
import pytest

from elue.scores.intervals import Estimate
from elue.scores.kept import kept, outcome
from elue.scores.pairwise import CurvePoints


def curve(points: list[tuple[float, float]], shift: np.ndarray) -> CurvePoints:
    costs, scores = np.array(points).T
    return CurvePoints(points, (np.tile(costs, (len(shift), 1)), scores + shift[:, None]))


def test_it_is_the_mean_hull_at_that_budget_minus_the_full_model() -> None:
    shift = np.array([-1.0, 1.0, 3.0, -3.0])
    one, two = curve([(20.0, 70.0), (60.0, 90.0)], shift), curve([(20.0, 80.0), (60.0, 84.0)], 0 * shift)
    full = np.array([88.0, 88.0, 88.0, 88.0])
    found = kept([one, two], (100.0, 88.0), full, 0.4, 50.0)
    assert found.value == pytest.approx((80 + 82) / 2 - 88)
    assert found.error == pytest.approx(np.std(shift) / 2)
    assert found.low == pytest.approx(found.value - 1.96 * np.std(shift) / 2, abs=1e-3)
    cheaper = kept([one], (100.0, 88.0), full, 0.1, 50.0)
    assert cheaper.value == pytest.approx(60 - 88), "half the samples are guessed"


def test_a_claim_holds_by_the_whole_interval_or_by_none_of_it() -> None:
    assert outcome(Estimate(-0.2, -0.9, 0.5, 0.3), 1.0) == "holds"
    assert outcome(Estimate(-0.2, -1.1, 0.7, 0.4), 1.0) == "not told"
    assert outcome(Estimate(-3.0, -4.0, -2.0, 0.5), 1.0) == "does not hold"
    assert outcome(Estimate(-3.0), 1.0) == "not told"
