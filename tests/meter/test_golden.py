"""One case an operator, against its closed form: (matmul FLOPs, other FLOPs) under elue-1, in all grad modes."""

from __future__ import annotations

from collections.abc import Callable
from math import log2
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from elue.meter import Meter

B, N, K, M, H = 2, 3, 4, 5, 6
Count = tuple[int, int]
LU = sum((6 - k) + 2 * (6 - k) ** 2 for k in range(1, 6))


def t(*shape: int) -> torch.Tensor:
    return torch.rand(*shape)


def longs(*values: int) -> torch.Tensor:
    return torch.tensor(values)


CASES: dict[str, tuple[Callable[..., Any], tuple[Any, ...], Count]] = {
    # Matrix products: 2 a multiply-add.
    "mm": (torch.mm, (t(N, K), t(K, M)), (2 * N * K * M, 0)),
    "bmm": (torch.bmm, (t(B, N, K), t(B, K, M)), (2 * B * N * K * M, 0)),
    "matmul broadcast": (torch.matmul, (t(B, N, K), t(K, M)), (2 * B * N * K * M, 0)),
    "matmul matrix vector": (torch.matmul, (t(B, N, K), t(K)), (2 * B * N * K, 0)),
    "matmul vector matrix": (torch.matmul, (t(K), t(B, K, M)), (2 * B * K * M, 0)),
    "matmul vectors": (torch.matmul, (t(K), t(K)), (2 * K, 0)),
    "mv": (torch.mv, (t(N, K), t(K)), (2 * N * K, 0)),
    "dot": (torch.dot, (t(K), t(K)), (2 * K, 0)),
    "vdot": (torch.vdot, (t(K), t(K)), (2 * K, 0)),
    "inner": (torch.inner, (t(N, K), t(M, K)), (2 * N * K * M, 0)),
    "vecdot": (torch.linalg.vecdot, (t(N, K), t(N, K)), (2 * N * K, 0)),
    "outer is one product an element": (torch.outer, (t(N), t(M)), (0, N * M)),
    "addmm": (torch.addmm, (t(M), t(N, K), t(K, M)), (2 * N * K * M, 0)),
    "addmm of more than a bias": (torch.addmm, (t(N, M), t(N, K), t(K, M)), (2 * N * K * M, N * M)),
    "addmm that scales": (lambda *x: torch.addmm(*x, alpha=2), (t(M), t(N, K), t(K, M)), (2 * N * K * M, N * K)),
    "addmm that scales and adds": (
        lambda *x: torch.addmm(*x, alpha=2, beta=3),
        (t(N, M), t(N, K), t(K, M)),
        (2 * N * K * M, N * M + N * K),
    ),
    "addmm that forgets": (lambda *x: torch.addmm(*x, beta=0), (t(N, M), t(N, K), t(K, M)), (2 * N * K * M, 0)),
    "addmv": (torch.addmv, (t(N), t(N, K), t(K)), (2 * N * K, 0)),
    "addr": (torch.addr, (t(N, M), t(N), t(M)), (2 * N * M, 0)),
    "baddbmm": (torch.baddbmm, (t(B, N, M), t(B, N, K), t(B, K, M)), (2 * B * N * K * M, B * N * M)),
    "addbmm": (torch.addbmm, (t(N, M), t(B, N, K), t(B, K, M)), (2 * B * N * K * M, N * M)),
    "linear": (F.linear, (t(B, N, K), t(M, K)), (2 * B * N * K * M, 0)),
    "linear with bias": (F.linear, (t(B, N, K), t(M, K), t(M)), (2 * B * N * K * M, 0)),
    "linear on a vector": (F.linear, (t(K), t(M, K), t(M)), (2 * K * M, 0)),
    "einsum": (torch.einsum, ("bnk,bmk->bnm", t(B, N, K), t(B, M, K)), (2 * B * N * K * M, 0)),
    "einsum of three": (torch.einsum, ("nk,km,mh->nh", t(N, K), t(K, M), t(M, H)), (2 * N * M * (K + H), 0)),
    "tensordot": (torch.tensordot, (t(B, N, K), t(K, M), 1), (2 * B * N * K * M, 0)),
    "multi_dot": (torch.linalg.multi_dot, ([t(1, K), t(K, M), t(M, H)],), (2 * (K * M + M * H), 0)),
    "bilinear": (F.bilinear, (t(B, N), t(B, K), t(M, N, K), t(M)), (2 * B * M * N * K, B * N * K)),
    "complex matmul is four real ones": (torch.mm, (t(N, K) * 1j, t(K, M) * 1j), (8 * N * K * M, 0)),
    "integer matmul": (torch.mm, (longs(1, 2)[None], longs(3, 4)[:, None]), (4, 0)),
    "grouped_mm by rows": (
        F.grouped_mm,
        (t(7, 16), t(3, 16, 8)),
        (2 * 6 * 16 * 8, 0),
    ),
    "sparse mm": (torch.sparse.mm, (torch.eye(N, K).to_sparse(), t(K, M)), (2 * N * M, 0)),
    "sparse csr matmul": (torch.matmul, (torch.eye(N, K).to_sparse_csr(), t(K, M)), (2 * N * M, 0)),
    "sparse by sparse": (torch.sparse.mm, (torch.ones(N, K).to_sparse(), torch.eye(K, M).to_sparse()), (2 * N * K, 0)),
    # Convolutions and pooling.
    "conv1d": (F.conv1d, (t(B, 4, 9), t(6, 4, 3)), (2 * B * 6 * 7 * 4 * 3, 0)),
    "conv1d grouped": (F.conv1d, (t(B, 4, 9), t(6, 2, 3), t(6), 1, 0, 1, 2), (2 * B * 6 * 7 * 2 * 3, 0)),
    "conv1d same": (F.conv1d, (t(B, 4, 9), t(6, 4, 3), None, 1, "same"), (2 * B * 6 * 9 * 4 * 3, 0)),
    "conv2d": (F.conv2d, (t(B, 3, 8, 8), t(5, 3, 3, 3), t(5)), (2 * B * 5 * 36 * 27, 0)),
    "conv2d strided, dilated, padded": (
        F.conv2d,
        (t(B, 3, 9, 9), t(5, 3, 3, 3), None, 2, 1, 2),
        (2 * B * 5 * 16 * 27, 0),
    ),
    "conv2d depthwise": (F.conv2d, (t(B, 4, 8, 8), t(4, 1, 3, 3), None, 1, 1, 1, 4), (2 * B * 4 * 64 * 9, 0)),
    "conv3d": (F.conv3d, (t(1, 2, 4, 4, 4), t(3, 2, 2, 2, 2)), (2 * 3 * 27 * 16, 0)),
    "conv_transpose1d": (F.conv_transpose1d, (t(B, 4, 9), t(4, 6, 3)), (2 * B * 4 * 9 * 6 * 3, 0)),
    "conv_transpose2d strided": (F.conv_transpose2d, (t(B, 3, 4, 4), t(3, 5, 2, 2), None, 2), (2 * B * 48 * 20, 0)),
    "max_pool1d": (F.max_pool1d, (t(B, 3, 8), 2), (0, B * 3 * 4)),
    "avg_pool2d": (F.avg_pool2d, (t(B, 3, 8, 8), 2, 1), (0, B * 3 * (8 * 7 + 7 * 7 + 7 * 7))),
    "adaptive_avg_pool1d": (F.adaptive_avg_pool1d, (t(B, 3, 7), 3), (0, B * 3 * (3 + 3 + 3))),
    # Pointwise, reductions, softmax, norms.
    "add": (torch.add, (t(N, K), t(K)), (0, N * K)),
    "where": (torch.where, (t(N, K) > 2, t(N, K), t(K)), (0, N * K)),
    "where by a row": (lambda mask, x, y: torch.where(mask, x, y), (t(K) > 2, t(N, K), t(K)), (0, K)),
    "masked_fill by a column": (lambda x, mask: x.masked_fill(mask, 0), (t(N, K), t(N, 1) > 2), (0, N)),
    "a triangle": (torch.tril, (t(N, K),), (0, 0)),
    "glu is a sigmoid and a product": (F.glu, (t(N, K),), (0, N * K)),
    "norm that counts": (lambda x: x.norm(0), (t(N, K),), (0, N * K)),
    "gelu": (F.gelu, (t(N, K),), (0, N * K)),
    "addcmul is a product and a sum": (torch.addcmul, (t(N, K), t(N, K), t(N, K)), (0, 2 * N * K)),
    "complex product is six real operations": (torch.mul, (t(N, K) * 1j, t(N, K) * 1j), (0, 6 * N * K)),
    "complex by real": (torch.mul, (t(N, K) * 1j, t(N, K)), (0, 2 * N * K)),
    "complex quotient": (torch.div, (t(N, K) * 1j, t(N, K) + 1j), (0, 11 * N * K)),
    "sum": (torch.sum, (t(N, K), -1), (0, N * K)),
    "mean": (torch.mean, (t(N, K),), (0, N * K)),
    "max along": (torch.max, (t(N, K), -1), (0, N * K)),
    "max of two": (torch.max, (t(N, K), t(N, K)), (0, N * K)),
    "argmax": (torch.argmax, (t(N, K), -1), (0, N * K)),
    "cumsum": (torch.cumsum, (t(N, K), -1), (0, N * K)),
    "sort": (torch.sort, (t(N, K),), (0, N * K)),
    "topk": (torch.topk, (t(N, K), 2), (0, N * K)),
    "exp": (torch.exp, (t(N, K),), (0, 4 * N * K)),
    "power of a number": (torch.pow, (2.0, t(N, K)), (0, 4 * N * K)),
    "square by pow": (torch.pow, (t(N, K), 2), (0, N * K)),
    "logsumexp": (torch.logsumexp, (t(N, K), -1), (0, 5 * N * K + N)),
    "std": (torch.std, (t(N, K), -1), (0, 3 * N * K)),
    "var_mean": (torch.var_mean, (t(N, K), -1), (0, 3 * N * K)),
    "aminmax": (lambda x: torch.aminmax(x, dim=-1), (t(N, K),), (0, 2 * N * K)),
    "trace": (torch.trace, (t(N, K),), (0, N)),
    "vector norm": (torch.linalg.vector_norm, (t(N, K),), (0, 2 * N * K + 1)),
    "dist": (torch.dist, (t(N, K), t(N, K)), (0, 3 * N * K + 1)),
    "pairwise_distance": (F.pairwise_distance, (t(N, K), t(N, K)), (0, 3 * N * K + N)),
    "cosine_similarity": (F.cosine_similarity, (t(N, K), t(1, K)), (0, 2 * (2 * N * K + K) + 3 * N)),
    "renorm": (torch.renorm, (t(N, K), 2, 0, 0.1), (0, 3 * N * K + 3 * N)),
    "embedding that renormalises": (
        lambda: F.embedding(longs(0, 2, 2), t(N, K), max_norm=0.1),
        (),
        (0, N * K + 3 * 2 * K + 3 * 2),
    ),
    "cross": (torch.linalg.cross, (t(N, 3), t(N, 3)), (0, 3 * N * 3)),
    "scatter_add": (torch.scatter_add, (t(N), 0, longs(0, 0, 1, 2), t(4)), (0, 4)),
    "scatter_reduce": (torch.scatter_reduce, (t(N), 0, longs(0, 0, 1, 2), t(4), "amax"), (0, 4)),
    "scatter that adds": (lambda: t(7).scatter_(0, longs(0, 0, 1, 2), t(4), reduce="add"), (), (0, 7 + 4 + 4)),
    "scatter that multiplies": (lambda: torch.ones(7).scatter_(0, longs(0, 0), 2.0, reduce="multiply"), (), (0, 2)),
    "index_add": (torch.index_add, (t(N, K), 0, longs(0, 2), t(2, K)), (0, 2 * K)),
    "index_put accumulating": (torch.index_put, (t(N, K), (longs(0, 2),), t(2, K), True), (0, 2 * K)),
    "index_put overwriting": (torch.index_put, (t(N, K), (longs(0, 2),), t(2, K)), (0, 0)),
    "softmax": (torch.softmax, (t(N, K), -1), (0, 5 * N * K)),
    "log_softmax": (torch.log_softmax, (t(N, K), -1), (0, 5 * N * K)),
    "layer_norm": (F.layer_norm, (t(N, K), (K,), t(K), t(K)), (0, 7 * N * K)),
    "rms_norm": (F.rms_norm, (t(N, K), (K,), t(K)), (0, 4 * N * K)),
    "rms_norm without weight": (F.rms_norm, (t(N, K), (K,)), (0, 3 * N * K)),
    "layer_norm without bias": (F.layer_norm, (t(N, K), (K,), t(K)), (0, 6 * N * K)),
    "layer_norm without weights": (F.layer_norm, (t(N, K), (K,)), (0, 5 * N * K)),
    "group_norm": (F.group_norm, (t(B, 4, K), 2), (0, 5 * B * 4 * K)),
    "instance_norm": (F.instance_norm, (t(B, 4, K),), (0, 5 * B * 4 * K)),
    "instance_norm with stored statistics": (
        F.instance_norm,
        (t(B, 4, K), t(4), t(4), None, None, False),
        (0, 2 * B * 4 * K),
    ),
    "batch_norm": (F.batch_norm, (t(B, 4, K), t(4), t(4)), (0, 2 * B * 4 * K)),
    "batch_norm in training": (F.batch_norm, (t(B, 4, K), t(4), t(4), None, None, True), (0, 5 * B * 4 * K)),
    "weight_norm": (torch._weight_norm, (t(N, K), t(N, 1)), (0, 3 * N * K + 2 * N)),
    "dropout at rest": (F.dropout, (t(N, K), 0.5, False), (0, 0)),
    "dropout at work": (F.dropout, (t(N, K), 0.5, True), (0, N * K)),
    "cross_entropy": (F.cross_entropy, (t(N, K), longs(0, 1, 2)), (0, 5 * N * K + N + 1)),
    "mse_loss": (F.mse_loss, (t(N, K), t(N, K)), (0, 3 * N * K)),
    # Look-ups and movement are free.
    "embedding": (F.embedding, (longs(1, 2), t(N, K)), (0, 0)),
    "embedding_bag": (F.embedding_bag, (longs(0, 1, 2, 1), t(N, K), longs(0, 3)), (0, 4 * K)),
    "gather": (torch.gather, (t(N, K), 1, longs(0, 1)[None]), (0, 0)),
    "cat": (torch.cat, ([t(N, K), t(N, K)],), (0, 0)),
    "reshape of a transpose": (lambda x: x.t().reshape(-1), (t(N, K),), (0, 0)),
    "masked_select finds, and moves for free": (torch.masked_select, (t(N, K), t(N, K) > 0.5), (0, N * K)),
    "index by places": (lambda x: x[[0, 2]], (t(N, K),), (0, 0)),
    "index by a mask": (lambda x, mask: x[mask], (t(N, K), longs(1, 0, 1) > 0), (0, N)),
    "nonzero": (torch.nonzero, (longs(0, 1, 1),), (0, 3)),
    "to another float": (lambda x: x.double(), (t(N, K),), (0, 0)),
    "to integers": (lambda x: x.long(), (t(N, K),), (0, N * K)),
    "to truth": (lambda x: x.bool(), (longs(1, 0, 1),), (0, 3)),
    "conjugate": (lambda x: x.conj().resolve_conj(), (t(N, K) * 1j,), (0, N * K)),
    "resolve nothing": (lambda x: x.resolve_conj().resolve_neg(), (t(N, K),), (0, 0)),
    "repeat_interleave": (torch.repeat_interleave, (t(N, K), 2), (0, 0)),
    # Distances, Fourier, linear algebra.
    "cdist": (torch.cdist, (t(N, K), t(M, K)), (0, N * M * (3 * K + 1))),
    "cdist of many rows": (torch.cdist, (t(30, K), t(40, K)), (2 * 30 * 40 * K, 2 * 70 * K + 2 * 30 * 40)),
    "cdist by absolute values": (torch.cdist, (t(N, K), t(M, K), 1.0), (0, N * M * 3 * K)),
    "pdist": (F.pdist, (t(N, K),), (0, N * (N - 1) // 2 * (3 * K + 1))),
    "fft": (torch.fft.fft, (t(N, 8) * 1j,), (0, N * (4 * 8 * 3 - 6 * 8 + 8))),
    "rfft": (torch.fft.rfft, (t(N, 8),), (0, N * (2 * 8 * 3 - 4 * 8 + 6))),
    "irfft": (torch.fft.irfft, (t(N, 5) * 1j,), (0, N * (2 * 8 * 3 - 4 * 8 + 6))),
    "fft2 of another length": (
        torch.fft.fft2,
        (t(6, 10) * 1j,),
        (0, round(6 * (40 * log2(10) - 60 + 8) + 10 * (24 * log2(6) - 36 + 8))),
    ),
    "cholesky": (torch.linalg.cholesky, (torch.eye(6),), (6**3 // 3, 0)),
    "inverse": (torch.linalg.inv, (torch.eye(6),), (2 * 6**3 - 2 * 36 + 6, 0)),
    "determinants of one row": (torch.linalg.det, (t(600, 1, 1),), (0, 0)),
    "determinant of two rows": (torch.linalg.det, (t(2, 2),), (3, 0)),
    "solve": (torch.linalg.solve, (torch.eye(6), t(6, 2)), (LU + (2 * 36 - 6) * 2, 0)),
    "solve_triangular": (lambda b: torch.linalg.solve_triangular(torch.eye(6), b, upper=True), (t(6, 2),), (72, 0)),
    "lu_factor": (lambda a: torch.linalg.lu_factor(a)[0], (torch.eye(6),), (LU, 0)),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_closed_form(name: str) -> None:
    call, args, expected = CASES[name]
    kwargs = {"offs": torch.tensor([2, 2, 6], dtype=torch.int32)} if call is F.grouped_mm else {}
    for mode in (torch.enable_grad, torch.no_grad, torch.inference_mode):
        with mode(), Meter() as meter:
            call(*args, **kwargs)
        assert meter.complete, meter.unknown
        assert (meter.matmul_flops, meter.flops - meter.matmul_flops) == expected


def test_a_product_written_by_scatter_costs_what_it_is() -> None:
    """6 by 7 times 7 by 8: every product into its place, every sum by a scatter that adds."""
    left, right = t(6, 7), t(7, 8)
    for reduces in ("add", "sum"):
        result, places = torch.zeros(6, 8), torch.zeros(7 * 6, 8, dtype=torch.long)
        with Meter() as meter:
            terms = left.T[:, :, None] * right[:, None]
            places[:] = torch.arange(6).repeat(7)[:, None]
            if reduces == "add":
                result.scatter_(0, places, terms.reshape(42, 8), reduce="add")
            else:
                result.scatter_reduce_(0, places, terms.reshape(42, 8), "sum")
        torch.testing.assert_close(result, left @ right)
        assert (meter.complete, meter.flops) == (True, 672)


def test_duplicates_of_sparse_tensors_are_added_up() -> None:
    places = torch.zeros(1, 1000, dtype=torch.long)
    for dense in (torch.Tensor.to_dense, torch.Tensor.coalesce, lambda x: x.coalesce().to_dense()):
        sparse = torch.sparse_coo_tensor(places, torch.ones(1000), (3,))
        with Meter() as meter:
            dense(sparse)
        assert (meter.complete, meter.flops) == (True, 1000)
    whole = sparse.coalesce()
    with Meter() as meter:
        whole.to_dense(), whole.coalesce()
    assert (meter.complete, meter.flops) == (True, 0)


@pytest.mark.parametrize("read", [torch.Tensor.numpy, torch.Tensor.tolist, lambda x: x.cpu().numpy()])
def test_reading_numbers_costs_nothing(read: Callable[[torch.Tensor], Any]) -> None:
    x = t(N, K)
    with Meter() as meter:
        read(x)
    assert (meter.complete, meter.flops) == (True, 0)


def test_counting_what_executed_follows_control_flow() -> None:
    first, second, x = nn.Linear(K, K), nn.Linear(K, K), t(1, K)
    for leave in (True, False):
        with Meter() as meter:
            y = first(x)
            if (y.softmax(-1).max() > 0) != leave:
                second(y)
        assert meter.matmul_flops == 2 * K * K * (1 if leave else 2)


@pytest.mark.parametrize("relu", [False, True])
def test_dynamically_quantised_linear_counts_as_linear(relu: bool) -> None:
    plain = nn.Sequential(nn.Linear(8, 16), nn.ReLU()) if relu else nn.Sequential(nn.Linear(8, 16))
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("no quantised kernels here")
    quantised = torch.ao.quantization.quantize_dynamic(plain, {nn.Linear})
    with Meter() as meter:
        quantised(t(3, 8))
    assert meter.complete, meter.unknown
    assert meter.matmul_flops == 2 * 3 * 8 * 16


def test_dynamically_quantised_lstm_counts_as_lstm() -> None:
    if "fbgemm" not in torch.backends.quantized.supported_engines:
        pytest.skip("no quantised kernels here")
    plain = nn.LSTM(3, 4, num_layers=2, bidirectional=True).eval()
    quantised = torch.ao.quantization.quantize_dynamic(plain, {nn.LSTM})
    counts = []
    for module in (plain, quantised):
        with Meter() as meter:
            module(t(5, 2, 3))
        assert meter.complete, meter.unknown
        counts.append((meter.flops, meter.matmul_flops))
    assert counts[0] == counts[1]
