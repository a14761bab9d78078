"""Regenerates the comparison of FLOP counters: `python -m tests.benchmarks.compare_counters`.

Each case has a closed form of its multiply-adds (two FLOPs each), written here or in the golden tests, of which all
that have some follow. Every counter installed gets the same module and inputs, in a process of its own since some patch
torch; what it finds is shown as a share of the closed form. Optional: fvcore, ptflops, thop, calflops.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from transformers import BertConfig, BertModel, MixtralConfig, MixtralModel

from elue.meter import Meter
from tests.meter.test_golden import CASES as GOLDEN

B, T, H, A = 1, 128, 64, 4


@dataclass(frozen=True)
class Case:
    """A module, its input, and its FLOPs of multiply-adds in closed form."""

    build: Callable[[], nn.Module]
    sample: Callable[[], Tensor]
    flops: int


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


def ours(model: nn.Module, sample: Tensor) -> int:
    """The Meter, in inference_mode."""
    with torch.inference_mode(), Meter() as meter:
        model(sample)
    return meter.matmul_flops if meter.complete else -1


def torch_counter(model: nn.Module, sample: Tensor) -> int:
    """torch.utils.flop_counter."""
    from torch.utils.flop_counter import FlopCounterMode

    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        model(sample)
    return int(counter.get_total_flops())


def fvcore(model: nn.Module, sample: Tensor) -> int:
    """fvcore counts a multiply-add as one; of its operators only the products, to compare like with like."""
    from fvcore.nn import FlopCountAnalysis

    analysis = FlopCountAnalysis(model, sample).unsupported_ops_warnings(False).uncalled_modules_warnings(False)
    products = ("linear", "matmul", "bmm", "addmm", "baddbmm", "einsum", "conv", "lstm", "gru")
    return 2 * int(sum(analysis.by_operator()[name] for name in products))


class Whole(nn.Module):
    """A model as the only child of another: ptflops counts children, and passes inputs by name."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, x: Tensor) -> Any:
        return self.model(x)


def ptflops(model: nn.Module, sample: Tensor) -> int:
    """ptflops patches modules and functions; it counts multiply-accumulates."""
    from ptflops import get_model_complexity_info

    with torch.no_grad():
        macs, _ = get_model_complexity_info(
            Whole(model),
            (1,),
            input_constructor=lambda _: {"x": sample},
            as_strings=False,
            print_per_layer_stat=False,
            backend="pytorch",
        )
    return 2 * int(macs or 0)


def thop(model: nn.Module, sample: Tensor) -> int:
    """thop counts multiply-accumulates of module types it knows."""
    from thop import profile

    with torch.no_grad():
        return 2 * int(profile(model, (sample,), verbose=False)[0])


def calflops(model: nn.Module, sample: Tensor) -> int:
    """calflops walks module types, and counts multiply-accumulates."""
    from calflops import calculate_flops

    with torch.no_grad():
        _, macs, _ = calculate_flops(model, args=[sample], print_results=False, output_as_string=False)
    return 2 * int(macs)


COUNTERS: dict[str, Callable[[nn.Module, Tensor], int]] = {
    "elue": ours,
    "torch": torch_counter,
    "fvcore": fvcore,
    "ptflops": ptflops,
    "thop": thop,
    "calflops": calflops,
}


def found(name: str, counter: str) -> str:
    """What a counter makes of a case, as a share of the closed form."""
    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    torch.manual_seed(0)
    case = cases()[name]
    model, sample = case.build().eval(), case.sample()
    try:
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            count = COUNTERS[counter](model, sample)
    except ImportError:
        return "not installed"
    except Exception as error:
        return type(error).__name__
    return "exact" if count == case.flops else f"{count / case.flops:.3f}"


def main() -> dict[str, list[Any]]:
    """Print the table; returns its rows by case."""
    torch.set_num_threads(1)
    print(f"torch {torch.__version__}\n\n| case | FLOPs of multiply-adds | {' | '.join(COUNTERS)} |")
    print("|---|---:|" + "---:|" * len(COUNTERS))
    table = {}
    with get_context("fork").Pool(1, maxtasksperchild=1) as pool:
        for name, case in cases().items():
            table[name] = pool.starmap(found, [(name, counter) for counter in COUNTERS], chunksize=1)
            print(f"| {name} | {case.flops:,} | {' | '.join(table[name])} |", flush=True)
    right = [sum(row[column] == "exact" for row in table.values()) for column in range(len(COUNTERS))]
    print(f"| exact, of {len(table)} | | {' | '.join(map(str, right))} |")
    return table


if __name__ == "__main__":
    main()
