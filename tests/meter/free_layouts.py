"""Operands for operators that the table calls free, in other layouts: sparse, nested, quantised, oneDNN's."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.autograd import forward_ad

from tests.meter.free_samples import Samples, longs, t

COO = torch.sparse_coo_tensor(torch.tensor([[0, 1, 1], [2, 0, 2]]), t(3), (2, 3)).coalesce()
HYBRID = torch.sparse_coo_tensor(torch.tensor([[0, 2]]), t(2, 3), (4, 3)).coalesce()
CSR = (t(4, 4) * torch.eye(4)).to_sparse_csr()
CSC = (t(4, 4) * torch.eye(4)).to_sparse_csc()
BSR = (t(4, 4) + 0.1).to_sparse_bsr((2, 2))
BSC = (t(4, 4) + 0.1).to_sparse_bsc((2, 2))
ROWS, COLUMNS = longs(0, 1, 3), longs(1, 0, 2)
BLOCK_ROWS, BLOCK_COLUMNS = longs(0, 1, 2), longs(1, 0)
SIZE, BLOCK_SIZE = [2, 3], [4, 4]
PLACES = torch.tensor([[0, 1, 1], [2, 0, 2]])
NESTED = torch.nested.nested_tensor([t(2, 3), t(4, 3)])
OFFSETS = longs(0, 2, 6)
JAGGED = torch.nested.nested_tensor_from_jagged(t(6, 3), OFFSETS)
QUANTISED = torch.quantize_per_tensor(t(2, 3) * 9, 0.5, 3, torch.qint8)
BY_CHANNEL = torch.quantize_per_channel(t(2, 3) * 9, torch.tensor([0.5, 0.25]).double(), longs(1, 2), 0, torch.qint8)
ANY_COO = [(COO,), (HYBRID,)]
COMPRESSED_ROWS: list[tuple[Any, ...]] = [(CSR,), (BSR,)]
COMPRESSED_COLUMNS: list[tuple[Any, ...]] = [(CSC,), (BSC,)]
CSR_PARTS, BSR_PARTS = (ROWS, COLUMNS, t(3)), (BLOCK_ROWS, BLOCK_COLUMNS, t(2, 2, 2))
DUMMY = torch._nested_get_jagged_dummy(JAGGED)
LIKE_ROWS = {"layout": torch.sparse_csr}


def _compressed(kind: str, parts: tuple[Tensor, ...], size: list[int]) -> Samples:
    named = f"sparse_{kind}_tensor.{'crow_col' if kind.endswith('sr') else 'ccol_row'}_value"
    return {
        named: [parts],
        f"{named}_size": [(*parts, size)],
        f"_sparse_{kind}_tensor_unsafe": [(*parts, size)],
        f"_validate_sparse_{kind}_tensor_args": [(*parts, size)],
    }


LAYOUTS: Samples = {
    # Sparse.
    **dict.fromkeys(("_indices", "_values", "indices", "values", "_nnz", "_dimI", "_dimV"), ANY_COO),
    **dict.fromkeys(("indices_copy", "values_copy", "_indices_copy", "_values_copy", "sparse_dim"), ANY_COO),
    **dict.fromkeys(("dense_dim", "is_coalesced"), ANY_COO),
    **dict.fromkeys(("crow_indices", "col_indices"), COMPRESSED_ROWS),
    **dict.fromkeys(("ccol_indices", "row_indices"), COMPRESSED_COLUMNS),
    "_coalesced": [(COO, True), (HYBRID, False)],
    "_sparse_broadcast_to": [(COO, [4, 2, 3])],
    "copy_sparse_to_sparse": [(HYBRID, HYBRID.clone())],
    "resize_as_sparse": [(COO, torch.sparse_coo_tensor(size=(3, 4)))],
    "sparse_resize": [(COO, [3, 4], 2, 0)],
    "sparse_resize_and_clear": [(COO, [3, 4], 2, 0)],
    "sparse_mask": [(t(2, 3), COO)],
    "sparse_coo_tensor.indices": [(PLACES, t(3))],
    "sparse_coo_tensor.indices_size": [(PLACES, t(3), SIZE)],
    "sparse_coo_tensor.size": [(SIZE,)],
    "sparse_coo_tensor.size_out": [(SIZE, {"out": torch.sparse_coo_tensor(size=(1, 1))})],
    "_sparse_coo_tensor_unsafe": [(PLACES, t(3), SIZE)],
    "_sparse_coo_tensor_with_dims": [(2, 0, SIZE, {"layout": torch.sparse_coo})],
    "_sparse_coo_tensor_with_dims_and_tensors": [(2, 0, SIZE, PLACES, t(3), {"layout": torch.sparse_coo})],
    "_validate_sparse_coo_tensor_args": [(PLACES, t(3), SIZE)],
    "_sparse_compressed_tensor_unsafe": [(*CSR_PARTS, SIZE, LIKE_ROWS)],
    "_sparse_compressed_tensor_with_dims": [(3, 0, SIZE, [], torch.int64, LIKE_ROWS)],
    "sparse_compressed_tensor.comp_plain_value": [(*CSR_PARTS, LIKE_ROWS)],
    "sparse_compressed_tensor.comp_plain_value_size": [(*CSR_PARTS, SIZE, LIKE_ROWS)],
    "_validate_sparse_compressed_tensor_args": [(*CSR_PARTS, SIZE, torch.sparse_csr)],
    **_compressed("csr", CSR_PARTS, SIZE),
    **_compressed("csc", CSR_PARTS, [3, 2]),
    **_compressed("bsr", BSR_PARTS, BLOCK_SIZE),
    **_compressed("bsc", BSR_PARTS, BLOCK_SIZE),
    # Nested.
    "_nested_tensor_size": [(NESTED,)],
    "_nested_tensor_strides": [(NESTED,)],
    "_nested_tensor_storage_offsets": [(NESTED,)],
    "_nested_from_padded": [(t(2, 4, 3), torch.tensor([[2, 3], [4, 3]]))],
    "_nested_from_padded_and_nested_example": [(t(2, 4, 3), NESTED)],
    "_nested_from_padded_tensor": [(t(2, 4, 3), OFFSETS, DUMMY, 1, None, None, 6)],
    "_nested_get_jagged_dummy": [(JAGGED,)],
    "_nested_get_lengths": [(torch.nested.narrow(t(2, 5, 3), 1, longs(0, 1), longs(2, 3), layout=torch.jagged),)],
    **{f"_nested_get_{name}": [(JAGGED,)] for name in ("offsets", "ragged_idx", "values", "values_copy")},
    **{f"_nested_get_{name}_seqlen": [(JAGGED,)] for name in ("min", "max")},
    "_nested_tensor_from_mask": [(t(2, 3, 4), torch.tensor([[True, True, False], [True, True, True]]))],
    "_nested_tensor_from_mask_left_aligned": [(t(2, 3, 4), torch.tensor([[True, True, False], [True] * 3]))],
    "_nested_tensor_from_tensor_list": [([t(2, 3), t(4, 3)],)],
    "_nested_view_from_buffer": [(t(18), torch.tensor([[2, 3], [4, 3]]), torch.tensor([[3, 1], [3, 1]]), longs(0, 6))],
    "_nested_view_from_jagged": [(t(6, 3), OFFSETS, DUMMY)],
    "_jagged_to_padded_dense_forward": [(t(6, 3), [OFFSETS], [4], 7.5)],
    "_padded_dense_to_jagged_forward": [(t(2, 4, 3), [OFFSETS], 6)],
    "nested_to_padded_tensor": [(NESTED, 7.5)],
    "to_padded_tensor": [(NESTED, 7.5)],
    # Quantised.
    "int_repr": [(QUANTISED,)],
    "q_scale": [(QUANTISED,)],
    "q_zero_point": [(QUANTISED,)],
    "qscheme": [(QUANTISED,)],
    "q_per_channel_axis": [(BY_CHANNEL,)],
    "q_per_channel_scales": [(BY_CHANNEL,)],
    "q_per_channel_zero_points": [(BY_CHANNEL,)],
    # Storages.
    "set.source_Storage": [(t(2, 3), t(4).untyped_storage())],
    "set.source_Storage_storage_offset": [(t(2, 3), t(4).untyped_storage(), 1, [2], [1])],
    "set_.source_Storage": [(t(2, 3), t(4).untyped_storage())],
    "set_.source_Storage_storage_offset": [(t(2, 3), t(4).untyped_storage(), 1, [2], [1])],
    "set_data": [(t(2, 3), t(2, 3))],
}


def _from_file(operator: Any, numbers: Tensor) -> Tensor:
    with tempfile.NamedTemporaryFile() as file:
        numbers.numpy().tofile(file.name)
        return operator(file.name, False, numbers.numel(), dtype=numbers.dtype).clone()


def _fp16(unpack: Any, weight: Tensor) -> bool:
    packed = torch.ops.quantized.linear_prepack_fp16(weight, None)
    return bool(torch.equal(unpack(packed)[0], weight.half().float()))


def _int8(unpack: Any, weight: Tensor) -> bool:
    quantised = torch.quantize_per_tensor(weight, 8.0, 3, torch.qint8)
    packed = torch.ops.quantized.linear_prepack(quantised, None)
    return bool(torch.equal(unpack(packed)[0].int_repr(), quantised.int_repr()))


def _recorded(enter: Any, leave: Any) -> bool:
    return leave(enter("name", None)) is None


def _dual(primal: Tensor, tangent: Tensor) -> list[Tensor]:
    with forward_ad.dual_level():
        return [part.clone() for part in forward_ad.unpack_dual(forward_ad.make_dual(primal, tangent))]


_QUANTISED = torch.ops.quantized
_PROFILER = torch.ops.profiler
AROUND: dict[str, tuple[Callable[..., Any], tuple[Any, ...]]] = {
    "aten._assert_async.default": (lambda: torch.ops.aten._assert_async(torch.tensor(True)), ()),
    "aten._assert_async.msg": (lambda: torch.ops.aten._assert_async(torch.tensor(True), "no"), ()),
    "aten._linalg_check_errors.default": (
        lambda: torch.ops.aten._linalg_check_errors(torch.zeros((), dtype=torch.int32), "name", is_matrix=True),
        (),
    ),
    **{f"aten.{name}.default": (_dual, (t(2, 3), t(2, 3))) for name in ("_make_dual", "_unpack_dual", "_fw_primal")},
    "aten.to_mkldnn.default": (lambda x: torch.ops.aten.to_mkldnn(x).to_dense(), (t(2, 3),)),
    "aten._mkldnn_reshape.default": (
        lambda x: torch.ops.aten._mkldnn_reshape(x.to_mkldnn(), [3, 2]).to_dense(),
        (t(2, 3),),
    ),
    "aten._mkldnn_transpose.default": (
        lambda x: torch.ops.aten._mkldnn_transpose(x.to_mkldnn(), 0, 1).to_dense(),
        (t(2, 3),),
    ),
    "aten.mkldnn_reorder_conv2d_weight.default": (
        lambda x: torch.ops.aten.mkldnn_reorder_conv2d_weight(x.to_mkldnn()).to_dense(),
        (t(4, 3, 3, 3),),
    ),
    "aten.mkldnn_reorder_conv3d_weight.default": (
        lambda x: torch.ops.aten.mkldnn_reorder_conv3d_weight(x.to_mkldnn()).to_dense(),
        (t(4, 3, 3, 3, 3),),
    ),
    "aten.from_file.default": (lambda x: _from_file(torch.ops.aten.from_file, x), (t(6),)),
    "aten.retain_grad.default": (lambda x: torch.ops.aten.retain_grad(x.requires_grad_().view(-1)), (t(6),)),
    "aten._validate_compressed_sparse_indices.default": (
        lambda: torch.ops.aten._validate_compressed_sparse_indices(True, ROWS, COLUMNS, 2, 3, 3),
        (),
    ),
    "aten._empty_affine_quantized.default": (
        lambda: torch.ops.aten._empty_affine_quantized([2, 3], dtype=torch.qint8, scale=0.5).shape,
        (),
    ),
    "aten._empty_per_channel_affine_quantized.default": (
        lambda: (
            torch.ops.aten._empty_per_channel_affine_quantized(
                [2, 3], dtype=torch.qint8, axis=0, scales=t(2).double(), zero_points=longs(1, 2)
            ).shape
        ),
        (),
    ),
    "aten.empty_quantized.default": (lambda: torch.ops.aten.empty_quantized([2, 3], QUANTISED).shape, ()),
    **{
        f"quantized.{name}.default": (lambda x: _fp16(_QUANTISED.linear_unpack_fp16, x), (t(3, 4),))
        for name in ("linear_prepack_fp16", "linear_unpack_fp16")
    },
    **{
        f"quantized.{name}.default": (lambda x: _int8(_QUANTISED.linear_unpack, x), (t(3, 4),))
        for name in ("linear_prepack", "linear_unpack")
    },
    **{
        f"profiler.{name}": (lambda: _recorded(_PROFILER._record_function_enter, _PROFILER._record_function_exit), ())
        for name in ("_record_function_enter.default", "_record_function_exit.default")
    },
    **{
        f"profiler.{name}": (
            lambda: _recorded(_PROFILER._record_function_enter_new, _PROFILER._record_function_exit),
            (),
        )
        for name in ("_record_function_enter_new.default", "_record_function_exit._RecordFunction")
    },
}
"""By overload: a call with the operator in its middle, with dense ends, or that says whether what was made is right."""
