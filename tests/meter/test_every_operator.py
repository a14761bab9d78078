"""Every operator torch has sample inputs for counts the same in all grad modes, and none goes by in silence."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor

from elue.meter import Meter
from elue.meter.table import FREE, operator_table

pytestmark = pytest.mark.slow
pytest.importorskip("expecttest", reason="torch's operator database needs it")
MOVEMENT = """
    as_strided as_strided_scatter block_diag broadcast_tensors diagonal_scatter empty_like full_like index_copy
    index_fill masked_scatter new_empty new_empty_strided new_full scatter select_scatter slice_scatter
""".split()  # noqa: SIM905
"""Operators whose result holds other numbers than their first operand does, and which still compute nothing."""
ITERATIVE = {
    "aten._linalg_eigh.default",
    "aten._linalg_eigvals.default",
    "aten._linalg_svd.default",
    "aten.linalg_eig.default",
    "aten.linalg_lstsq.default",
    "aten.linalg_matrix_exp.default",
    "aten.linalg_pinv.atol_rtol_tensor",
}
"""Without a price on purpose: how many steps they take depends on the numbers."""
MODES = (torch.enable_grad, torch.no_grad, torch.inference_mode)


def samples() -> Iterator[tuple[str, Any, Any]]:
    from torch.testing._internal.common_methods_invocations import op_db

    for operator in op_db:
        if torch.float32 in operator.dtypes:
            for sample in islice(operator.sample_inputs_func(operator, "cpu", torch.float32, False), 2):
                yield operator.name, operator, sample


def measured(operator: Any, sample: Any, mode: Any) -> tuple[Meter, Any]:
    torch.manual_seed(0)
    with mode(), Meter() as meter:
        result = operator(sample.input, *sample.args, **sample.kwargs)
    return meter, result


@pytest.mark.filterwarnings("ignore")
def test_grad_modes_agree_and_only_free_operators_cost_nothing() -> None:
    rules, differ, silent = operator_table().rules, [], []
    for name, operator, sample in samples():
        try:
            meters = [measured(operator, sample, mode) for mode in MODES]
        except (RuntimeError, NotImplementedError, AssertionError):
            continue
        if len({(meter.flops, meter.matmul_flops, tuple(meter.unknown)) for meter, _ in meters}) > 1:
            differ.append(name)
        meter, result = meters[0]
        priced = [each for each in meter.ops if rules.get(each) != FREE]
        if meter.complete and not meter.flops and not priced and computes(sample.input, result):
            silent.append(name)
    assert differ == []
    assert set(silent) <= set(MOVEMENT)


@pytest.mark.filterwarnings("ignore")
def test_only_iterative_operators_have_no_price() -> None:
    unknown: dict[str, set[str]] = {}
    for name, operator, sample in samples():
        try:
            meter, _ = measured(operator, sample, torch.no_grad)
        except (RuntimeError, NotImplementedError, AssertionError):
            continue
        for each in meter.unknown:
            unknown.setdefault(each, set()).add(name)
    chunked = {each for each in unknown if each.startswith("torch_nn._linear_cross_entropy_batch_chunked")}
    assert unknown.keys() - chunked <= ITERATIVE, unknown


def computes(given: Any, result: Any) -> bool:
    """Whether the result holds numbers that are not in the input: then something was computed."""
    tensors = result if isinstance(result, (list, tuple)) else (result,)
    known = set(given.reshape(-1).tolist()) if isinstance(given, Tensor) and not given.is_complex() else None
    for tensor in tensors:
        if known is None or not isinstance(tensor, Tensor) or tensor.dtype != torch.float32 or not tensor.numel():
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            new = set(tensor.detach().to_dense().reshape(-1).tolist()) - known - {0.0, 1.0}
        if any(value == value for value in new):
            return True
    return False
