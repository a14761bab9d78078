"""A step of training: products as torch's own counter has them, attention by its closed form, in three parts."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from elue.errors import ElueError
from elue.meter import count_training_step
from tests.meter.models.small import configuration

transformers = pytest.importorskip("transformers")


def bert(attention: str, device: str, dropout: float = 0.1, **sizes: int) -> tuple[nn.Module, dict[str, Any]]:
    """A classifier of BERT's shape and a batch of two texts of 16 tokens."""
    config = transformers.BertConfig(attn_implementation=attention, attention_probs_dropout_prob=dropout, **sizes)
    with torch.device(device):
        model = transformers.BertForSequenceClassification(config)
        ids, labels = torch.zeros(2, 16, dtype=torch.long), torch.zeros(2, dtype=torch.long)
    return model, {"input_ids": ids, "labels": labels}


TINY = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "vocab_size": 99}


def products_by_torch(model: nn.Module, inputs: dict[str, Any]) -> int:
    with FlopCounterMode(display=False) as counter:
        model.train()(**inputs).loss.backward()
    return int(counter.get_total_flops())


@pytest.mark.parametrize("attention", ["eager", "sdpa"])
def test_a_step_of_bert_base_has_the_products_that_torch_counts(attention: str) -> None:
    model, inputs = bert(attention, "meta")
    step = count_training_step(model, inputs)
    assert step.complete, step.unknown
    assert step.matmul_flops == products_by_torch(model, inputs)
    tokens, hidden, layers = 2 * 16, 768, 12
    linear = layers * 12 * hidden * hidden * tokens + 2 * (hidden * hidden + 2 * hidden)
    assert step.forward.matmul_flops == 2 * (linear + layers * 2 * tokens * 16 * hidden)
    assert step.backward.matmul_flops == 2 * step.forward.matmul_flops
    assert step.optimiser.matmul_flops == 0


def test_attention_that_torch_overlooks_is_its_plain_formula_forward_and_backward() -> None:
    model, inputs = bert("sdpa", "cpu", dropout=0.0, **TINY)
    plain, _ = bert("eager", "cpu", dropout=0.0, **TINY)
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        step, torchs = count_training_step(model, inputs), products_by_torch(model, inputs)
    assert step.complete, step.unknown
    assert any("flash_attention_for_cpu_backward" in name for name in step.backward.ops)
    scores = 2 * 4 * 16 * 16
    attention = 2 * scores * (8 + 8)
    assert step.matmul_flops == torchs + TINY["num_hidden_layers"] * (attention + 2 * attention)
    spelled = count_training_step(plain, inputs)
    # Scores are scaled where the fused operator's price has queries scaled, one an element of either.
    later = TINY["num_hidden_layers"] * (scores - 2 * 16 * 32)
    forward, backward, optimiser = (part.flops for part in spelled.parts)
    assert [part.flops for part in step.parts] == [forward - later, step.backward.flops, optimiser]
    assert later <= backward - step.backward.flops <= 3 * later


def test_checkpoints_count_what_they_compute_again() -> None:
    model, inputs = bert("eager", "cpu", **TINY)
    before = count_training_step(model, inputs)
    model.gradient_checkpointing_enable()
    after = count_training_step(model, inputs)
    assert after.complete, after.unknown
    assert after.forward.flops == before.forward.flops
    tokens, hidden = 2 * 16, 32
    layer = 2 * (tokens * (4 * hidden * hidden + 2 * hidden * 64) + 2 * tokens * 16 * hidden)
    assert after.backward.matmul_flops == before.backward.matmul_flops + TINY["num_hidden_layers"] * layer


def test_a_linear_layer_by_hand() -> None:
    model = nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 1))
    step = count_training_step(model, [torch.rand(7, 3)], loss=torch.mean, optimiser=lambda p: torch.optim.SGD(p, 0.1))
    forward = 2 * 7 * (3 * 5 + 5)
    assert (step.forward.matmul_flops, step.forward.flops) == (forward, forward + 7 * 5 + 7)
    # No gradient goes to the inputs; the mean's is a quotient; biases sum over rows.
    assert step.backward.matmul_flops == 2 * 7 * (3 * 5 + 5 + 5)
    assert step.backward.flops - step.backward.matmul_flops == 7 + 7 * 1 + 7 * 5 + 7 * 5
    assert step.optimiser.flops == 3 * 5 + 5 + 5 + 1
    assert step.flops == sum(part.flops for part in step.parts)


def test_the_optimiser_is_counted_amid_training() -> None:
    """At its first step SGD copies gradients into its momentum; from then on it multiplies and adds."""
    model = nn.Linear(4, 1, bias=False)
    step = count_training_step(model, [torch.rand(2, 4)], loss=torch.sum, optimiser=_momentum)
    assert step.optimiser.flops == 4 * 3


def _momentum(parameters: Any) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, 0.1, momentum=0.9)


def test_the_model_comes_back_in_the_mode_it_was_in() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5), nn.Linear(2, 1)).eval()
    model[1].train()
    step = count_training_step(model, [torch.rand(3, 2)], loss=torch.sum)
    assert [module.training for module in model.modules()] == [False, False, True, False]
    assert step.forward.ops["aten.dropout.default"] == (1, 6)
    assert all(parameter.grad is None for parameter in model.parameters())


def test_what_cannot_be_trained_is_said() -> None:
    model = nn.Linear(2, 2)
    with pytest.raises(ElueError, match="has no loss"):
        count_training_step(model, [torch.rand(3, 2)])
    with pytest.raises(ElueError, match="LBFGS runs the model"):
        count_training_step(model, [torch.rand(3, 2)], loss=torch.sum, optimiser=torch.optim.LBFGS)
    with pytest.raises(ElueError, match="No parameter"):
        count_training_step(model.requires_grad_(False), [torch.rand(3, 2)])


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["albert", "bart", "clip", "deberta-v2", "distilbert", "gemma2", "gpt2", "llama", "resnet", "t5", "vit"]
)
def test_steps_of_many_kinds_of_models_have_the_products_that_torch_counts(name: str) -> None:
    config = configuration(name)
    torch.manual_seed(0)
    model = transformers.AutoModel.from_config(config, attn_implementation="eager")
    ids = torch.randint(3, 200, (2, 6))
    inputs: dict[str, Any] = {"input_ids": ids}
    if name in ("t5", "bart"):
        inputs["decoder_input_ids"] = ids
    if name in ("clip", "resnet", "vit"):
        inputs = {**(inputs if name == "clip" else {}), "pixel_values": torch.rand(2, 3, 32, 32)}

    def loss(output: Any) -> torch.Tensor:
        value: torch.Tensor = output[0].float().square().mean()
        return value

    step = count_training_step(model, inputs, loss=loss)
    assert step.complete, step.unknown
    with FlopCounterMode(display=False) as counter:
        loss(model.train()(**inputs)).backward()
    assert step.matmul_flops == counter.get_total_flops() > 0
