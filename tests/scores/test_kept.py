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
    full = curve([(10.0, 99.0), (100.0, 88.0)], 0 * shift)
    lost = kept([one, two], [full], 0.4, 50.0, 100)
    assert lost.value == pytest.approx((80 + 82) / 2 - 88)
    assert lost.error == pytest.approx(np.std(shift, ddof=1) / 2)
    assert not lost.general, "the full model has one training"
    assert lost.estimate.low == pytest.approx(lost.value - 1.984 * lost.error, abs=1e-3)
    cheaper = kept([one], [full], 0.1, 50.0, 100)
    assert cheaper.value == pytest.approx(60 - 88), "half the samples are guessed"


def test_no_single_training_stands_for_the_full_model() -> None:
    """Three of either side, all the same on every resample: trainings alone tell how sure it is."""
    still = np.zeros(3)
    own = [curve([(50.0, score)], still) for score in (86.0, 87.0, 88.0)]
    full = [curve([(100.0, score)], still) for score in (84.0, 88.0, 89.0)]
    lost = kept(own, full, 0.5, 0.0, 100)
    assert lost.value == pytest.approx(0)
    assert lost.error == pytest.approx(np.sqrt(1 / 3 + 7 / 3))
    assert lost.general
    assert outcome(lost.estimate, 1.0) == "not told"
    assert outcome(kept(own, full[:1], 0.5, 0.0, 100).estimate, 1.0) == "not told", "no spread is no evidence"


def test_a_claim_holds_by_the_whole_interval_or_by_none_of_it() -> None:
    assert outcome(Estimate(-0.2, -0.9, 0.5, 0.3), 1.0) == "holds"
    assert outcome(Estimate(-0.2, -1.1, 0.7, 0.4), 1.0) == "not told"
    assert outcome(Estimate(-3.0, -4.0, -2.0, 0.5), 1.0) == "does not hold"
    assert outcome(Estimate(-3.0), 1.0) == "not told"
