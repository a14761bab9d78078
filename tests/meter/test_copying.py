"""A Meter as an object: copied, pickled, told of and reset, open and closed."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from elue.errors import ElueError
from elue.meter import Meter, count_training_step, observing

MODEL = nn.Sequential(nn.Linear(4, 4), nn.ReLU())
X = torch.rand(2, 4)
ONE = 2 * 2 * 4 * 4 + 2 * 4
OPTIONS: list[dict[str, Any]] = [{}, {"track": False}, {"traffic": True, "attribute": True, "modules": [MODEL]}]


def told(meter: Meter) -> object:
    return meter.report(), meter.counts, meter.ops, meter.calls, meter.complete, meter.unknown


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_a_copy_has_counted_the_same_and_goes_its_own_way(copied: Callable, options: dict[str, Any]) -> None:
    meter = Meter(**options)
    assert told(copied(meter)) == told(meter)
    with meter:
        MODEL(X)
        inside = copied(meter)
        MODEL(X)
    after = copied(meter)
    assert (inside.flops, meter.flops, told(after)) == (ONE, 2 * ONE, told(meter))
    with inside:
        MODEL(X)
    with after:
        MODEL(X)
    assert (inside.flops, after.flops, meter.flops) == (2 * ONE, 3 * ONE, 2 * ONE)
    assert not observing.watches


def test_a_copy_knows_what_was_missing() -> None:
    with Meter() as meter:
        torch.linalg.eigh(X.T @ X)
        assert copy.deepcopy(meter).unknown == meter.unknown != {}
    assert not copy.deepcopy(meter).complete


def test_a_model_that_carries_a_meter_can_be_copied() -> None:
    model = nn.Sequential(nn.Linear(4, 4))
    model.meter = Meter(attribute=True, modules=[model])  # type: ignore[assignment]
    with model.meter:  # type: ignore[union-attr]
        model(X)
        twin = copy.deepcopy(model)
    assert twin.meter.flops == 2 * 2 * 4 * 4  # type: ignore[union-attr]


@pytest.mark.parametrize("options", OPTIONS)
def test_results_are_pickled_and_a_meter_only_before_it_counts(options: dict[str, Any]) -> None:
    meter = pickle.loads(pickle.dumps(Meter(**options)))
    with meter:
        MODEL(X)
        with pytest.raises(ElueError, match="report"):
            pickle.dumps(meter)
    with pytest.raises(ElueError, match="report"):
        pickle.dumps(meter)
    results = [meter.report(), meter.counts]
    if options.get("attribute"):
        results.append(meter.by_module(MODEL))
    results.append(count_training_step(MODEL, [X], loss=lambda out: out.sum()))
    for result in results:
        assert pickle.loads(pickle.dumps(result)) == copy.deepcopy(result) == result


def test_an_open_meter_is_not_reset_and_a_closed_one_not_closed() -> None:
    meter = Meter()
    with meter:
        MODEL(X)
        with pytest.raises(ElueError, match="open"):
            meter.reset()
        MODEL(X)
    assert meter.flops == 2 * ONE
    with pytest.raises(ElueError, match="not open"):
        meter.__exit__(None, None, None)
    meter.reset()
    with meter:
        MODEL(X)
    assert (meter.flops, meter.complete, observing.watches) == (ONE, True, [])
