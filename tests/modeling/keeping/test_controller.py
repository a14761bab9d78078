"""The controller's weight, and what is missing to its target."""

from __future__ import annotations

import pytest
import torch

from elue.modeling.keeping.controller import Controller


def test_the_weight_follows_the_error_now_and_all_errors_so_far() -> None:
    """.5 · .3 + 1e-5 · .3, then .5 · .1 + 1e-5 · .4; beyond the target nothing, though errors add up."""
    controller = Controller(0.5)
    weights = [controller.weight(torch.tensor(share)).item() for share in (0.2, 0.4, 0.9)]
    assert weights == pytest.approx([0.150003, 0.050004, 0.0])
    assert controller.errors.item() == pytest.approx(0.0, abs=1e-6)


def test_what_is_missing_is_what_the_weight_pulls_with_over_the_way_to_the_target() -> None:
    controller, shares = Controller(0.5), torch.linspace(0.2, 0.5, 3001)
    pulls = 0.5 * (0.5 - shares) * 10.0
    way = torch.trapezoid(pulls, shares).item()
    assert controller.missing(torch.tensor(0.2), 10.0).item() == pytest.approx(way, rel=1e-4) == pytest.approx(0.225)
    assert controller.missing(torch.tensor(0.7), 10.0).item() == 0
