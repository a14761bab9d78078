"""Experts in company, by expert: against the formula of training, and steps that are looked up."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from elue.modeling import kernels
from elue.modeling.encoder import FeedForward
from elue.modeling.experts.company import Ledger, run_by_expert
from elue.modeling.experts.layers import Blocks, ExpertLayer, copies
from elue.modeling.experts.seats import Pairs
from elue.protocol import Step
from tests import small

pytestmark = pytest.mark.usefixtures("one_thread")
EXPERTS = 3


def layer(kind: str) -> ExpertLayer:
    source = FeedForward(small.CONFIG)
    experts: list[Any] = copies(source, EXPERTS) if kind == "maps" else [Blocks(source, 2) for _ in range(EXPERTS)]
    made = ExpertLayer(source, None, experts)
    small.stir(made).requires_grad_(False)
    return made


@pytest.mark.parametrize("kind", ["maps", "blocks"])
@pytest.mark.parametrize(("rows", "seated"), [(1, 1), (7, 0), (7, 3), (300, 300), (300, 170)])
@pytest.mark.parametrize("experts", [1, EXPERTS])
@pytest.mark.parametrize("weighted", [True, False])
def test_rows_by_expert_are_what_training_computes(kind: str, rows: int, seated: int, experts: int, weighted: bool):
    half, draw = layer(kind), np.random.default_rng(seated)
    row = np.sort(draw.permutation(rows)[:seated])
    expert = draw.integers(0, experts, seated)
    order = np.argsort(expert, kind="stable")
    pairs = Pairs(row[order], expert[order], row[order])
    x, weight = torch.randn(rows, small.CONFIG.hidden), torch.rand(rows, 1)
    before = x.clone()
    with torch.inference_mode(), kernels.fast():
        own = weight[torch.from_numpy(pairs.place)] if weighted else None
        made = run_by_expert(half, x, pairs, own, "gelu")
    assert torch.equal(x, before)
    torch.testing.assert_close(made.clone(), half(x, pairs, weight if weighted else None), atol=1e-5, rtol=1e-5)


def test_steps_are_noted_in_order_as_often_as_rows_run():
    ledger = Ledger(["expert.1", "expert.2", "combine"])
    requests: Any = [SimpleNamespace(trace=[]) for _ in range(3)]
    for most in (2, 9):
        for request in requests:
            request.trace = [Step("router", (4,))]
        ledger.note(requests, np.array([[0, most, 4], [1, 0, 2], [0, 0, 1]]))
        assert requests[0].trace == [Step("router", (4,)), Step("expert.2", (most,)), Step("combine", (4,))]
        assert requests[1].trace == [Step("router", (4,)), Step("expert.1", (1,)), Step("combine", (2,))]
        assert requests[2].trace == [Step("router", (4,)), Step("combine", (1,))]
    assert all(type(value) is int for request in requests for step in request.trace for value in step.shape)
