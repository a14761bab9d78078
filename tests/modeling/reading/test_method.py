"""How biases are tried."""

from __future__ import annotations

from itertools import pairwise

import pytest
import torch

from elue.modeling.reading.method import ALWAYS, LEAN_TRIES, LEANS, between_leans
from elue.modeling.sweep import MAX_GAP, Tried, choose, refine


@pytest.mark.parametrize(
    ("low", "high", "between"),
    [
        (-ALWAYS, -8.0, -16.0),
        (-ALWAYS, 0.0, -1.0),
        (-ALWAYS, -512.0, None),
        (4.0, ALWAYS, 8.0),
        (-2.0, ALWAYS, 1.0),
        (600.0, ALWAYS, None),
        (-1.0, 1.0, 0.0),
    ],
)
def test_between_two_biases(low: float, high: float, between: float | None) -> None:
    assert between_leans(low, high) == between


@pytest.mark.parametrize(("turn", "steep"), [(-40.0, 1.0), (0.3, 1.0), (25.0, 1.0), (0.3, 0.05), (-3.0, 4.0)])
def test_the_gap_is_closed_wherever_reading_turns(turn: float, steep: float) -> None:
    """Of a policy whose logits lie around any number, spread little or much, with all the tries there are."""
    logits = turn + steep * torch.linspace(-4, 4, 401)

    def measure(lean: float) -> Tried:
        return Tried(lean, (lean > logits).double())

    chosen = choose(refine(measure, (-ALWAYS, *LEANS, ALWAYS), between_leans, LEAN_TRIES))
    shares = [tried.compute for tried in chosen]
    assert (shares[0], shares[-1]) == (0, 1)
    assert max(high - low for low, high in pairwise(shares)) <= MAX_GAP
