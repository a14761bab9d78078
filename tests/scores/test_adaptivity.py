"""Compute that follows the sample, and where samples ended, by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from elue.record.schema import Samples
from elue.scores.adaptivity import spread, ways_out


def samples(traces: list[list[str]], trace_of: list[int]) -> Samples:
    size = len(trace_of)
    paths = [[[unit, [1], 1] for unit in units] for units in traces]
    return Samples.model_validate(
        {
            "id": [str(i) for i in range(size)],
            "value": [0.0] * size,
            "error": [0.0] * size,
            "flops": [1] * size,
            "matmul_flops": [1] * size,
            "params_touched": [1] * size,
            "path": trace_of,
            "paths": paths,
        }
    )


def test_a_static_model_of_any_depth_has_no_spread_and_halves_and_wholes_have_one() -> None:
    full = np.array([100.0, 250.0, 400.0, 80.0])
    assert spread(full / 3, full) == pytest.approx(0)
    assert spread(full * [0.5, 1, 0.5, 1], full) == pytest.approx(math.log(2) / 2)
    assert spread(np.zeros(4), full) == 0


def test_samples_end_at_exits_at_models_or_at_layers() -> None:
    exits = [["embed", "attention.1", "exit.1"], ["embed", "attention.1", "exit.1", "attention.2", "exit.2", "answer"]]
    assert ways_out(samples(exits, [0, 1, 1, 0, 1])) == [("exit 1", 2), ("exit 2", 3)]
    cascade = [["small.embed", "small.ffn.1", "small.head", "confidence"], ["small.head", "full.embed", "full.ffn.12"]]
    assert ways_out(samples(cascade, [0, 0, 1])) == [("model 1: small", 2), ("model 2: full", 1)]
    layers = [["embed", "weighed_attention.3", "ffn.3", "head"], ["embed", "ffn.10", "expert.2.1"], ["embed"]]
    assert ways_out(samples(layers, [0, 1, 2])) == [("before any layer", 1), ("layer 3", 1), ("layer 10", 1)]
    assert ways_out(samples([], [])) == []
