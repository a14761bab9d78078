"""Code that runs without a Meter runs under one, and comes out the same: counted, or incomplete and named."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.fx.experimental.proxy_tensor import make_fx
from torch.nn import functional as F
from torch.testing._internal.two_tensor import TwoTensor
from torch.utils._python_dispatch import TorchDispatchMode

from elue.meter import Meter

pytestmark = pytest.mark.filterwarnings("ignore")
N, K = 3, 4
X, W, S = torch.rand(N, K) + 0.1, torch.rand(K, K), torch.tensor(2.0)
IDS, LABELS = torch.tensor([0, 2, 1]), torch.tensor([1, 0, 3])
LINEAR = nn.Linear(K, K)


class Named(torch.Tensor):
    """A subclass that only has another name."""


class Passing(TorchDispatchMode):
    """A mode that changes nothing."""

    def __torch_dispatch__(self, call: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return call(*args, **(kwargs or {}))


def under(context: Any, call: Callable[[], Any]) -> Any:
    with context:
        return call()


def autocast(call: Callable[[], Any]) -> Any:
    return under(torch.autocast("cpu", torch.bfloat16), call)


def strided() -> Tensor:
    return torch.nested.nested_tensor([X[:2], X])


def jagged(*rest: int) -> Tensor:
    rows = [torch.ones(2, *rest, K), torch.ones(3, *rest, K)]
    return torch.nested.nested_tensor(rows, layout=torch.jagged)


def quantised() -> Tensor:
    return torch.quantize_per_tensor(X, 0.1, 0, torch.quint8)


def heads(length: int) -> Tensor:
    return torch.ones(1, 1, length, K)


def second_derivative(x: Tensor) -> Tensor:
    (gradient,) = torch.autograd.grad((x @ x.t()).pow(2).sum(), x, create_graph=True)
    return torch.autograd.grad(gradient.sum(), x)[0]


def written(x: Tensor) -> Tensor:
    x[x > 0.5] = 0
    x[0] = 1
    x[:, [0, 1]] += 1
    x[IDS, IDS] = 5
    return x


REAL: dict[str, Callable[[], Any]] = {
    # Nothing, and single numbers.
    "a product of no rows": lambda: X[:0] @ W,
    "a product over nothing": lambda: torch.ones(N, 0) @ torch.ones(0, K),
    "a look-up of nothing": lambda: F.embedding(IDS[:0], W),
    "a look-up in an empty table": lambda: F.embedding(IDS[:0], W[:0]),
    "a bag of nothing": lambda: F.embedding_bag(IDS[:0], W, torch.zeros(2, dtype=torch.long)),
    "an index into nothing": lambda: X[:0][IDS[:0]],
    "norms of nothing": lambda: (F.layer_norm(X[:0], (K,)), X[:0].softmax(-1), F.rms_norm(X[:0], (K,))),
    "attention of nothing": lambda: F.scaled_dot_product_attention(heads(0), heads(0), heads(0)),
    "attention to nothing": lambda: F.scaled_dot_product_attention(heads(2), heads(0), heads(0)),
    "a convolution of no images": lambda: F.conv2d(torch.ones(0, 1, 5, 5), torch.ones(2, 1, 3, 3)),
    "a loss of nothing": lambda: F.mse_loss(X[:0], X[:0], reduction="sum"),
    "lists of nothing": lambda: torch._foreach_add([X[:0], X], 1.0),
    "single numbers": lambda: (S * S, S.sum(), S.softmax(0), S.cumsum(0), S.sort(), S[None], F.mse_loss(S, S)),
    "a look-up by one number": lambda: (W[IDS[1]], F.embedding(IDS[1], W), W.index_select(0, IDS[1])),
    # Other layouts and types.
    "strided nested tensors": lambda: (F.linear(strided(), W).unbind(), (strided() + strided()).unbind()),
    "jagged tensors": lambda: (F.linear(jagged(), W).values(), F.gelu(jagged()).values(), jagged().sum(1)),
    "norms of jagged tensors": lambda: (F.layer_norm(jagged(), (K,)).values(), jagged().softmax(-1).values()),
    "attention of jagged tensors": lambda: (
        F.scaled_dot_product_attention(*[jagged(2).transpose(1, 2)] * 3).transpose(1, 2).values()
    ),
    "sparse products": lambda: (torch.sparse.mm(X.to_sparse(), W), X.to_sparse_csr() @ W),
    "sparse sums": lambda: ((X.to_sparse() + X.to_sparse()).to_dense(), torch.sparse.sum(X.to_sparse())),
    "sparse softmax": lambda: torch.sparse.softmax(X.to_sparse(), 1).to_dense(),
    "sparse blocks": lambda: X[:2].to_sparse_bsr((2, 2)).to_dense(),
    "quantised tensors": lambda: (quantised().dequantize(), quantised().int_repr(), quantised().relu().int_repr()),
    "quantised look-ups": lambda: quantised()[IDS].dequantize(),
    "complex numbers": lambda: (torch.complex(X, X) @ W.to(torch.complex64), torch.complex(X, X).abs()),
    "conjugates": lambda: ((X + 1j).conj() * 2, torch.view_as_real((X + 1j).conj().resolve_conj())),
    "negative views": lambda: torch._neg_view(X) + 1,
    "named results": lambda: (X.max(0), X.sort(), torch.linalg.qr(X), torch.linalg.slogdet(W), X.mode()),
    "operators without a rule": lambda: (torch.linalg.eigh(W @ W.T)[0], torch.linalg.svdvals(X)),
    "bits": lambda: X.to(torch.bfloat16) @ W.to(torch.bfloat16),
    # Modes, subclasses, transforms, other ways to run a module.
    "a subclass": lambda: X.as_subclass(Named) @ W,
    "a mode": lambda: under(Passing(), lambda: F.gelu(LINEAR(X))),
    "a mode and a look-up": lambda: under(Passing(), lambda: (W[IDS], F.embedding(IDS, W))),
    "a scripted module": lambda: torch.jit.script(LINEAR)(X),
    "a traced module": lambda: torch.jit.trace(LINEAR, (X,))(X),
    "a graph": lambda: torch.fx.symbolic_trace(LINEAR)(X),
    "a graph of operators": lambda: make_fx(LINEAR)(X)(X),
    "a graph of any size": lambda: make_fx(lambda x: (x * 2).sum(-1), tracing_mode="symbolic")(X)(X),
    "a compiled module": lambda: torch.compile(LINEAR, backend="eager")(X),
    "a functional call": lambda: torch.func.functional_call(LINEAR, {"weight": W, "bias": W[0]}, (X,)),
    "gradients of samples": lambda: torch.vmap(torch.func.grad(lambda x: LINEAR(x).sum()))(X),
    "a hessian": lambda: torch.func.hessian(lambda x: (x @ W).pow(2).sum())(X[0]),
    "a linearised function": lambda: torch.func.linearize(lambda x: x @ x.t(), X)[1](X),
    "a map of maps": lambda: torch.vmap(torch.vmap(lambda x: x * 2))(X),
    "a map in chunks": lambda: torch.vmap(lambda x: x @ W, chunk_size=1)(X),
    "second derivatives": lambda: second_derivative(X.clone().requires_grad_()),
    "hooks on saved tensors": lambda: under(
        torch.autograd.graph.save_on_cpu(), lambda: second_derivative(X.clone().requires_grad_())
    ),
    "masked tensors": lambda: torch.masked.masked_tensor(X, X > 0.5).sum().get_data(),
    "two tensors in one": lambda: (TwoTensor(X, X) @ TwoTensor(W, W)).a,
    "writing by index": lambda: written(X.clone()),
    "a parallel module": lambda: nn.DataParallel(LINEAR)(X),
    "a packed sequence": lambda: nn.utils.rnn.pack_sequence([X, X[:2]]).data @ W,
    "random numbers by sample": lambda: torch.vmap(F.dropout, randomness="different")(X).shape,
    "numbers times wrapped tensors": lambda: torch.func.grad(lambda x: (2 * x * 3.0).sum())(X),
    # Mixed precision, whose types depend on the operator that is called.
    "cross-entropy under autocast": lambda: autocast(lambda: F.cross_entropy(F.linear(X, W), LABELS)),
    "embedding loss under autocast": lambda: autocast(
        lambda: F.cosine_embedding_loss(F.linear(X, W), F.linear(X, W) + 1, torch.ones(N))
    ),
    "hinge loss under autocast": lambda: autocast(lambda: F.hinge_embedding_loss(F.linear(X, W), torch.ones(N, K))),
    "quantiles under autocast": lambda: autocast(lambda: torch.quantile(F.linear(X, W), 0.5)),
    "attention under autocast": lambda: autocast(lambda: F.scaled_dot_product_attention(heads(2), heads(3), heads(3))),
    "einsum under autocast": lambda: autocast(lambda: torch.einsum("nk,mk->nm", X, W)),
}
INCOMPLETE = {"operators without a rule", "a linearised function"}


def same(one: Any, other: Any) -> bool:
    flat, flat_other = (torch.utils._pytree.tree_leaves(value) for value in (one, other))
    return len(flat) == len(flat_other) and all(
        torch.equal(a, b) and a.dtype == b.dtype if isinstance(a, Tensor) else a == b
        for a, b in zip(flat, flat_other, strict=True)
    )


def read(meter: Meter) -> None:
    """All that a Meter tells."""
    str(meter.report()), meter.report().table(), meter.params_touched, meter.touched_intervals()
    assert all(type(number) is int for number in (meter.flops, meter.matmul_flops, meter.params_touched))


@pytest.mark.parametrize("name", REAL)
def test_the_same_result_counted_or_named(name: str) -> None:
    call = REAL[name]
    expected = call()
    for options in ({"track": False}, {}, {"traffic": True, "attribute": True}):
        with Meter(**options) as meter:
            result = call()
        assert same(result, expected)
        read(meter)
        assert meter.complete or meter.unknown
        assert meter.complete != (name in INCOMPLETE), meter.unknown


def meta(*shape: int) -> Tensor:
    return torch.empty(*shape, device="meta")


SHAPES: dict[str, Callable[[Callable[..., Tensor], Tensor], Tensor]] = {
    "a look-up": lambda new, ids: F.embedding(ids, new(5, K)),
    "an index": lambda new, ids: new(5, K)[ids],
    "two indices": lambda new, ids: new(5, K)[ids, ids],
    "rows selected": lambda new, ids: new(5, K).index_select(0, ids),
    "elements gathered": lambda new, ids: new(5, K).gather(0, ids[:, None]),
    "bags": lambda new, ids: F.embedding_bag(ids, new(5, K), ids[:1] - ids[:1]),
    "rows added": lambda new, ids: new(5, K).index_add(0, ids, new(3, K)),
    "rows put": lambda new, ids: new(5, K).index_put((ids,), new(3, K), accumulate=True),
    "elements scattered": lambda new, ids: new(5, K).scatter_add(0, ids[:, None], new(3, 1)),
    "attention": lambda new, ids: F.scaled_dot_product_attention(new(1, 2, 3, K), new(1, 2, 5, K), new(1, 2, 5, K)),
    "a transformer": lambda new, ids: nn.TransformerEncoderLayer(K, 2, 8, device=new(1).device).eval()(new(1, 3, K)),
    "losses": lambda new, ids: F.cross_entropy(new(3, 5), ids) + F.binary_cross_entropy(new(3), new(3)),
    "a recurrent layer": lambda new, ids: nn.LSTM(K, K, device=new(1).device)(new(3, 2, K))[0],
}


@pytest.mark.parametrize("name", SHAPES)
def test_tensors_without_values(name: str) -> None:
    """On the meta device and on fake tensors an operator costs what it costs on real ones."""
    call, flops = SHAPES[name], []
    for new, context in ((torch.ones, Passing()), (meta, Passing()), (torch.ones, FakeTensorMode())):
        with context:
            ids = new(3).to(torch.long)
            call(new, ids)
            with Meter(traffic=True, attribute=True) as meter:
                call(new, ids)
            with Meter(track=False) as untracked:
                call(new, ids)
        read(meter)
        assert meter.complete, meter.unknown
        assert untracked.complete, untracked.unknown
        flops.append((meter.flops, untracked.flops))
    assert len({number for pair in flops for number in pair}) == 1


def test_a_model_on_the_meta_device() -> None:
    transformers = pytest.importorskip("transformers")
    sizes = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
    config = transformers.BertConfig(vocab_size=99, **sizes)
    counts = []
    for device in ("cpu", "meta"):
        with torch.device(device):
            model, ids = transformers.BertModel(config).eval(), torch.zeros(1, 7, dtype=torch.long)
        with torch.inference_mode(), Meter(track=False) as meter:
            model(input_ids=ids)
        assert meter.complete, meter.unknown
        counts.append((meter.flops, meter.matmul_flops))
    assert counts[0] == counts[1]


def test_operators_defined_after_import() -> None:
    """Real, on fake tensors, in a mode, and defined anew under the same name."""
    for factor in (2, 3):
        library = torch.library.Library("meter_late", "DEF")
        library.define("times(Tensor x) -> Tensor")
        library.impl("times", lambda x, factor=factor: x * factor, "CompositeExplicitAutograd")
        library.impl("times", torch.empty_like, "Meta")
        with Meter() as meter:
            assert torch.equal(torch.ops.meter_late.times(X), factor * X)
            with Passing():
                assert torch.equal(torch.ops.meter_late.times(X), factor * X)
        assert meter.unknown == {"meter_late.times.default": 2}
        with FakeTensorMode(), Meter() as meter:
            torch.ops.meter_late.times(torch.ones(3))
        assert "meter_late.times.default" in meter.unknown
        library._destroy()


def test_a_formula_that_raises_anything_makes_the_count_incomplete() -> None:
    from elue.meter import register_formula

    @torch.library.custom_op("meter_late::odd", mutates_args=())
    def odd(x: Tensor) -> Tensor:
        return x + 1

    for error in (NotImplementedError, AssertionError, RecursionError, KeyError, MemoryError):

        def formula(*_: Any, error: type[Exception] = error) -> tuple[int, int]:
            raise error("a formula that cannot")

        register_formula("meter_late::odd", formula)
        with Meter() as meter:
            assert torch.equal(odd(X), X + 1)
        assert meter.unknown == {"meter_late.odd.default": 1}


def test_sizes_stay_symbolic_in_an_export() -> None:
    """A Meter adds no guard: what is exported under one takes any size."""
    batch = torch.export.Dim("batch", min=2, max=64)
    with Meter() as meter, warnings.catch_warnings(action="ignore"):
        exported = torch.export.export(LINEAR, (X,), dynamic_shapes=({0: batch},))
    read(meter)
    assert exported.module()(torch.ones(17, K)).shape == (17, K)
