"""Bytes moved."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn
from torch.fx.experimental.proxy_tensor import make_fx

from elue.errors import ElueError
from elue.meter import Meter
from elue.meter.plan import plan_for
from elue.meter.reading import access_of
from elue.meter.table import DECOMPOSE, UNKNOWN, operator_table


def moved(call: object, *args: object) -> tuple[int, int]:
    with Meter(traffic=True) as meter:
        call(*args)  # type: ignore[operator]
    return meter.bytes_read, meter.bytes_written


def test_operands_are_read_and_results_written_once() -> None:
    x, w, b = torch.rand(3, 4), torch.rand(5, 4), torch.rand(5)
    assert moved(nn.functional.linear, x, w, b) == (4 * (12 + 20 + 5), 4 * 15)
    assert moved(torch.add, x.double(), x.double()) == (8 * 24, 8 * 12)
    assert moved(torch.cat, [x, x]) == (4 * 24, 4 * 24)


def test_views_move_nothing_and_look_ups_their_rows() -> None:
    assert moved(lambda x: x.view(-1).view(2, 6).t(), torch.rand(3, 4)) == (0, 0)
    table, ids = torch.rand(100, 8), torch.tensor([3, 5])
    assert moved(nn.functional.embedding, ids, table) == (2 * 8 + 2 * 32, 2 * 32)
    assert moved(lambda: torch.rand(1, 4).expand(50, 4) + 1)[0] <= 4 * 4


X, COMPLEX = torch.rand(3, 4), torch.rand(3, dtype=torch.complex64)
DOUBLE = torch.ones(1).double()
SPARSE, QUANTISED = torch.eye(3).to_sparse(), torch.quantize_per_tensor(X, 0.1, 0, torch.qint8)


@pytest.mark.parametrize(
    "call",
    [
        lambda: X.is_pinned(),
        lambda: X.is_set_to(X),
        lambda: X.is_inference(),
        lambda: (X.is_leaf, X.output_nr, X._version, X.retains_grad),
        lambda: (COMPLEX.is_conj(), COMPLEX.is_neg()),
        lambda: (SPARSE.sparse_dim(), SPARSE.dense_dim(), SPARSE._nnz(), SPARSE.is_coalesced()),
        lambda: (QUANTISED.q_scale(), QUANTISED.q_zero_point(), QUANTISED.qscheme()),
        lambda: torch._shape_as_tensor(X),
        lambda: torch.ops.aten.cudnn_is_acceptable(X),
        lambda: torch._debug_has_internal_overlap(X),
        lambda: X.detach().t_().transpose_(0, 1).unsqueeze_(0).squeeze_().as_strided_((2, 2), (2, 1)),
        lambda: torch.Tensor().set_(X).resize_(2).resize_as_(X),
        lambda: torch.empty(9).new_empty(4),
        lambda: torch.empty_like(X),
        lambda: nn.functional.dropout(X, 0.5, False),
        lambda: nn.functional.feature_alpha_dropout(X, 0.5, False),
        lambda: torch.func.vmap(lambda x: nn.functional.dropout(x, 0.5, False))(X),
        lambda: X.type_as(X),
        lambda: torch.atleast_3d(X),
        lambda: torch.broadcast_tensors(X, X[0]),
        lambda: torch.meshgrid(X[0], X[1], indexing="ij"),
        lambda: X.unsafe_chunk(2),
        lambda: torch.ops.aten._unsafe_view(X, [12]),
        lambda: COMPLEX.conj(),
    ],
)
def test_asking_and_arranging_move_nothing(call: Callable[[], object]) -> None:
    assert moved(call) == (0, 0)


@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda: nn.functional.dropout(X, 0.5, True), (48, 48)),
        (lambda: torch.dropout_(X, 0.0, True), (48, 48)),
        (lambda: X.type_as(DOUBLE), (48 + 8, 96)),
        (lambda: X.unsafe_chunk(2)[0].clone(), (32, 32)),
        (lambda: X[0, 0].item(), (4, 0)),
    ],
)
def test_what_does_move_does_not_pass_for_it(call: Callable[[], object], right: tuple[int, int]) -> None:
    assert moved(call) == right


LOOKS = """
    _assert_async _functional_assert_async _functional_assert_scalar _linalg_check_errors _local_scalar_dense allclose
    equal item _nested_tensor_from_mask_left_aligned
""".split()  # noqa: SIM905
"""Free operators without a tensor to give back that look at values, beside those that validate sparse indices."""


def test_every_operator_that_gives_back_no_tensor_and_reads_is_known_to() -> None:
    for name, rule in operator_table().rules.items():
        namespace, operator, overload = name.split(".")
        if rule in (DECOMPOSE, UNKNOWN) or namespace != "aten" or operator in LOOKS or "_validate_" in operator:
            continue
        op = getattr(getattr(torch.ops.aten, operator, None), overload, None)
        if op is None or any("Tensor" in str(value.type) for value in op._schema.returns):
            continue
        access = access_of(plan_for(op))
        takes = any("Tensor" in str(value.type) for value in op._schema.arguments)
        assert access.still or not access.reads or access.written or not takes, name


def test_an_operator_that_lends_its_operand_touches_no_parameter() -> None:
    weight = nn.Parameter(torch.rand(6, 4))
    with Meter() as meter:
        weight.is_pinned()
        nn.functional.dropout(weight, 0.5, False)
        torch.atleast_2d(weight)
        weight.unsafe_chunk(2)[0].sum()
    assert meter.params_touched == 12


def test_a_grouped_product_reads_only_the_groups_that_have_rows() -> None:
    rows, experts = torch.rand(6, 16), torch.rand(3, 16, 8)
    ends = torch.tensor([2, 2, 6], dtype=torch.int32)
    read, written = moved(lambda: nn.functional.grouped_mm(rows, experts, offs=ends))
    assert (read, written) == (4 * (6 * 16 + 2 * 16 * 8 + 3), 4 * 6 * 8)


ROWS = torch.nested.nested_tensor([torch.rand(2, 4), torch.rand(3, 4)])
TURNED = ROWS.transpose(1, 2)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("call", "right"),
    [
        (lambda: ROWS.clone(), (80, 80)),
        (lambda: ROWS + ROWS, (160, 80)),
        (lambda: nn.functional.gelu(ROWS), (80, 80)),
        (lambda: TURNED.clone(), (80, 80)),
        (lambda: TURNED.contiguous(), (80, 80)),
        (lambda: torch.dropout(TURNED, 0.5, True), (80, 80)),
    ],
)
def test_nested_tensors_move_what_they_hold(call: Callable[[], object], right: tuple[int, int]) -> None:
    assert moved(call) == right


def test_sizes_that_a_graph_leaves_open_move_those_at_hand() -> None:
    graphs = [make_fx(lambda x: (x * 2).sum(-1), tracing_mode=mode) for mode in ("real", "symbolic")]
    real, symbolic = (moved(graph, X) for graph in graphs)
    assert real == symbolic == (48 + 48, 48 + 12)


def test_bytes_must_be_asked_for() -> None:
    with Meter() as meter:
        torch.ones(2) + 1
    with pytest.raises(ElueError, match="Meter\\(traffic=True\\)"):
        _ = meter.bytes_read
