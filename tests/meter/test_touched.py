"""Parameters touched: storage decides what is one, the schema what is read, and a look-up counts what it fetches."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn
from torch.func import functional_call, stack_module_state, vmap
from torch.nn import functional as F
from torch.nn.utils import parametrizations

from elue.meter import Meter, ledger, operands, weights
from elue.meter.memory import Place

X = torch.rand(3, 4)
MODES = [torch.enable_grad, torch.no_grad, torch.inference_mode]


class Special(nn.Parameter):
    """A subclass of Parameter."""


class Wrapped(torch.Tensor):
    """A parameter of 8-bit numbers and their scale, as quantising libraries have it."""

    data8: torch.Tensor
    scale: torch.Tensor

    @staticmethod
    def __new__(cls, data8: torch.Tensor, scale: torch.Tensor) -> Wrapped:
        wrapped: Wrapped = torch.Tensor._make_wrapper_subclass(cls, data8.shape, dtype=torch.float32)
        wrapped.data8, wrapped.scale = data8, scale
        return wrapped

    def __tensor_flatten__(self) -> tuple[list[str], None]:
        return ["data8", "scale"], None

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func is torch.ops.aten.detach.default:
            return Wrapped(args[0].data8, args[0].scale)
        if func is torch.ops.aten.embedding.default:
            return func(args[0].data8, *args[1:]) * args[0].scale
        plain = [each.data8.float() * each.scale if isinstance(each, Wrapped) else each for each in args]
        return func(*plain, **(kwargs or {}))


def touched(call: Callable[[], object]) -> int:
    with Meter() as meter:
        call()
    return meter.params_touched


W, B, TABLE = nn.Parameter(torch.rand(6, 4)), nn.Parameter(torch.rand(6)), nn.Parameter(torch.rand(10, 4))
LAYER = nn.Linear(4, 6)
STACKED, _ = stack_module_state([nn.Linear(4, 6) for _ in range(3)])  # type: ignore[arg-type]
BASE = nn.Linear(4, 6, device="meta")
SPECIAL = Special(torch.rand(6, 4))
WEIGHTED = parametrizations.weight_norm(nn.Linear(4, 6))
QUANTISED = nn.Parameter(Wrapped(torch.ones(6, 4, dtype=torch.int8), torch.ones(1)), requires_grad=False)
INDEX = torch.tensor([[0, 1, 0, 3]])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda: F.linear(X, W.detach(), B), 30),
        (lambda: F.linear(X, W.data, B.data), 30),
        (lambda: X @ W.detach().clone().t(), 24),
        (lambda: X @ W.data.t()[:, 2:4], 8),
        (lambda: torch.from_numpy(W.detach().numpy()).sum(), 24),
        (lambda: W.detach().view(torch.int32).sum(), 24),
        (lambda: torch.as_strided(W.data, (2, 2), (4, 1), 1).sum(), 4),
        (lambda: functional_call(LAYER, {"weight": W, "bias": B}, (X,)), 30),
        (lambda: functional_call(LAYER, {"weight": W.detach(), "bias": B.data}, (X,)), 30),
        (lambda: functional_call(LAYER, {"weight": torch.zeros(6, 4)}, (X,)), 24 + 6),
        (lambda: vmap(lambda p: functional_call(BASE, p, (X,)))(STACKED), 3 * 30),
        (lambda: F.linear(X, SPECIAL), 24),
        (lambda: F.linear(X, SPECIAL.detach()), 24),
        (lambda: WEIGHTED(X), 24 + 6 + 6),
        (lambda: F.linear(X, QUANTISED), 24),
        (lambda: QUANTISED.data8.sum(), 24),
        (lambda: F.embedding(INDEX, QUANTISED), 3 * 4),
        (lambda: W.shape, 0),
    ],
)
def test_storage_decides(mode: Callable, call: Callable[[], object], right: int) -> None:
    with mode():
        assert touched(call) == right


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda: F.embedding(INDEX, TABLE), 3 * 4),
        (lambda: TABLE[1], 0),
        (lambda: TABLE[INDEX], 3 * 4),
        (lambda: TABLE[-1] + 1, 4),
        (lambda: TABLE[[0, 5], [1, 2]], 2),
        (lambda: TABLE[:, [0, 3]], 2 * 10),
        (lambda: TABLE[:, 1:3][[4, 4, 5]], 2 * 2),
        (lambda: TABLE[torch.arange(10) < 3], 3 * 4),
        (lambda: TABLE.index_select(0, INDEX[0]), 3 * 4),
        (lambda: TABLE.index_select(1, torch.tensor([2, 2])), 10),
        (lambda: TABLE.index_select(-1, torch.tensor([2, 0])), 20),
        (lambda: TABLE.gather(1, INDEX), 4 - 1),
        (lambda: TABLE.gather(0, INDEX), 4),
        (lambda: TABLE.take(torch.tensor([0, 39, -1])), 2),
        (lambda: TABLE.masked_select(torch.eye(10, 4, dtype=torch.bool)), 4),
        (lambda: torch.take_along_dim(TABLE, INDEX, 0), 4),
        (lambda: F.embedding_bag(INDEX, TABLE), 3 * 4),
        (lambda: TABLE.t()[[1]], 10),
        (lambda: TABLE.t().index_select(1, INDEX[0]), 3 * 4),
        (lambda: F.embedding(INDEX, TABLE) + TABLE[0:2].sum(), 3 * 4),
        (lambda: TABLE.data[3:].index_select(0, torch.tensor([0, 6])), 2 * 4),
        (lambda: F.embedding(INDEX, TABLE.detach()[:, :2]), 3 * 2),
        (lambda: TABLE.unfold(0, 2, 5).sum(), 4 * 4),
    ],
)
def test_look_ups_count_what_they_fetch(mode: Callable, call: Callable[[], object], right: int) -> None:
    with mode():
        assert touched(call) == right


@pytest.mark.parametrize(
    "call",
    [
        lambda: nn.Linear(4, 6),
        lambda: nn.Sequential(nn.Embedding(9, 4, padding_idx=0), nn.LayerNorm(4), nn.BatchNorm1d(4), nn.LSTM(4, 4)),
        lambda: nn.Conv1d(2, 3, 2),
        lambda: nn.init.trunc_normal_(nn.Parameter(torch.empty(40, 40))),
        lambda: torch.mm(X, torch.ones(4, 6), out=torch.empty(3, 6)),
        lambda: nn.Parameter(torch.rand(6, 4)).data.copy_(torch.ones(6, 4)),
        lambda: nn.Parameter(torch.rand(6, 4)).data.mul_(2).add_(1),
        lambda: nn.Parameter(torch.rand(3, 6)).data.index_fill_(0, torch.tensor([1]), 0),
        lambda: torch.add(X, X, out=nn.Parameter(torch.rand(3, 4)).data),
        lambda: torch._foreach_zero_([nn.Parameter(torch.rand(3, 4)).data]),
    ],
)
def test_what_is_written_is_not_touched(call: Callable[[], object]) -> None:
    assert touched(call) == 0


def test_a_layer_built_and_used_inside_is_touched_once() -> None:
    def build() -> None:
        layer = nn.Linear(4, 6)
        layer(X)
        layer(layer.weight.detach())

    assert touched(build) == 30
    assert touched(lambda: [build() for _ in range(5)]) == 5 * 30


def test_memory_that_a_freed_parameter_leaves_is_no_parameter() -> None:
    def reuse() -> None:
        for _ in range(50):
            layer = nn.Linear(64, 64, bias=False)
            del layer
            torch.zeros(64, 64).sum()

    assert touched(reuse) == 0


def test_data_given_to_a_parameter_moves_it() -> None:
    parameter = nn.Parameter(torch.rand(5))
    with Meter() as meter:
        parameter.data = torch.rand(7)
        parameter.sum()
    with Meter() as after:
        parameter.detach().sum()
    assert (meter.params_touched, after.params_touched) == (7, 7)


def test_ties_and_flat_stores_count_once() -> None:
    flat = torch.rand(40)
    first, second = nn.Parameter(flat[:24].view(6, 4)), nn.Parameter(flat[20:30])
    with Meter() as meter:
        F.linear(X, first)
        second.sum()
        flat[38:].sum()
    assert meter.params_touched == 30


def moved(call: Callable[[], object]) -> tuple[int, int]:
    with Meter(traffic=True) as meter:
        call()
    return meter.bytes_read, meter.bytes_written


BIG, OUT, ROW = torch.rand(10, 4), torch.empty(10, 4), torch.ones(1, 4)
TWO = torch.tensor([1, 2])


@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda: torch.add(BIG, BIG, out=OUT), (320, 160)),
        (lambda: OUT.copy_(BIG), (160, 160)),
        (lambda: OUT.fill_(1), (0, 160)),
        (lambda: OUT.add_(BIG), (320, 160)),
        (lambda: OUT[2].copy_(ROW[0]), (16, 16)),
        (lambda: torch._foreach_add_([OUT, OUT], 1), (320, 320)),
        (lambda: BIG.gather(1, TWO[None]), (8 + 16, 8)),
        (lambda: BIG[TWO, TWO], (8 + 32, 8)),
        (lambda: BIG.index_select(1, TWO), (80 + 16, 80)),
        (lambda: BIG.take(TWO), (8 + 16, 8)),
        (lambda: OUT.index_put_((TWO,), ROW), (16 + 16, 16)),
        (lambda: OUT.index_copy_(0, TWO[:1], ROW), (8 + 16, 16)),
        (lambda: OUT.detach().view(-1), (0, 0)),
    ],
)
def test_bytes_follow_the_schema(call: Callable[[], object], right: tuple[int, int]) -> None:
    assert moved(call) == right


@pytest.mark.parametrize("mode", MODES)
def test_a_million_look_ups_hold_nothing(mode: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits to be added up is a page, however many there are."""
    monkeypatch.setattr(ledger, "_PAGE", 50)
    monkeypatch.setattr(operands, "_PAGE", 50)
    table, other = nn.Parameter(torch.rand(1000, 4)), torch.rand(1000, 4)
    ids = torch.arange(1000)

    def look_up(meter: Meter, times: int) -> int:
        tracemalloc.start()
        with meter, mode():
            for _ in range(times):
                F.embedding(ids, table)
                table[ids]
                table.index_select(1, ids[:3])
                other[ids] + 1
                table.gather(1, ids[:, None] % 4)
        held, _ = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return held

    meter = Meter(traffic=True, attribute=True)
    look_up(meter, 2)
    assert look_up(meter, 200) < 50_000
    assert meter.params_touched == 4000
    kept: Any = meter._ledgers[0].touched
    assert not [name for name in kept.__slots__ if isinstance(getattr(kept, name), torch.Tensor)]


def test_any_slices_stay_within_bounds() -> None:
    parameter = nn.Parameter(torch.rand(5000))
    with Meter() as meter, torch.no_grad():
        for start in range(0, 5000, 2):
            parameter[start : start + 1].sum()
            parameter[start::997].sum()
    (read,) = meter._ledgers[0].touched._reads.values()  # type: ignore[union-attr]
    assert len(read.stretches) <= 2500
    steps = {place for start in range(0, 5000, 2) for place in range(start, 5000, 997)}
    assert meter.params_touched == len(steps | set(range(0, 5000, 2)))


def test_parameters_may_go_while_all_are_looked_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """The collector may run at any time: what goes is left out, and the others stand where they stood."""
    kept, going = nn.Parameter(torch.rand(3)), [nn.Parameter(torch.rand(4))]
    known = weights.Weights()
    known.add(kept)
    known.add(going[0])
    gone = going[0].data_ptr()
    place = weights.place_of

    def then_gone(tensor: torch.Tensor | None) -> Place | None:
        where = place(tensor)
        if tensor is not kept:
            going.clear()
        return where

    monkeypatch.setattr(weights, "place_of", then_gone)
    known.refresh()
    assert known.at(kept.data_ptr()) is not None
    assert known.at(gone) is None
    assert [whole.stretch for whole in known.whole.values()] == [(0, 3)]


def test_what_was_read_stays_read_while_parameters_come_and_go() -> None:
    """Whole parameters, halves of one memory, and one that comes and goes: the union of all that was read."""
    whole, stack = nn.Parameter(torch.rand(5)), torch.rand(2, 4)
    halves = [nn.Parameter(half) for half in stack]
    with Meter() as meter:
        whole.exp()
        halves[0].exp()
        assert meter.params_touched == 5 + 4
        passing = nn.Parameter(torch.rand(3000))
        passing.exp()
        whole.exp()
        assert meter.params_touched == 5 + 4 + 3000
        del passing
        stack.exp()
    assert meter.params_touched == 5 + 8 + 3000
    assert len({number for number, *_ in meter.touched_intervals()}) == 3
