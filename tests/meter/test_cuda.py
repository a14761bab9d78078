"""The count is the formula's on a GPU, too, whichever kernel the device picks. Skips where there is no GPU."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator

import pytest
import torch
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.nn.functional import scaled_dot_product_attention
from transformers import BertConfig, BertForSequenceClassification, LlamaConfig, LlamaForCausalLM, MixtralConfig
from transformers import MixtralForCausalLM as Mixtral

from elue.meter import Meter

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")


@pytest.fixture(autouse=True)
def seed() -> Iterator[None]:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        yield


def _counted(run: Callable[[], object]) -> tuple[int, int, dict[str, int]]:
    """FLOPs, those of products, and what was unknown."""
    with Meter() as meter:
        run()
        torch.cuda.synchronize()
    return meter.flops, meter.matmul_flops, meter.unknown


def _on_both(model: nn.Module, inputs: dict[str, Tensor], dtype: torch.dtype = torch.float32) -> None:
    """Counts of the model on the CPU and on the GPU are the same, and complete."""
    there = copy.deepcopy(model).to("cuda", dtype)
    moved = {
        name: value.to("cuda", dtype if value.is_floating_point() else value.dtype) for name, value in inputs.items()
    }
    with torch.inference_mode():
        here = _counted(lambda: model(**inputs))
        assert here[0] > 0
        assert here[2] == {}
        assert _counted(lambda: there(**moved)) == here


class _Named(nn.Module):
    """A module called by the keyword `x`; of several results the first."""

    def __init__(self, module: nn.Module) -> None:
        super().__init__()
        self.module = module

    def forward(self, x: Tensor) -> Tensor:
        result = self.module(x)
        return result[0] if isinstance(result, tuple) else result


_MODULES = {
    "linear": (lambda: nn.Linear(32, 48), (3, 7, 32)),
    "mlp": (lambda: nn.Sequential(nn.Linear(32, 64), nn.GELU(), nn.LayerNorm(64), nn.Linear(64, 8)), (5, 32)),
    "lstm": (lambda: nn.LSTM(16, 24, num_layers=2, bidirectional=True, batch_first=True), (3, 9, 16)),
    "gru": (lambda: nn.GRU(16, 24, batch_first=True), (3, 9, 16)),
    "rnn": (lambda: nn.RNN(16, 24), (9, 3, 16)),
    "convolution": (lambda: nn.Conv2d(8, 12, 3, padding=1, groups=2), (2, 8, 11, 11)),
    "transposed": (lambda: nn.ConvTranspose2d(8, 12, 3, stride=2), (2, 8, 5, 5)),
    "batch norm": (lambda: nn.Sequential(nn.Conv1d(6, 6, 3), nn.BatchNorm1d(6), nn.ReLU()), (4, 6, 20)),
    "group norm": (lambda: nn.GroupNorm(3, 6), (4, 6, 20)),
    "encoder layer": (lambda: nn.TransformerEncoderLayer(32, 4, 64, batch_first=True), (3, 9, 32)),
    "pooling": (lambda: nn.Sequential(nn.MaxPool2d(2), nn.AdaptiveAvgPool2d(2)), (2, 3, 9, 9)),
    "softmax": (lambda: nn.Sequential(nn.Linear(8, 20), nn.LogSoftmax(-1)), (5, 8)),
}


@pytest.mark.parametrize("name", _MODULES)
def test_modules_cost_the_same_on_both(name: str) -> None:
    make, shape = _MODULES[name]
    _on_both(_Named(make()).eval(), {"x": torch.randn(shape)})


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_encoders_cost_the_same_in_every_precision(attention: str, dtype: torch.dtype) -> None:
    config = BertConfig(
        vocab_size=90,
        hidden_size=64,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=128,
        attn_implementation=attention,
    )
    ids = torch.randint(0, 90, (3, 17))
    _on_both(BertForSequenceClassification(config).eval(), {"input_ids": ids}, dtype)


def test_language_models_cost_the_same_on_both() -> None:
    sizes = {
        "vocab_size": 90,
        "hidden_size": 64,
        "intermediate_size": 96,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
    }
    ids = {"input_ids": torch.randint(0, 90, (2, 12))}
    _on_both(LlamaForCausalLM(LlamaConfig(**sizes)).eval(), ids)
    _on_both(Mixtral(MixtralConfig(**sizes, num_local_experts=4, num_experts_per_tok=2)).eval(), ids)


_BACKENDS = [SDPBackend.MATH, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION]


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("backend", _BACKENDS)
def test_each_attention_kernel_costs_the_plain_formula_forth_and_back(backend: SDPBackend, causal: bool) -> None:
    """Products: 4 n² d a head forth, and twice as many back."""
    heads = [
        torch.randn(2, 4, 64, 32, device="cuda", dtype=torch.float16).requires_grad_()
        for _ in ("query", "key", "value")
    ]
    with sdpa_kernel(SDPBackend.MATH):
        plain = _counted(lambda: scaled_dot_product_attention(*heads, is_causal=causal))
    products = 2 * 4 * 4 * 64 * 64 * 32
    assert plain[1] == products
    assert plain[2] == {}
    try:
        with sdpa_kernel(backend):
            result = scaled_dot_product_attention(*heads, is_causal=causal)
            assert _counted(lambda: scaled_dot_product_attention(*heads, is_causal=causal)) == plain
            _, back, unknown = _counted(result.sum().backward)
    except RuntimeError as error:
        pytest.skip(f"this GPU has no such kernel: {error}")
    assert (back, unknown) == (2 * products, {})


@pytest.mark.parametrize("options", [{"foreach": False}, {"foreach": True}, {"fused": True}])
def test_a_training_step_is_complete_with_every_kind_of_optimiser(options: dict[str, bool]) -> None:
    config = BertConfig(
        vocab_size=90, hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128
    )
    here = BertForSequenceClassification(config)
    there = copy.deepcopy(here).to("cuda")
    ids, labels = torch.randint(0, 90, (3, 17)), torch.tensor([0, 1, 1])

    def step(model: nn.Module, optimiser: torch.optim.Optimizer, device: str) -> None:
        model(input_ids=ids.to(device), labels=labels.to(device)).loss.backward()
        optimiser.step()

    spelled = torch.optim.AdamW(here.parameters(), foreach=False)
    plain = _counted(lambda: step(here, spelled, "cpu"))
    optimiser = torch.optim.AdamW(there.parameters(), **options)
    flops, products, unknown = _counted(lambda: step(there, optimiser, "cuda"))
    assert (products, unknown) == (plain[1], {})
    assert plain[2] == {}
    assert flops <= 1.02 * plain[0]


def test_mixed_precision_is_complete_and_its_products_are_the_same() -> None:
    model = nn.Sequential(nn.Linear(32, 64), nn.ReLU(), nn.Linear(64, 8)).to("cuda")
    x = torch.randn(5, 32, device="cuda")
    plain = _counted(lambda: model(x))
    with torch.autocast("cuda", torch.bfloat16):
        mixed = _counted(lambda: model(x))
    assert mixed[1:] == plain[1:]
    assert mixed[2] == {}


def test_a_replayed_graph_of_kernels_is_not_complete() -> None:
    model, x = nn.Linear(32, 64).to("cuda"), torch.randn(5, 32, device="cuda")
    with torch.inference_mode():
        model(x)
        torch.cuda.synchronize()
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            model(x)
        _, _, unknown = _counted(graph.replay)
    assert unknown


def test_results_on_the_device_are_those_without_a_meter() -> None:
    model, x = nn.TransformerEncoderLayer(32, 4, 64, batch_first=True).to("cuda").eval(), torch.randn(2, 9, 32)
    with torch.inference_mode():
        without = model(x.to("cuda"))
        with Meter():
            within = model(x.to("cuda"))
    torch.testing.assert_close(within, without, rtol=0, atol=1e-5)
