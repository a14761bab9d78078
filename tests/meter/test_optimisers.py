"""Optimisers cost the same as a loop, by lists of tensors and fused; operators on lists as on one tensor."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from elue.meter import Meter
from elue.meter.table import FREE, operator_table

optim = torch.optim
ROUNDS = {
    "SGD": (optim.SGD, {}, 1),
    "SGD with momentum": (optim.SGD, {"momentum": 0.9}, 3),
    "SGD by Nesterov": (optim.SGD, {"momentum": 0.9, "nesterov": True, "weight_decay": 0.1}, 5),
    "SGD upwards": (optim.SGD, {"maximize": True}, 2),
    "Adam": (optim.Adam, {}, 10),
    "Adam with decay": (optim.Adam, {"weight_decay": 0.1}, 11),
    "Adam, AMSGrad": (optim.Adam, {"amsgrad": True}, 11),
    "AdamW": (optim.AdamW, {}, 11),
    "AdamW upwards": (optim.AdamW, {"maximize": True}, 12),
    "Adagrad": (optim.Adagrad, {}, 6),
    "Adagrad with decay": (optim.Adagrad, {"weight_decay": 0.1}, 7),
}
LISTS = {
    "RMSprop": (optim.RMSprop, {}),
    "RMSprop centred": (optim.RMSprop, {"centered": True, "momentum": 0.9}),
    "Adadelta": (optim.Adadelta, {}),
    "Adamax": (optim.Adamax, {}),
    "NAdam": (optim.NAdam, {}),
    "RAdam": (optim.RAdam, {}),
    "ASGD": (optim.ASGD, {}),
    "Rprop": (optim.Rprop, {}),
    "Adafactor": (optim.Adafactor, {}),
}


def stepped(make: Any, options: dict[str, Any]) -> Meter:
    """The second step of an optimiser over 20 elements in three tensors."""
    torch.manual_seed(0)
    parameters = [nn.Parameter(torch.rand(3, 4)), nn.Parameter(torch.rand(3, 2)), nn.Parameter(torch.rand(2))]
    optimiser = make(parameters, lr=0.01, **options)
    for _ in range(2):
        for parameter in parameters:
            parameter.grad = torch.rand_like(parameter)
        with Meter() as meter:
            optimiser.step()
    assert meter.complete, meter.unknown
    return meter


@pytest.mark.parametrize("name", ROUNDS)
def test_a_loop_and_a_fused_step_cost_their_closed_form(name: str) -> None:
    make, options, parts = ROUNDS[name]
    counts = {form: stepped(make, options | {form: True}).flops for form in ("foreach", "fused")}
    counts["loop"] = stepped(make, options | {"foreach": False}).flops
    if make is optim.Adagrad:
        # By lists torch multiplies each gradient by the rate apart.
        counts["foreach"] -= 20
    # A count of steps is one more a tensor, which SGD does not keep.
    steps = 0 if make is optim.SGD else 3
    assert counts == dict.fromkeys(counts, 20 * parts + steps)


@pytest.mark.parametrize("name", LISTS)
def test_an_optimiser_that_is_never_fused_is_complete(name: str) -> None:
    """By lists torch may take more operators to the same end: what ran is counted."""
    make, options = LISTS[name]
    loop = stepped(make, options | {"foreach": False}).flops
    lists = stepped(make, options | {"foreach": True}).flops
    assert 20 * 2 <= loop <= lists


@pytest.mark.parametrize("make", [optim.LBFGS, optim.SparseAdam, optim.Muon])
def test_other_optimisers_are_complete(make: Any) -> None:
    weight = nn.Parameter(torch.rand(6, 3))
    optimiser = make([weight])
    rows = torch.tensor([1, 4])

    def closure() -> torch.Tensor:
        optimiser.zero_grad()
        loss = nn.functional.embedding(rows, weight, sparse=make is optim.SparseAdam).square().sum()
        loss.backward()
        return loss

    with Meter() as meter:
        optimiser.step(closure)
    assert meter.complete, meter.unknown
    assert meter.flops > 0


def test_muons_products_are_its_five_newton_schulz_rounds() -> None:
    """Of a 6 by 3 matrix X, turned to 3 by 6: A = X X^T, A A, and their sum by X, five times."""
    weight = nn.Parameter(torch.rand(6, 3))
    weight.grad = torch.rand(6, 3)
    with Meter() as meter:
        optim.Muon([weight]).step()
    assert meter.matmul_flops == 5 * 2 * (3 * 6 * 3 + 3 * 3 * 3 + 3 * 3 * 6)


@pytest.mark.parametrize("foreach", [False, True])
def test_clipping_gradients(foreach: bool) -> None:
    parameters = [nn.Parameter(torch.rand(4, 5)), nn.Parameter(torch.rand(10))]
    for parameter in parameters:
        parameter.grad = torch.rand_like(parameter)
    with Meter() as by_norm:
        nn.utils.clip_grad_norm_(parameters, 0.1, foreach=foreach)
    with Meter() as by_value:
        nn.utils.clip_grad_value_(parameters, 0.1, foreach=foreach)
    assert by_norm.complete, by_norm.unknown
    assert by_norm.flops - 3 * 30 in range(4, 14)
    assert by_value.complete, by_value.unknown
    assert by_value.flops == 30 * (2 if foreach else 1)


def test_scaled_gradients() -> None:
    gradients = [torch.rand(4, 5), torch.rand(10)]
    with Meter() as meter:
        torch._amp_foreach_non_finite_check_and_unscale_(gradients, torch.zeros(1), torch.tensor([0.5]))
    assert (meter.flops, meter.complete) == (30 * 3, True)
    model, scaler = nn.Linear(3, 1), torch.amp.GradScaler("cpu")
    optimiser = optim.SGD(model.parameters(), 0.1)
    with Meter() as meter:
        with torch.autocast("cpu", torch.bfloat16):
            loss = model(torch.rand(5, 3)).sum()
        scaler.scale(loss).backward()
        scaler.step(optimiser)
        scaler.update()
    assert meter.complete, meter.unknown


def test_marks_of_the_profiler_are_free() -> None:
    x, rows, parallel = torch.rand(3), torch.rand(3, 2), nn.DataParallel(nn.Linear(2, 2))
    with Meter() as meter, torch.autograd.profiler.record_function("a mark"):
        x + 1
    with Meter() as again:
        parallel(rows)
    assert (meter.complete, meter.flops) == (True, 3)
    assert (again.complete, again.flops) == (True, 3 * 2 * 2 * 2)


def test_operators_on_lists_are_priced_by_their_twins() -> None:
    x, y = [torch.rand(2, 3), torch.rand(4)], [torch.rand(2, 3), torch.rand(4)]
    matrix, empty = torch.rand(3, 5), torch.rand(0)
    cases: dict[str, tuple[Any, int]] = {
        "add": (lambda: torch._foreach_add(x, y), 10),
        "in place": (lambda: torch._foreach_mul_(x, 0.5), 10),
        "by scalars": (lambda: torch._foreach_div(x, [1.0, 2.0]), 10),
        "multiply and add": (lambda: torch._foreach_addcmul(x, y, y), 20),
        "interpolate": (lambda: torch._foreach_lerp_(x, y, 0.5), 20),
        "root": (lambda: torch._foreach_sqrt(x), 10),
        "maximum": (lambda: torch._foreach_max(x), 10),
        "copy": (lambda: torch._foreach_copy_(x, y), 0),
        "power of exponents": (lambda: torch._foreach_pow(2.0, x), 40),
        "product": (lambda: torch.ops.aten._foreach_mm([x[0]], [matrix]), 2 * 2 * 3 * 5),
        "none": (lambda: torch.ops.aten._foreach_exp([empty]), 0),
    }
    for name, (call, flops) in cases.items():
        with Meter() as meter:
            call()
        assert (meter.complete, meter.flops) == (True, flops), (name, meter.unknown)
    with Meter() as lists, Meter() as norms:
        torch._foreach_norm(x)
    with Meter() as singles:
        for part in x:
            torch.linalg.vector_norm(part)
    assert lists.flops == norms.flops == singles.flops


def test_every_rule_of_lists_is_that_of_one_tensor() -> None:
    rules = operator_table().rules
    for name, rule in rules.items():
        if name.startswith("aten._foreach_") and rule not in (FREE, "unknown"):
            twin = name.removeprefix("aten._foreach_").partition(".")[0].rstrip("_")
            twins = {"norm": "linalg_vector_norm.default", "max": "max.default", "powsum": "linalg__powsum.default"}
            singles = {
                of
                for single, of in rules.items()
                if single == f"aten.{twins.get(twin, '?')}" or (twin not in twins and single.split(".")[1] == twin)
            }
            assert rule.removeprefix("foreach_") in singles, name
