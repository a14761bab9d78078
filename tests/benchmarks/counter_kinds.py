"""Work that counters miss: inside operators, in threads, through functions, by shapes that are taken for others."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import torch
from torch import Tensor, nn
from torch._higher_order_ops.while_loop import while_loop
from torch.nn import functional as F
from torch.nn.attention.flex_attention import flex_attention
from torch.utils._python_dispatch import TorchDispatchMode

from tests.benchmarks.counter_cases import Case

N, D = 16, 32
PRODUCT = 2 * N * D * D
WEIGHT = torch.rand(D, D)


def rows() -> Tensor:
    """(rows, width)."""
    return torch.rand(N, D)


class Scattered(nn.Module):
    """A product of (n, d) by (d, m) as elementwise products that a scatter adds up."""

    def forward(self, x: Tensor) -> Tensor:
        products = x[:, :, None] * WEIGHT[:, :8]
        places = torch.zeros(N, D, 8, dtype=torch.long)
        return torch.zeros(N, 1, 8).scatter_add_(1, places, products)


class Indexed(nn.Module):
    """The same, added up by `index_add`."""

    def forward(self, x: Tensor) -> Tensor:
        products = (x[:, :, None] * WEIGHT[:, :8]).transpose(0, 1)
        return torch.zeros(1, N, 8).index_add_(0, torch.zeros(D, dtype=torch.long), products)


class Multiplies(TorchDispatchMode):
    """Multiplies where a copy is asked for."""

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return torch.mm(args[0], WEIGHT) if func is torch.ops.aten.clone.default else func(*args, **(kwargs or {}))


class InsideCopy(nn.Module):
    """A layer hidden in a copy."""

    def forward(self, x: Tensor) -> Tensor:
        with Multiplies():
            return x.clone()


class Subclass(Tensor):
    """A tensor that multiplies when it is copied."""

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        with torch._C.DisableTorchFunctionSubclass():
            return torch.mm(args[0], WEIGHT) if func is Tensor.clone else func(*args, **(kwargs or {}))


class InSubclass(nn.Module):
    """A layer hidden in a tensor subclass."""

    def forward(self, x: Tensor) -> Tensor:
        return x.as_subclass(Subclass).clone()


class OlderThread(nn.Module):
    """A layer that a thread computes, which was started with the module."""

    def __init__(self) -> None:
        super().__init__()
        self.layer, self.pool = nn.Linear(D, D), ThreadPoolExecutor(1)
        self.pool.submit(int).result()

    def forward(self, x: Tensor) -> Tensor:
        return self.pool.submit(self.layer, x).result()


class NewThread(nn.Module):
    """A layer that a thread computes, which is started for it."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(D, D)

    def forward(self, x: Tensor) -> Tensor:
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self.layer, x).result()


class Forked(nn.Module):
    """A layer that TorchScript computes aside."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(D, D)

    def forward(self, x: Tensor) -> Tensor:
        return torch.jit.wait(torch.jit.fork(self.layer, x))


class Unregistered(nn.Module):
    """A layer that stands in no list of modules, called by its forward."""

    def __init__(self) -> None:
        super().__init__()
        self.hidden = (nn.Linear(D, D),)

    def forward(self, x: Tensor) -> Tensor:
        return self.hidden[0].forward(x)


class Branch(nn.Module):
    """A product in a branch of `cond`."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cond(x.sum() > 0, lambda x: x @ WEIGHT, lambda x: x * 1, (x,))


class Loop(nn.Module):
    """Three products in a `while_loop`."""

    def forward(self, x: Tensor) -> Tensor:
        return while_loop(lambda i, x: i < 3, lambda i, x: (i + 1, x @ WEIGHT), (torch.tensor(0), x))[1]


class Flex(nn.Module):
    """`flex_attention` of an input with itself, without a score function."""

    def forward(self, x: Tensor) -> Tensor:
        heads = x.view(1, N, 2, D // 2).transpose(1, 2)
        return flex_attention(heads, heads, heads)


class Broadcast(nn.Module):
    """Attention in which one query is read against four samples, or one sample's keys by four."""

    def __init__(self, queries: int, keys: int) -> None:
        super().__init__()
        self.queries, self.keys = queries, keys

    def forward(self, x: Tensor) -> Tensor:
        heads = x.view(1, N, 2, D // 2).transpose(1, 2)
        keys = heads.repeat(self.keys, 1, 1, 1)
        return F.scaled_dot_product_attention(heads.repeat(self.queries, 1, 1, 1), keys, keys)


class Grouped(nn.Module):
    """Attention of four heads of queries to two of keys."""

    def forward(self, x: Tensor) -> Tensor:
        queries, keys = x.view(1, N, 4, D // 4).transpose(1, 2), x[:, : D // 2].view(1, N, 2, D // 4).transpose(1, 2)
        return F.scaled_dot_product_attention(queries, keys, keys, enable_gqa=True)


def kinds() -> dict[str, Case]:
    """The cases by name."""
    spelled = 2 * N * D * 8
    attention = 2 * 2 * N * N * D
    layers = (Forked, InsideCopy, InSubclass, NewThread, OlderThread, Unregistered)
    return {
        "product as scatter_add": Case(Scattered, rows, spelled, everything=True),
        "product as index_add": Case(Indexed, rows, spelled, everything=True),
        **{f"kinds: {layer.__name__}": Case(layer, rows, PRODUCT) for layer in layers},
        "kinds: cond": Case(Branch, rows, PRODUCT),
        "kinds: while_loop": Case(Loop, rows, 3 * PRODUCT),
        "kinds: flex_attention": Case(Flex, rows, attention),
        "kinds: one query's sample broadcast": Case(lambda: Broadcast(1, 4), rows, 4 * attention),
        "kinds: one key's sample broadcast": Case(lambda: Broadcast(4, 1), rows, 4 * attention),
        "kinds: grouped heads": Case(Grouped, rows, attention),
    }
