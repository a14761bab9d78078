"""A step of training of many types of models: its products are those that torch's own counter sees."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from elue.meter import count_training_step
from elue.meter.models.building import build, quiet
from tests.meter.models.small import configuration

HEADS = {
    "SequenceClassification": ("bert", "roberta", "electra", "albert", "distilbert", "mobilebert", "deberta-v2"),
    "CausalLM": ("llama", "gpt2", "gpt_neox", "gemma2", "opt"),
    "Seq2SeqLM": ("t5", "bart"),
    "ImageClassification": ("vit", "resnet"),
}
TYPES = [(name, head) for head, names in HEADS.items() for name in names]


def inputs_for(head: str) -> dict[str, Any]:
    ids = torch.randint(3, 150, (2, 12))
    if head == "ImageClassification":
        return {"pixel_values": torch.rand(2, 3, 32, 32), "labels": torch.tensor([0, 1])}
    return {"input_ids": ids, "labels": torch.tensor([0, 1]) if head == "SequenceClassification" else ids}


def seen_by_torch(model: torch.nn.Module, inputs: dict[str, Any]) -> int:
    with FlopCounterMode(display=False) as counter:
        model.train()(**inputs).loss.backward()
    return int(counter.get_total_flops())


@pytest.mark.parametrize(("name", "head"), TYPES)
def test_products_of_a_step_are_torchs(name: str, head: str) -> None:
    import transformers

    config = configuration(name)
    for rate in ("hidden_dropout_prob", "attention_probs_dropout_prob", "dropout", "attention_dropout"):
        if getattr(config, rate, 0):
            setattr(config, rate, 0.0)
    with quiet():
        mapping = getattr(transformers, f"AutoModelFor{head}")._model_mapping
        model = build(mapping[type(config)], config, None if name == "resnet" else "eager", real=True)
        inputs = inputs_for(head)
        step = count_training_step(model, inputs)
        torchs = seen_by_torch(model, inputs)
    assert step.complete, step.unknown
    assert step.matmul_flops == torchs


@pytest.mark.parametrize("name", ["bert", "llama", "gpt2", "opt"])
def test_attention_of_a_step_costs_the_same_fused(name: str) -> None:
    """Twelve multiply-adds a score and number of a head: two products forward, four backward."""
    import transformers

    head = "SequenceClassification" if name == "bert" else "CausalLM"
    counts = []
    for attention in ("eager", "sdpa"):
        config = configuration(name)
        for rate in ("attention_probs_dropout_prob", "attention_dropout", "attn_pdrop"):
            if getattr(config, rate, 0):
                setattr(config, rate, 0.0)
        with quiet():
            mapping = getattr(transformers, f"AutoModelFor{head}")._model_mapping
            step = count_training_step(build(mapping[type(config)], config, attention, real=True), inputs_for(head))
        assert step.complete, step.unknown
        counts.append(step.matmul_flops)
    assert counts[0] == counts[1]
