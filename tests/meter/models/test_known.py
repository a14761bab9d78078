"""Running without weights: what keeps its values, what has a shape alone, and what is asked in vain."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.meter import Meter
from elue.meter.models.known import LARGEST, META, KnownValues, forget_weights

WEIGHT = torch.empty(8, 4, device=META)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.arange(6, device=META),
        lambda: torch.zeros(3, dtype=torch.bool, device=META),
        lambda: torch.tensor([1, 2], device=META),
        lambda: torch.ones(3).to(META),
        lambda: torch.ones(3).to(WEIGHT),
        lambda: torch.arange(3).type_as(WEIGHT),
        lambda: torch.ones(2, device=META) + torch.arange(2),
        lambda: torch.zeros_like(torch.ones(2), device=META),
        lambda: torch.zeros_like(WEIGHT, dtype=torch.bool),
        lambda: WEIGHT.new_ones(3, dtype=torch.long),
        lambda: WEIGHT.new_full((2,), 7, dtype=torch.long),
        lambda: (torch.arange(3) > 1)[:, None].expand_as(torch.empty(3, 5, device=META)),
    ],
)
def test_what_no_weight_went_into_keeps_its_values(make: Callable[[], Tensor]) -> None:
    with KnownValues():
        assert make().device.type == "cpu"


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.ones(3, 4) @ WEIGHT.t(),
        lambda: F.embedding(torch.tensor([[1, 7]]), WEIGHT),
        lambda: torch.where(torch.arange(4) > 1, WEIGHT, 0.0),
        lambda: torch.cat([torch.ones(1, 4), WEIGHT]),
        lambda: WEIGHT.cpu() + torch.ones(4),
        lambda: F.scaled_dot_product_attention(*(WEIGHT[None],) * 3, attn_mask=torch.ones(8, 8, dtype=torch.bool)),
        lambda: torch.zeros(LARGEST + 1, device=META),
    ],
)
def test_what_comes_of_weights_or_is_large_has_a_shape_alone(make: Callable[[], Tensor]) -> None:
    with KnownValues():
        assert make().device == META


def test_masks_that_are_known_choose_as_many_as_they_do() -> None:
    mask = torch.tensor([True, False, True, True, False, False, False, True])
    with KnownValues():
        assert WEIGHT[mask].shape == (4, 4)
        assert WEIGHT[mask, 1].shape == (4,)
        assert torch.masked_select(WEIGHT, mask[:, None]).shape == (16,)
        assert torch.repeat_interleave(WEIGHT, torch.tensor([2, 0, 1, 1, 1, 1, 1, 3]), 0).shape == (10, 4)
        target = torch.zeros(8, 4)
        target[mask] = WEIGHT[:4]
        assert (target + 1).device == META


@pytest.mark.parametrize(
    "write",
    [
        lambda x: x.copy_(WEIGHT),
        lambda x: x.add_(WEIGHT),
        lambda x: x.index_add_(0, torch.tensor([0]), WEIGHT[:1]),
        lambda x: x.__setitem__(0, WEIGHT[0]),
        lambda x: x.__iadd__(WEIGHT),
        lambda x: x[2:].copy_(WEIGHT[2:]),
        lambda x: x.clamp_(min=WEIGHT),
        lambda x: torch._foreach_add_([x], [WEIGHT]),
    ],
)
def test_what_weights_are_written_into_is_no_longer_known(write: Callable[[Tensor], object]) -> None:
    target, other = torch.zeros(8, 4), torch.zeros(8, 4)
    earlier = target[1:]
    with KnownValues():
        write(target)
        assert [(tensor * 2).device for tensor in (target, target.t(), earlier)] == [META] * 3
        assert (other * 2).device.type == "cpu"
        with pytest.raises(RuntimeError, match="meta"):
            bool(target[0, 0])


def test_sizes_may_stand_in_tensors() -> None:
    two, rows = torch.tensor(2), torch.div(8, 4, rounding_mode="trunc")
    with KnownValues():
        assert WEIGHT.view(two, -1).shape == (2, 16)
        assert WEIGHT.repeat(rows, 1, two).shape == (2, 8, 8)
        assert WEIGHT.as_strided((two, 3), (1, rows)).shape == (2, 3)
        assert F.interpolate(WEIGHT[None, None], size=(two, two)).shape == (1, 1, 2, 2)


def test_what_is_written_has_to_fit_where_it_is_written() -> None:
    mask = torch.tensor([True, False, True, True, False, False, False, True])
    with KnownValues():
        target = torch.zeros(8, 4)
        target[mask] = WEIGHT[:1]
        target[0] = WEIGHT[:1]
        for wrong in (WEIGHT[:3], WEIGHT):
            with pytest.raises(RuntimeError, match="expand"):
                target[mask] = wrong


def test_questions_about_activations_are_not_answered() -> None:
    with KnownValues(), pytest.raises(RuntimeError, match="meta"):
        bool((WEIGHT > 0).any())
    with KnownValues(), pytest.raises(NotImplementedError):
        WEIGHT.nonzero()
    with KnownValues():
        assert bool((torch.arange(3, device=META) >= 0).all())


def test_an_id_outside_of_its_table_is_an_error() -> None:
    with KnownValues(), pytest.raises(IndexError, match="id 8 is looked up in a table of 8 rows"):
        F.embedding(torch.tensor([1, 8]), WEIGHT)


def test_the_meter_sees_only_what_the_model_calls() -> None:
    mask, ids = torch.tensor([True] * 7 + [False]), torch.tensor([1, 2])
    with KnownValues(), torch.no_grad(), Meter(track=False) as meter:
        F.embedding(ids, WEIGHT) + torch.ones(4)
        WEIGHT[mask]
    assert meter.ops == {
        "aten.add.Tensor": (1, 8),
        "aten.embedding.default": (1, 0),
        "aten.index.Tensor": (1, 0),
        "aten.ones.default": (1, 0),
    }


def test_rows_go_to_experts_evenly() -> None:
    experts = torch.empty(3, 4, 16, device=META)
    with KnownValues(), torch.no_grad(), Meter(track=False) as meter:
        ends = torch.histc(torch.empty(8, device=META), 3, 0, 2).cumsum(0).int()
        result = torch._grouped_mm(torch.empty(8, 4, device=META), experts, offs=ends)
    assert (result.shape, result.dtype) == ((8, 16), torch.float32)
    assert meter.matmul_flops == 2 * 8 * 4 * 16


def test_weights_are_forgotten_and_shared_ones_stay_shared() -> None:
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3), nn.BatchNorm1d(3))
    model[1].weight = model[0].weight
    forget_weights(model)
    assert {parameter.device for parameter in model.parameters()} == {META}
    assert model[0].weight is model[1].weight
    assert model[2].running_mean is not None
    assert model[2].running_mean.device.type == "cpu"
