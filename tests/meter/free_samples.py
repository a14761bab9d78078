"""Operands for operators that the table calls free and torch's operator database does not call: dense ones.

By name, with or without the overload: one tuple of arguments a sample; keyword arguments are a dictionary at its end.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

Samples = dict[str, list[tuple[Any, ...]]]


def t(*shape: int) -> Tensor:
    return torch.rand(*shape)


def longs(*values: int) -> Tensor:
    return torch.tensor(values)


LEFT = torch.tensor([[True, True, False], [True, True, True]])
FALSE = [(t(2, 3),), (t(0),), (t(2, 2) * 1j,)]
ONE = [(t(1),), (torch.tensor(7),)]
ASKS = """
    _debug_has_internal_overlap _has_same_storage_numel _is_zerotensor _version cudnn_is_acceptable dim get_device
    is_complex is_conj is_contiguous is_distributed is_floating_point is_inference is_leaf is_neg is_pinned is_signed
    numel output_nr retains_grad storage_offset sym_numel sym_storage_offset sym_is_contiguous _shape_as_tensor
""".split()  # noqa: SIM905
ALIKE = "is_same_size is_set_to _has_compatible_shallow_copy_type _has_same_storage_numel".split()  # noqa: SIM905

DENSE: Samples = {
    # Questions.
    **dict.fromkeys(ASKS, FALSE),
    **{name: [(t(2, 3), t(3, 2)), (t(2, 3), t(2, 3))] for name in ALIKE},
    **{name: [(t(2, 3), 1), (t(2, 3), -2)] for name in ("size.int", "stride.int", "sym_size.int", "sym_stride.int")},
    "is_contiguous.memory_format": [(t(1, 2, 3, 4), torch.channels_last)],
    "_local_scalar_dense": ONE,
    "is_vulkan_available": [()],
    "_nnpack_available": [()],
    "can_cast": [(torch.float32, torch.int64), (torch.int64, torch.float32)],
    "promote_types": [(torch.float32, torch.int64)],
    "result_type.Tensor": [(t(2), longs(1))],
    "result_type.Scalar": [(t(2), 1)],
    "result_type.Scalar_Tensor": [(1.5, longs(2))],
    "result_type.Scalar_Scalar": [(1.5, 2)],
    "_fused_sdp_choice": [(t(1, 2, 3, 8), t(1, 2, 4, 8), t(1, 2, 4, 8))],
    "_use_cudnn_rnn_flatten_weight": [()],
    # Assertions.
    "_assert_scalar": [(True, "no")],
    "_assert_tensor_metadata": [(t(2, 3), [2, 3], [3, 1], torch.float32)],
    "_functional_assert_async.msg": [(torch.tensor(True), "no", t(2))],
    "_functional_assert_scalar": [(True, "no", t(2))],
    "_functional_sym_constrain_range": [(5, 2, 7, t(2))],
    "_functional_sym_constrain_range_for_size": [(5, 2, 7, t(2))],
    "sym_constrain_range": [(5, {"min": 2, "max": 7})],
    "sym_constrain_range_for_size": [(5, {"min": 2, "max": 7})],
    "_print": [("",)],
    # Made of nothing, or of shapes.
    "_make_dep_token": [()],
    "_efficientzerotensor": [([2, 3],)],
    "_dim_arange": [(t(2, 3), 1)],
    "arange": [(5,)],
    "arange.start_out": [(2, 9, 3, {"out": torch.empty(0)})],
    "arange.out": [(5, {"out": torch.empty(0)})],
    "range": [(1, 5)],
    "range.step": [(1, 9, 3)],
    "range.out": [(1, 9, 3, {"out": torch.empty(0)})],
    "range.out_": [(1, 9, {"out": torch.empty(0)})],
    "empty.memory_format": [([2, 3],)],
    "empty.out": [([2, 3], {"out": torch.empty(0)})],
    "empty_permuted": [([2, 3], [1, 0])],
    "empty_strided": [([2, 3], [1, 2])],
    "eye": [(3,)],
    "eye.m": [(3, 2)],
    "full": [([2, 3], 7.5)],
    "ones": [([2, 3],)],
    "zeros": [([2, 3],)],
    "scalar_tensor": [(7.5,)],
    "tril_indices": [(3, 4, 1)],
    "triu_indices": [(3, 4, 1)],
    "tril_indices.out": [(3, 4, 1, {"out": torch.empty(0, dtype=torch.int64)})],
    "triu_indices.out": [(3, 4, 1, {"out": torch.empty(0, dtype=torch.int64)})],
    "_new_zeros_with_same_feature_meta": [(t(2, 3), t(4))],
    "zero": [(t(2, 3),)],
    # Views, copies and changes of shape.
    "_autocast_to_full_precision": [(t(2, 3).half(), True, True)],
    "_autocast_to_reduced_precision": [(t(2, 3).double(), True, True, torch.float32, torch.float32)],
    "_foreach_clone": [([t(2, 3), t(4)],)],
    "_foreach_zero": [([t(2, 3), t(4)],)],
    "_lazy_clone": [(t(2, 3),)],
    "_pad_circular": [(t(1, 2, 5), [2, 1])],
    "_pad_enum": [(t(1, 2, 5), [2, 1], 1), (t(1, 2, 5), [2, 1], 0, 7.5)],
    "_reshape_alias": [(t(2, 6), [3, 4], [4, 1])],
    "_reshape_copy": [(t(2, 6), [3, 4])],
    "_reshape_from_tensor": [(t(2, 6), longs(3, 4))],
    "_to_cpu": [([t(2, 3), t(4)],)],
    "_unsafe_view": [(t(2, 6), [3, 4])],
    "alias": [(t(2, 3),)],
    "block_diag": [([t(2, 3), t(1, 4)],)],
    "broadcast_tensors": [([t(2, 1), t(3)],)],
    "cartesian_prod": [([t(2), t(3)],)],
    "channel_shuffle": [(t(1, 6, 4), 3)],
    "native_channel_shuffle": [(t(1, 6, 4, 2), 3)],
    "data": [(t(2, 3),)],
    "detach": [(t(2, 3),)],
    "diagonal_backward": [(t(3), [3, 4], 0, 0, 1)],
    "select_backward": [(t(3), [2, 3], 0, 1)],
    "slice_backward": [(t(2, 3), [5, 3], 0, 1, 3, 1)],
    "slice_inverse": [(t(5, 3), t(2, 3), 0, 1, 3)],
    "fill.Tensor": [(t(2, 3), torch.tensor(2.5))],
    "fill_.Tensor": [(t(2, 3), torch.tensor(2.5))],
    "fill_diagonal_": [(t(3, 4), 7.5), (t(6, 2), 7.5, True)],
    "flatten_dense_tensors": [([t(2, 3), t(4)],)],
    "unflatten_dense_tensors": [(t(10), [t(2, 3), t(4)])],
    "lift": [(t(2, 3),)],
    "lift_fresh": [(t(2, 3),)],
    "lift_fresh_copy": [(t(2, 3),)],
    "masked_scatter_backward": [(t(2, 3), LEFT, [4]), (t(2, 3), LEFT, [6])],
    "max_unpool2d": [(t(1, 1, 2, 2), longs(0, 3, 9, 15).view(1, 1, 2, 2), [4, 4])],
    "max_unpool3d": [
        (t(1, 1, 1, 2, 2), longs(0, 3, 9, 15).view(1, 1, 1, 2, 2), [1, 4, 4], [1, 2, 2], [0, 0, 0]),
    ],
    "meshgrid": [([t(2), t(3)],)],
    "moveaxis.int": [(t(2, 3, 4), 0, 2)],
    "movedim.int": [(t(2, 3, 4), 0, 2)],
    "numpy_T": [(t(2, 3),)],
    "pad": [(t(1, 2, 5), [2, 1], mode) for mode in ("constant", "reflect", "replicate", "circular")],
    "pad_sequence": [([t(2, 3), t(4, 3)],), ([t(2), t(4)], True, 7.5, "left")],
    **{f"{kind}_pad1d": [(t(2, 3, 5), [2, 1])] for kind in ("reflection", "replication")},
    **{f"{kind}_pad2d": [(t(2, 3, 5, 4), [2, 1, 1, 2])] for kind in ("reflection", "replication")},
    **{f"{kind}_pad3d": [(t(2, 3, 3, 3, 3), [1, 1, 1, 2, 1, 0])] for kind in ("reflection", "replication")},
    "pixel_shuffle": [(t(1, 8, 2, 3), 2)],
    "pixel_unshuffle": [(t(1, 2, 4, 6), 2)],
    "requires_grad_": [(t(2, 3),)],
    "resize": [(t(2, 3), [3, 4]), (t(2, 3), [2])],
    "resize_as": [(t(2, 3), t(3, 4))],
    "roll": [(t(3, 4), [1, 2], [0, 1]), (t(3, 4), [5])],
    "scatter.value": [(t(3, 4), 0, longs(0, 2)[:, None], 7.5)],
    "set": [(t(2, 3),)],
    "set.source_Tensor": [(t(2, 3), t(4))],
    "set_.source_Tensor_storage_offset": [(t(2, 3), t(9), 1, [2, 2], [3, 1])],
    "to.dtype": [(t(2, 3), torch.float64)],
    "to.other": [(t(2, 3), t(4).double())],
    "to.dtype_layout": [(t(2, 3), {"dtype": torch.float64})],
    "type_as": [(t(2, 3), t(4).double())],
    "unsafe_split_with_sizes": [(t(5, 3), [2, 3])],
    "view.dtype": [(t(2, 3), torch.float32)],
    "view_copy.dtype": [(t(2, 3), torch.float32)],
    # Look-ups and their gradients.
    "embedding": [(t(5, 3), longs(0, 4, 4))],
    "embedding_sparse_backward": [(t(3, 2), longs(0, 4, 4), 5, -1, False)],
    **{f"{kind}1d": [(t(1, 2, 4), [7])] for kind in ("upsample_nearest", "_upsample_nearest_exact")},
    **{f"{kind}2d": [(t(1, 2, 4, 3), [7, 2])] for kind in ("upsample_nearest", "_upsample_nearest_exact")},
    **{f"{kind}3d": [(t(1, 2, 2, 4, 3), [3, 7, 2])] for kind in ("upsample_nearest", "_upsample_nearest_exact")},
    **{f"{kind}1d.vec": [(t(1, 2, 4), [7], None)] for kind in ("upsample_nearest", "_upsample_nearest_exact")},
    **{f"{kind}2d.vec": [(t(1, 2, 4, 3), [7, 2], None)] for kind in ("upsample_nearest", "_upsample_nearest_exact")},
    **{
        f"{kind}3d.vec": [(t(1, 2, 2, 4, 3), [3, 7, 2], None)]
        for kind in ("upsample_nearest", "_upsample_nearest_exact")
    },
    "upsample_nearest2d.vec_out": [(t(1, 2, 4, 3), [7, 2], None, {"out": torch.empty(0)})],
    # Sequences in packs.
    "_pack_padded_sequence": [(t(4, 2, 3), longs(4, 2), False), (t(2, 4, 3), longs(3, 3), True)],
    "_pad_packed_sequence": [(t(6, 3), longs(2, 2, 1, 1), False, 7.5, 4)],
}
