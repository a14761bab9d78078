"""Nothing that computes is free: every operator the table calls so only moves, makes or asks, as `moves` proves."""

from __future__ import annotations

import re
import warnings
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache
from itertools import islice
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._ops import OpOverload

from elue.meter import Meter
from elue.meter.table import DECOMPOSE, FREE, operator_table
from tests.meter.free_layouts import AROUND, LAYOUTS
from tests.meter.free_samples import DENSE
from tests.meter.moves import moves, numbers

WRITTEN = {**DENSE, **LAYOUTS}
ELSEWHERE = {
    "has no kernel for a CPU, or none for the layouts it is for": """
        _copy_from.default _copy_from.out _copy_from_and_resize.default _copy_from_and_resize.out
        _indices_copy.default _indices_copy.out indices_copy.default indices_copy.out
        _values_copy.default _values_copy.out values_copy.default values_copy.out
        _sparse_broadcast_to_copy.default _sparse_broadcast_to_copy.out to_padded_tensor.out
        _nested_get_values_copy.default _nested_get_values_copy.out _nested_view_from_buffer_copy.out
        _nested_view_from_jagged_copy.default _nested_view_from_jagged_copy.out
        _nested_from_padded.out _nested_from_padded_and_nested_example.out _nested_tensor_from_mask.out
        _nested_tensor_from_tensor_list.out _nested_tensor_size.out _nested_tensor_storage_offsets.out
        _nested_tensor_strides.out _resize_output.default _resize_output.out _resize_output_.default
        _mkldnn_transpose_.default _cudnn_rnn_flatten_weight.default _cudnn_rnn_flatten_weight.out
        _use_cudnn_ctc_loss.Tensor _use_cudnn_ctc_loss.default _use_miopen_ctc_loss.Tensor _use_miopen_ctc_loss.default
    """,
    "is about the memory, streams and caches of other devices": """
        _cufft_clear_plan_cache.default _cufft_get_plan_cache_max_size.default _cufft_get_plan_cache_size.default
        _cufft_set_plan_cache_max_size.default _pin_memory.default _pin_memory.out pin_memory.default
        record_stream.default _propagate_xla_data.default
    """,
    "wraps a tensor for vmap or forward gradients, and nobody calls it otherwise": """
        _add_batch_dim.default _remove_batch_dim.default _fw_primal_copy.default _fw_primal_copy.out
        _make_dual_copy.default _make_dual_copy.out
    """,
    "writes what its proved twin returns, into memory that only kernels make": """
        _empty_affine_quantized.out _empty_per_channel_affine_quantized.out empty_quantized.out from_file.out
        _mkldnn_reshape.out _mkldnn_transpose.out mkldnn_reorder_conv2d_weight.out mkldnn_reorder_conv3d_weight.out
        to_mkldnn.out _sparse_coo_tensor_with_dims.out _sparse_coo_tensor_with_dims_and_tensors.out
    """,
    "finds strides and offsets from the sizes of parts, as every view of a dense tensor does": """
        _nested_compute_contiguous_strides_offsets.default
    """,
    "puts a gradient of a nested tensor among zeros, or repeats it": """
        _nested_select_backward.default _nested_sum_backward.default
    """,
    "takes weights packed as torch before 1.3 did": """
        quantized.linear_unpack.legacy quantized.linear_unpack_fp16.legacy
    """,
}
"""Free operators that cannot be called here: why, and which; aten's without their namespace."""


@pytest.fixture(autouse=True)
def memory_that_nobody_wrote_is_the_same_every_time() -> Iterator[None]:
    before = torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()
    torch.use_deterministic_algorithms(True, warn_only=True)
    yield
    torch.use_deterministic_algorithms(before[0], warn_only=before[1])


def overload(name: str) -> OpOverload:
    namespace, operator, rest = name.split(".")
    found: OpOverload = getattr(getattr(getattr(torch.ops, namespace), operator), rest)
    return found


@cache
def database() -> dict[str, list[Any]]:
    """torch's sample inputs, by the names that an operator goes by."""
    from torch.testing._internal.common_methods_invocations import op_db

    by_name = defaultdict(list)
    for entry in op_db:
        names = {entry.name, entry.aten_name, entry.name.replace(".", "_"), entry.name.rpartition(".")[2]}
        for name in names | {alias.name for alias in entry.aliases}:
            by_name[name].append(entry)
    return by_name


def samples(name: str) -> Iterator[tuple[tuple[Any, ...], dict[str, Any]]]:
    """Written down for this overload, for all of the operator, or for what it is an in-place or copying form of."""
    _, operator, rest = name.split(".")
    bare = {operator, operator.removesuffix("_"), operator.removesuffix("_copy")}
    rests = {rest, re.sub("_?out$", "", rest) or "default"}
    for key in [f"{base}.{one}" for base in bare for one in rests] + [*bare]:
        for case in WRITTEN.get(key, ()):
            keywords = case[-1] if case and isinstance(case[-1], dict) else {}
            yield (case[:-1] if keywords else case), keywords
    for entry in (entry for base in {*bare, operator.lstrip("_")} for entry in database().get(base, ())):
        dtype = torch.float32 if torch.float32 in entry.dtypes else next(iter(entry.dtypes))
        for sample in islice(entry.sample_inputs_func(entry, "cpu", dtype, False), 8):
            yield (sample.input, *sample.args), sample.kwargs


def into_outputs(name: str, call: OpOverload, args: tuple[Any, ...], kwargs: dict[str, Any]) -> dict[str, Any]:
    """The keyword arguments, with room for the results of the form that returns them."""
    outputs = [argument.name for argument in call._schema.arguments if argument.is_out]
    if not outputs or outputs[0] in kwargs:
        return kwargs
    twin = re.sub(r"\.(.*?)_?out$", lambda match: f".{match[1] or 'default'}", name)
    result = overload(twin)(*args, **kwargs)
    rooms = [result] if isinstance(result, Tensor) else list(result)
    if len(outputs) == 1 and not isinstance(result, Tensor):
        return {**kwargs, outputs[0]: [torch.zeros_like(room) for room in rooms]}
    return {**kwargs, **dict(zip(outputs, map(torch.zeros_like, rooms), strict=True))}


def verdict(name: str) -> tuple[bool | None, str]:
    """Whether it moves on all samples that it takes (None: on none), and why not."""
    if name in AROUND:
        return moves(*AROUND[name]), "around"
    call = overload(name)
    proved, why = None, "no sample"
    for args, kwargs in samples(name):
        try:
            moved = moves(call, args, into_outputs(name, call, args, kwargs))
        except Exception as error:
            why = f"{type(error).__name__}: {str(error)[:120]}"
            continue
        if moved is False:
            return False, f"{args} {kwargs}"
        proved = moved or proved
    return proved, why


FREE_ONES = sorted(name for name, rule in operator_table().rules.items() if rule == FREE)


def test_every_free_operator_only_moves_makes_or_asks() -> None:
    refuted, unproved = {}, {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in FREE_ONES:
            proved, why = verdict(name)
            if proved is False:
                refuted[name] = why
            elif proved is None:
                unproved[name] = why
    assert refuted == {}
    elsewhere = {
        name if name.startswith("quantized.") else f"aten.{name}"
        for text in ELSEWHERE.values()
        for name in text.split()
    }
    assert unproved.keys() == elsewhere, unproved


@pytest.mark.slow
def test_operators_made_of_others_that_cost_nothing_only_move() -> None:
    """A composite kernel that computed by itself, rather than by operators, would count nothing."""
    refuted = []
    for name in sorted(name for name, rule in operator_table().rules.items() if rule == DECOMPOSE):
        if name.startswith(("aten.", "quantized.")):
            refuted += [name] if computes_for_nothing(name) else []
    assert refuted == []


def computes_for_nothing(name: str) -> bool:
    call = overload(name)
    for args, kwargs in samples(name):
        try:
            room = into_outputs(name, call, args, kwargs)
            with Meter() as meter:
                call(*args, **room)
            nothing = meter.complete and not meter.flops and moves(call, args, room) is False
        except Exception:
            continue
        if nothing and max(part.numel() for part in numbers((args, kwargs))) > 1:
            return True
    return False


@pytest.mark.parametrize(
    ("call", "operands"),
    [
        (torch.relu, (torch.rand(3, 4) - 0.5,)),
        (torch.sort, (torch.rand(9),)),
        (torch.amax, (torch.rand(3, 4), 0)),
        (torch.nonzero, (torch.rand(9).round(),)),
        (torch.sum, (torch.rand(3, 4),)),
        (torch.sign, (torch.rand(3, 4) - 0.5,)),
        (torch.neg, (torch.rand(3, 4),)),
        (Tensor.long, (torch.rand(3, 4),)),
        (Tensor.bool, (torch.rand(3, 4),)),
        (
            lambda x, index, y: x.scatter_(0, index, y, reduce="add"),
            (torch.rand(4), torch.tensor([0, 1]), torch.rand(2)),
        ),
        (lambda x: torch.sparse_coo_tensor(torch.tensor([[0, 0]]), x, (2,)).to_dense(), (torch.rand(2),)),
        (lambda x: torch.complex(x, x).conj().imag.clone(), (torch.rand(3),)),
        (lambda x: x.mean().item(), (torch.rand(3),)),
    ],
)
def test_the_proof_refutes_what_computes(call: Callable[..., Any], operands: tuple[Any, ...]) -> None:
    assert moves(call, operands) is False
