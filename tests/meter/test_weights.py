"""Which memory is whose: what is freed and given out anew is another parameter, what is shown anew is not."""

from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable

import numpy
import pytest
import torch
from torch import Tensor, nn

from elue.meter import Meter

SIZE = 4096
GROUND = mmap.mmap(-1, 4 * SIZE)
"""Memory that a loader of its own hands out again and again."""


def from_numpy() -> Tensor:
    return torch.from_numpy(numpy.frombuffer(GROUND, dtype=numpy.float32))


def from_buffer() -> Tensor:
    return torch.frombuffer(GROUND, dtype=torch.float32)


def from_dlpack() -> Tensor:
    return torch.utils.dlpack.from_dlpack(numpy.frombuffer(GROUND, dtype=numpy.float32))


def from_pointer() -> Tensor:
    array = (ctypes.c_float * SIZE).from_buffer(GROUND)
    return torch.from_numpy(numpy.ctypeslib.as_array(array))


def from_elsewhere() -> Tensor:
    """Made where no operator is seen; the allocator gives out the same memory as soon as it is free."""
    key = torch._C._dispatch_key_parse("DeferredInit")
    torch._C._dispatch_tls_set_dispatch_key_included(key, False)
    try:
        return torch.zeros(SIZE)
    finally:
        torch._C._dispatch_tls_set_dispatch_key_included(key, True)


MAKERS = [from_numpy, from_buffer, from_dlpack, from_pointer, from_elsewhere]


@pytest.mark.filterwarnings("ignore:The given NumPy array:UserWarning")
@pytest.mark.filterwarnings("ignore:The given buffer:UserWarning")
@pytest.mark.parametrize("make", MAKERS)
def test_memory_that_is_given_out_anew_is_another_parameter(make: Callable[[], Tensor]) -> None:
    x, places = torch.rand(SIZE), []
    with Meter() as meter, torch.no_grad():
        for number in range(1, 21):
            parameter = nn.Parameter(make())
            places.append(parameter.data_ptr())
            x.dot(parameter)
            assert meter.params_touched == number * SIZE
            del parameter
    assert len(set(places)) < 20


def test_memory_that_is_shown_anew_is_the_same_parameter() -> None:
    layer, x = nn.Linear(4, 6, bias=False), torch.rand(3, 4)
    with Meter() as meter:
        for _ in range(3):
            layer(x)
            layer.weight = nn.Parameter(layer.weight.data)
        layer(x)
    assert meter.params_touched == 24


def test_a_parameter_that_is_given_other_data_is_another_part() -> None:
    """As a model does that has one layer in memory at a time."""
    layer, x = nn.Linear(4, 6, bias=False), torch.rand(3, 4)
    kept = [torch.rand(6, 4) for _ in range(3)]
    with Meter() as meter, torch.no_grad():
        for weights in (*kept, *kept):
            layer.weight.data = weights
            layer(x)
    assert meter.params_touched == 3 * 24


class Special(nn.Parameter):
    """A subclass of Parameter."""


def touched(call: Callable[[], object]) -> int:
    with Meter() as meter:
        call()
    return meter.params_touched


def test_parameters_that_get_their_memory_later_or_another_count_whatever_their_type() -> None:
    """Lazy layers, subclasses that move, before a Meter opens or inside, used themselves or by their data."""

    def lazily() -> None:
        layer = nn.LazyLinear(3)
        layer(torch.rand(2, 4))
        layer(torch.rand(2, 4))

    assert touched(lazily) == 3 * 4 + 3
    layer = nn.LazyLinear(3)
    layer(torch.rand(2, 4))
    assert touched(lambda: layer.weight.detach().sum()) == 3 * 4
    special = Special(torch.rand(6, 4))
    assert touched(lambda: nn.functional.linear(torch.rand(3, 4), special)) == 24
    special.data = torch.rand(5, 4)
    assert touched(lambda: special.detach().sum()) == 20

    def moved_inside() -> None:
        special.data = torch.rand(7, 4)
        nn.functional.linear(torch.rand(3, 4), special)

    assert touched(moved_inside) == 28
