"""A step of training without weights: its gradients go wherever those of the real model go."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch

from elue.errors import ElueError
from elue.meter import Meter
from elue.meter import profile as profiles
from elue.meter.models.building import build, choose_class, quiet
from elue.meter.models.cost import ModelCost, Question
from elue.meter.models.counting import _run, count_configuration
from elue.meter.models.known import META, KnownValues
from elue.meter.models.shapes import Lengths
from tests.meter.models.small import GIVEN, TEXT, configuration

QUICK = ("llama", "mixtral", "qwen2_moe", "hubert", "unispeech", "t5", "vit")
"""Experts, and convolutions that ask for the gradient of a sound, among others."""


def counted(folder: Path, content: dict) -> ModelCost:
    (folder / "config.json").write_text(json.dumps(content))
    return count_configuration(Question(str(folder), tokens=8))


@pytest.mark.parametrize(
    "name", [name if name in QUICK else pytest.param(name, marks=pytest.mark.slow) for name in GIVEN]
)
def test_products_of_every_part_are_the_real_ones(name: str) -> None:
    config, profile = configuration(name), profiles.load("elue-1")
    question, products = Question(name, tokens=8, train=True), []
    with quiet():
        for real in (False, True):
            torch.manual_seed(0)
            model = build(choose_class(config)[0], config, real=real)
            try:
                parts = _run(model, Lengths(1, 8), question, profile, real=real).outcome
            except Exception as error:
                pytest.skip(f"not trained: {type(error).__name__}")
            products.append({part: report.matmul_flops for part, report in parts.items()})
    assert products[0] == products[1]


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize(
    ("left", "right", "ends"), [((8, 4), (2, 4, 6), 8), ((2, 8, 4), (4, 6), 6), ((2, 3, 4), (2, 4, 6), 0)]
)
def test_products_by_experts_have_gradients(left: tuple, right: tuple, ends: int, transposed: bool) -> None:
    """Each as dear as the product: 2 experts of 8, 8 or 3 rows, 4 and 6 (or 3) wide."""
    weights = (
        torch.empty(*right[:-2], right[-1], right[-2], device=META) if transposed else torch.empty(right, device=META)
    )
    rows = torch.empty(left, device=META, requires_grad=True)
    weights.requires_grad_()
    offs = torch.tensor([ends // 2, ends], dtype=torch.int32) if ends else None
    with KnownValues():
        with Meter(track=False) as forward:
            out = torch._grouped_mm(rows, weights.mT if transposed else weights, offs=offs)
        with Meter(track=False) as backward:
            out.sum().backward()
    assert out.dtype == torch.float32
    assert (rows.grad is not None, weights.grad is not None) == (True, True)
    assert backward.matmul_flops == 2 * forward.matmul_flops > 0
    assert backward.complete


def test_a_value_that_asks_for_a_gradient_gets_one() -> None:
    x, weight = torch.ones(3, 4), torch.empty(5, 4, device=META, requires_grad=True)
    with KnownValues(), Meter(track=False) as meter:
        x.requires_grad = True
        torch.nn.functional.linear(x, weight).sum().backward()
    assert meter.matmul_flops == 3 * 2 * 3 * 4 * 5


@pytest.mark.parametrize("named", ["AutoModel", "AutoConfig", "BertTokenizer", "Nothing", 3])
def test_a_class_that_is_no_model_is_not_taken(tmp_path: Path, named: object) -> None:
    cost = counted(tmp_path, {"model_type": "bert", **TEXT, "architectures": [named]})
    assert (cost.built, cost.chosen) == ("BertModel", f"transformers has no {named}")


@pytest.mark.parametrize("method", ["gptq", "awq", "bitsandbytes", "fp8", "no-such"])
def test_a_quantised_model_is_said_to_be_counted_as_it_was(tmp_path: Path, method: str) -> None:
    plain = {"model_type": "llama", **GIVEN["llama"]}
    cost = counted(tmp_path, {**plain, "quantization_config": {"quant_method": method, "bits": 4}})
    assert method in cost.notes[0]
    assert cost.flops == counted(tmp_path, plain).flops


def test_code_that_a_configuration_brings_is_not_asked_about(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    brought = {"AutoConfig": "configuration_mine.Mine", "AutoModel": "modeling_mine.Mine"}
    with pytest.raises(ElueError, match="custom code") as caught:
        counted(tmp_path, {"model_type": "mine", "auto_map": brought})
    assert "\n" not in str(caught.value)
    assert "run the custom code" not in capsys.readouterr().out


def test_an_error_that_tells_its_reason_in_a_second_line_is_told_with_it(tmp_path: Path) -> None:
    with pytest.raises(ElueError, match="expected int, got str") as caught:
        counted(tmp_path, {"model_type": "bert", **TEXT, "hidden_size": "wide"})
    assert "\n" not in str(caught.value)
