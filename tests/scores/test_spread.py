"""How far trainings lie apart: by hand, by its limits, and what one's own trainings have to say against it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import chi2

from elue.scores.spread import DOUBTED, MOST, Known, moderated, pooled


def test_by_hand() -> None:
    """Twelve degrees of variance 1 and two of 0.25: (12 + 0.5) / 14."""
    assert moderated(0.25, 2, Known(1.0, 12)) == (pytest.approx(12.5 / 14), 14)
    assert moderated(0.25, 2, None) == (0.25, 2)
    assert moderated(0.0, 4, Known(0.5, 6)) == (pytest.approx(0.15), 10)


@pytest.mark.parametrize("degrees", [1, 2, 4, 19])
def test_what_contradicts_it_counts_more(degrees: int) -> None:
    """Up to a spread that one in five would exceed by chance all of it counts; far beyond that one's own alone."""
    known = Known(0.8, 12)
    limit = float(chi2.isf(DOUBTED, degrees)) / degrees * 0.64
    assert moderated(0.999 * limit, degrees, known)[1] == 12 + degrees
    half = float(chi2.isf(DOUBTED / 2, degrees)) / degrees * 0.64
    assert moderated(0.999 * half, degrees, known)[1] == 6 + degrees
    assert moderated(1e4, degrees, known) == (pytest.approx(1e4), degrees)
    variances = [moderated(variance, degrees, known)[0] for variance in np.linspace(0, 30 * limit, 2000)]
    assert all(np.diff(variances) > 0), "who spreads more never gets a smaller error"


def test_pooled_by_hand() -> None:
    assert pooled([(1.0, 2), (2.0, 4)]) == Known(pytest.approx(math.sqrt(3)), 6)  # type: ignore[arg-type]
    assert pooled([(1.0, 2)] * 30) == Known(1.0, MOST)
    assert pooled([(0.0, 2), (0.0, 2)]) is None
    assert pooled([]) is None


def test_it_is_the_spread_of_what_was_drawn() -> None:
    generator = np.random.default_rng(0)
    drawn = 0.8 * generator.standard_normal((2000, 3))
    known = pooled([(float(np.std(of, ddof=1)), 2) for of in drawn])
    assert known
    assert known.spread == pytest.approx(0.8, rel=0.03)
