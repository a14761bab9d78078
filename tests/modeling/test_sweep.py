"""Default sweeps: ends, no twins, no gaps that a setting could fill."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pytest
import torch

from elue.modeling.sweep import (
    ALIKE,
    MAX_GAP,
    Tried,
    choose,
    even_odds,
    middle,
    ratio_middle,
    refine,
    short,
    spread_out,
    thresholds,
)
from tests import small


def tried(costs: Sequence[float]) -> list[Tried]:
    return [Tried(place, torch.tensor([cost])) for place, cost in enumerate(costs)]


def settings(costs: Sequence[float], points: int = 8, always: Sequence[int] = ()) -> list[int]:
    return [one.setting for one in choose(tried(costs), points, always)]


def test_points_lie_evenly_from_the_cheapest_to_the_full_model():
    assert settings(range(101), points=11) == list(range(0, 101, 10))


def test_the_order_of_settings_does_not_matter():
    assert settings([3.0, 1.0, 2.0]) == [1, 2, 0]


def test_gaps_are_filled_beyond_the_number_of_points():
    assert settings(range(101), points=2) == [0, 12, 25, 37, 50, 62, 75, 87, 100]


def test_a_gap_that_no_setting_fills_stays():
    assert settings([0, 1, 2, 98, 99, 100], points=2) == [0, 2, 3, 5]


def test_settings_that_close_no_gap_are_left_out():
    assert settings([0, 1, 12.5, 25, 37.5, 50, 62.5, 75, 87.5, 99, 100], points=2) == [0, 2, 3, 4, 5, 6, 7, 8, 10]


@pytest.mark.parametrize(("costs", "chosen"), [([], []), ([7], [0]), ([7, 7, 7], [0]), ([1, 1, 2, 2], [0, 2])])
def test_settings_that_are_alike_are_offered_once(costs: list[float], chosen: list[int]):
    assert settings(costs) == chosen


def test_equal_means_are_not_alike_and_alike_is_for_every_sample():
    one, other = Tried("a", torch.tensor([1.0, 3.0])), Tried("b", torch.tensor([3.0, 1.0]))
    assert not one.alike(other)
    assert one.alike(Tried("c", torch.tensor([1.0, 3.0])))


def test_what_is_always_offered_stands_for_its_twins():
    assert settings([0, 0, 1, 50, 100, 100], points=2, always=[1, 2, 5]) == [1, 2, 3, 5]


@pytest.mark.parametrize(
    ("costs", "always", "chosen"),
    [
        ([100 + place / 10 for place in range(31)], (), [0, 13, 30]),
        ([100 + place / 10 for place in range(31)], (15,), [0, 15, 30]),
        ([100.0, 100.3, 100.6], (1,), [0, 2]),
        ([0.0, 0.9, 20.0, 40.0, 60.0, 80.0, 99.1, 100.0], (6,), [0, 2, 3, 4, 5, 7]),
    ],
)
def test_what_costs_within_one_percent_of_another_is_not_offered_beside_it(
    costs: list[float], always: tuple[int, ...], chosen: list[int]
):
    assert settings(costs, always=always) == chosen


def stepwise(setting: float) -> Tried:
    """All at 0, a jump to 0.4 at a third, then linear."""
    return Tried(setting, torch.tensor([0.0 if setting < 1 / 3 else 0.4 + 0.6 * (setting - 1 / 3) / (2 / 3)]))


def test_refining_parts_jumps_until_none_can_be_parted():
    found = refine(stepwise, [0.0, 1.0], middle)
    assert [one.setting for one in found] == sorted({one.setting for one in found})
    compute = [one.compute for one in found]
    wide = [(low, high) for low, high in pairwise(compute) if high - low > MAX_GAP]
    assert [low for low, _ in wide] == [0.0]
    assert wide[0][1] == pytest.approx(0.4, abs=1e-3)


@pytest.mark.parametrize("power", [0.2, 0.5, 1, 2, 3, 5, 8])
@pytest.mark.parametrize("least", [0.0, 1.0, 4.0])
def test_what_is_chosen_of_what_was_refined_has_no_gap_that_a_setting_parts(power: float, least: float):
    def cost(setting: float) -> float:
        return least + (1 - setting) ** power

    tried = refine(lambda setting: Tried(setting, torch.tensor([cost(setting)])), [0.0, 0.5, 1.0], middle)
    chosen = [candidate.setting for candidate in choose(tried, always=[0.0, 0.5, 1.0])]
    assert {chosen[0], chosen[-1]} == {0.0, 1.0}
    near = ALIKE * cost(0.0)
    for high, low in pairwise(chosen):
        assert cost(low) - cost(high) <= max(MAX_GAP, 2 * near) + 1e-6


def test_refining_stops_where_all_is_alike_and_at_the_number_of_tries():
    seen: list[float] = []

    def flat(setting: float) -> Tried:
        seen.append(setting)
        return Tried(setting, torch.ones(3))

    refine(flat, [0.0, 0.5, 1.0], middle)
    assert seen == [0.0, 0.5, 1.0]
    assert len(refine(stepwise, [0.0, 1.0], middle, tries=3)) == 5


def test_a_jump_that_nothing_fills_does_not_use_up_the_tries():
    found = refine(lambda x: Tried(x, torch.tensor([0.0 if x == 0 else 0.5 + 0.5 * x])), [0.0, 1.0], middle, tries=14)
    compute = [one.compute for one in found]
    assert all(high - low <= MAX_GAP for low, high in pairwise(compute) if low > 0)


def test_a_number_between_two_has_few_digits():
    assert short(0.2, 0.4, 0.3) == 0.3
    assert short(0.12344, 0.12352, 0.12348) == 0.1235
    assert short(1.0, 1.00000001, 1.000000005) is None
    assert middle(0.0, 1.0) == 0.5
    assert ratio_middle(1.0, 4.0) == 2.0
    assert ratio_middle(0.0, 8.0) == 1.0


def test_probabilities_are_parted_by_their_logits():
    assert even_odds(0.0, 1.0) == 0.5
    lower, upper = even_odds(0.0, 0.5), even_odds(0.5, 1.0)
    assert lower is not None
    assert upper is not None
    assert lower == pytest.approx(1 / (1 + math.exp(10)), rel=0.5)
    assert 1 - upper == pytest.approx(lower, rel=0.5)
    assert even_odds(0.1, 0.9) == 0.5
    low = 1e-9
    for _ in range(5):
        next_lower = even_odds(0.0, low)
        assert next_lower is not None
        assert 0 < next_lower < low
        low = next_lower


@pytest.mark.parametrize("over", [True, False])
def test_every_two_distinct_values_are_parted(over: bool):
    one = np.float32(1)
    values = [0.25, 0.5, 0.5, np.nextafter(np.nextafter(one, 0), 0), np.nextafter(one, 0), one]
    confidence = torch.tensor(np.array(values, dtype=np.float32))
    found = thresholds(confidence, over)
    assert found[:2] == [0.4, 0.7]
    parted = [((confidence > t) if over else (confidence < t)).sum().item() for t in found]
    assert parted == ([5, 3, 2, 1] if over else [1, 3, 4, 5])


def test_of_very_many_values_some_thresholds_are_left_out_evenly():
    found = thresholds(torch.linspace(0, 1, 5001), over=True, at_most=11)
    assert len(found) == 11
    assert found == pytest.approx(np.linspace(0, 1, 11).tolist(), abs=1e-3)
    assert thresholds(torch.ones(5), over=True) == []


def test_examples_are_taken_from_all_over():
    examples = small.examples(10)
    assert list(spread_out(examples, 5)) == examples[::2]
    assert spread_out(examples, 10) is examples


def test_compute_counts_samples_by_their_length() -> None:
    """Nine short texts that leave early and a long one that does not: a tenth of the layers, half of the compute."""
    weights = torch.tensor([5 / 9] * 9 + [5.0])
    assert Tried("long one alone", torch.tensor([0.0] * 9 + [1.0]), weights=weights).compute == pytest.approx(0.5)
    by_layer = torch.tensor([[1.0, 0.0]] * 9 + [[1.0, 1.0]])
    assert Tried("all of its layers", by_layer, weights=weights).compute == pytest.approx(0.75)
    assert Tried("unweighted", by_layer).compute == pytest.approx(0.55)


def test_a_gap_in_compute_is_filled_though_there_is_none_in_shares() -> None:
    weights = torch.tensor([0.1] * 8 + [1.6, 1.6]) * 2.5
    leaving = [torch.tensor([0.0] * place + [1.0] * (10 - place)) for place in range(11)]
    chosen = choose([Tried(place, costs, weights=weights) for place, costs in enumerate(leaving)], points=5)
    compute = [candidate.compute for candidate in chosen]
    assert {8, 9, 10, 0} <= {candidate.setting for candidate in chosen}
    assert compute == sorted(compute)
