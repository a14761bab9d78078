"""Modules whose multiply-adds have a closed form (two FLOPs each), written here or in the golden tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel, MixtralConfig, MixtralModel

from tests.meter.test_golden import CASES as GOLDEN

B, T, H, A = 1, 128, 64, 4


@dataclass(frozen=True)
class Case:
    """A module, its input, and its FLOPs in closed form: those of multiply-adds, or, where said, of everything."""

    build: Callable[[], nn.Module]
    sample: Callable[[], Tensor]
    flops: int | Callable[[], int]
    everything: bool = False

    @property
    def right(self) -> int:
        """The FLOPs, which may have to be found first."""
        return self.flops() if callable(self.flops) else self.flops


class Attention(nn.Module):
    """scaled_dot_product_attention of an input with itself."""

    def forward(self, x: Tensor) -> Tensor:
        heads = x.view(B, T, A, H // A).transpose(1, 2)
        return F.scaled_dot_product_attention(heads, heads, heads)


class SelfAttention(nn.MultiheadAttention):
    """nn.MultiheadAttention of an input with itself."""

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x, x, x, need_weights=False)[0]


class EarlyExit(nn.Module):
    """Two layers; leaves after the first when its head is sure, which it always is."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(H, H) for _ in range(2))
        self.heads = nn.ModuleList(nn.Linear(H, H) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        for layer, head in zip(self.layers, self.heads, strict=True):
            x = layer(x)
            if head(x).softmax(-1).max() > 0:
                break
        return x


class TopOne(nn.Module):
    """A router and four experts, of which each token runs one."""

    def __init__(self) -> None:
        super().__init__()
        self.router = nn.Linear(H, 4)
        self.experts = nn.ModuleList(nn.Linear(H, H) for _ in range(4))

    def forward(self, x: Tensor) -> Tensor:
        rows, chosen = x[0], self.router(x[0]).argmax(-1)
        out = torch.zeros_like(rows)
        for number, expert in enumerate(self.experts):
            mine = chosen == number
            out[mine] = expert(rows[mine])
        return out


def bert(layers: int = 2) -> nn.Module:
    """A stock BERT, attention fused."""
    return BertModel(
        BertConfig(
            vocab_size=99, hidden_size=H, num_hidden_layers=layers, num_attention_heads=A, intermediate_size=4 * H,
            return_dict=False,
        )
    )  # fmt: skip


def mixtral() -> nn.Module:
    """A sparse Llama whose experts run in one grouped product."""
    model = MixtralModel(
        MixtralConfig(
            vocab_size=99, hidden_size=H, num_hidden_layers=2, num_attention_heads=A, num_key_value_heads=A,
            intermediate_size=2 * H, num_local_experts=4, num_experts_per_tok=2, return_dict=False, use_cache=False,
        )
    )  # fmt: skip
    model.set_experts_implementation("grouped_mm")
    return model


def rows() -> Tensor:
    """Tokens as vectors."""
    return torch.rand(B, T, H)


def ids() -> Tensor:
    """Tokens as ids."""
    return torch.arange(T)[None] % 90 + 3


PRODUCTS = 2 * (2 * T * T * H)
LAYER = 2 * T * 12 * H * H + PRODUCTS
CASES = {
    "linear": Case(lambda: nn.Linear(H, 2 * H), rows, 2 * T * 2 * H * H),
    "scaled_dot_product_attention": Case(Attention, rows, PRODUCTS),
    "nn.MultiheadAttention": Case(lambda: SelfAttention(H, A, batch_first=True), rows, 2 * T * 4 * H * H + PRODUCTS),
    "nn.TransformerEncoderLayer": Case(lambda: nn.TransformerEncoderLayer(H, A, 4 * H, batch_first=True), rows, LAYER),
    "nn.LSTM": Case(lambda: nn.LSTM(H, H, batch_first=True), rows, 2 * T * 8 * H * H),
    "nn.GRU": Case(lambda: nn.GRU(H, H, batch_first=True), rows, 2 * T * 6 * H * H),
    "BERT, 128 tokens": Case(bert, ids, 2 * LAYER + 2 * H * H),
    "Mixtral, grouped_mm": Case(
        mixtral, ids, 2 * (2 * T * 4 * H * H + PRODUCTS + 2 * T * H * 4 + 2 * T * 2 * 3 * H * 2 * H)
    ),
    "early exit after 1 of 2": Case(EarlyExit, rows, 2 * T * 2 * H * H),
    "top-1 of 4 experts": Case(TopOne, rows, 2 * T * (4 * H + H * H)),
}


class Golden(nn.Module):
    """A golden case as a module whose input is the case's first tensor."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.call, self.given, _ = GOLDEN[name]
        self.place = next(i for i, each in enumerate(self.given) if isinstance(each, Tensor))
        self.offsets = {"offs": torch.tensor([2, 2, 6], dtype=torch.int32)} if self.call is F.grouped_mm else {}

    def forward(self, x: Tensor) -> Any:
        given = [x if i == self.place else each for i, each in enumerate(self.given)]
        return self.call(*given, **self.offsets)


def golden() -> dict[str, Case]:
    """The golden cases that have multiply-adds and take a tensor."""
    cases = {}
    for name, (_, given, (products, _)) in GOLDEN.items():
        tensors = [each for each in given if isinstance(each, Tensor)]
        if products and tensors:
            cases[f"golden: {name}"] = Case(partial(Golden, name), partial(Tensor.clone, tensors[0]), products)
    return cases


def cases() -> dict[str, Case]:
    """All cases by name."""
    return CASES | golden()
