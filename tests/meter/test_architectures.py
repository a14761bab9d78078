"""Real architectures, small and with random weights, against a closed form of the multiply-adds of each.

T tokens, hidden width H, A heads, L layers, inner width F, E experts of which K run; everything counts twice.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
import transformers as hf
from transformers import PretrainedConfig, PreTrainedModel

from elue.meter import Meter

pytestmark = pytest.mark.slow
T, H, L, A, F, V, E, K = 7, 16, 2, 4, 32, 50, 4, 2
KV = 2 * H // A
SHARED = {
    "hidden_size": H, "num_hidden_layers": L, "num_attention_heads": A, "intermediate_size": F, "vocab_size": V,
    "max_position_embeddings": 40, "pad_token_id": 0,
}  # fmt: skip
T5 = {"d_model": H, "d_kv": H // A, "num_heads": A, "d_ff": F, "num_layers": L, "vocab_size": V}
MOE = {"num_key_value_heads": 2, "num_experts_per_tok": K}
IDS = torch.arange(3, 3 + T)[None]

ATTENTION = T * 4 * H * H + 2 * T * T * H
GROUPED = T * (2 * H * H + 2 * H * KV) + 2 * T * T * H
FEED = T * 2 * H * F
GATED = T * 3 * H * F
POOLER = H * H
DISENTANGLED = 2 * 20 * H * H + 2 * T * 20 * H
MAMBA = T * H * 4 * H + (T + 3) * 2 * H * 4 + T * 2 * H * (1 + 2 * 4) + T * 2 * H + T * 2 * H * 4 + T * 2 * H * H

CASES: dict[str, tuple[Callable[..., PretrainedConfig], dict[str, object], int]] = {
    "Bert": (hf.BertConfig, SHARED, L * (ATTENTION + FEED) + POOLER),
    "Roberta": (hf.RobertaConfig, SHARED, L * (ATTENTION + FEED) + POOLER),
    "Albert": (hf.AlbertConfig, {**SHARED, "embedding_size": 8}, L * (ATTENTION + FEED) + POOLER + T * 8 * H),
    "DistilBert": (
        hf.DistilBertConfig,
        {"dim": H, "n_layers": L, "n_heads": A, "hidden_dim": F, "vocab_size": V, "max_position_embeddings": 40},
        L * (ATTENTION + FEED),
    ),
    "ModernBert": (hf.ModernBertConfig, SHARED, L * (ATTENTION + GATED)),
    "DebertaV2": (
        hf.DebertaV2Config,
        {**SHARED, "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "max_relative_positions": 10},
        L * (ATTENTION + FEED + DISENTANGLED),
    ),
    "T5": (hf.T5Config, T5, L * (ATTENTION + FEED) + L * (2 * ATTENTION + FEED)),
    "GPT2": (
        hf.GPT2Config,
        {"n_embd": H, "n_layer": L, "n_head": A, "n_inner": F, "vocab_size": V, "n_positions": 40},
        L * (ATTENTION + FEED),
    ),
    "Llama": (hf.LlamaConfig, {**SHARED, "num_key_value_heads": 2}, L * (GROUPED + GATED)),
    "Mixtral": (
        hf.MixtralConfig,
        {**SHARED, **MOE, "num_local_experts": E},
        L * (GROUPED + T * H * E + K * GATED),
    ),
    "Olmoe": (hf.OlmoeConfig, {**SHARED, **MOE, "num_experts": E}, L * (GROUPED + T * H * E + K * GATED)),
    "SwitchTransformers": (
        hf.SwitchTransformersConfig,
        {
            **T5,
            "num_experts": E,
            "num_sparse_encoder_layers": 1,
            "num_decoder_layers": L,
            "num_sparse_decoder_layers": 1,
        },
        L * (ATTENTION + FEED) + L * (2 * ATTENTION + FEED) + 2 * T * H * E,
    ),
    "Mamba": (
        hf.MambaConfig,
        {"hidden_size": H, "num_hidden_layers": L, "vocab_size": V, "state_size": 4},
        L * MAMBA,
    ),
}


def built(name: str) -> PreTrainedModel:
    config, options, _ = CASES[name]
    torch.manual_seed(0)
    model: PreTrainedModel = getattr(hf, f"{name}Model")(config(**options)).eval()
    return model


def measured(model: PreTrainedModel) -> Meter:
    inputs = {"input_ids": IDS}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = IDS
    with torch.inference_mode(), Meter() as meter:
        model(**inputs)
    return meter


@pytest.mark.parametrize("name", CASES)
def test_multiply_adds_equal_the_closed_form(name: str) -> None:
    model = built(name)
    meter = measured(model)
    assert meter.complete, meter.unknown
    assert meter.matmul_flops == 2 * CASES[name][2]
    assert meter.params_touched <= sum(parameter.numel() for parameter in model.parameters())


def test_all_of_bert_equals_its_closed_form() -> None:
    meter = measured(built("Bert"))
    scores = A * T * T
    rest = L * (scores * (1 + 5) + 2 * (1 + 7) * T * H + T * F) + (2 + 7) * T * H + H
    assert meter.flops == 2 * CASES["Bert"][2] + rest
    untouched = (V - T) * H + (40 - T) * H + (2 - 1) * H
    assert meter.params_touched == sum(p.numel() for p in built("Bert").parameters()) - untouched


@pytest.mark.parametrize("name", ["Mixtral", "Olmoe"])
def test_experts_cost_the_same_however_they_run(name: str) -> None:
    model, found = built(name), set()
    for implementation in ("eager", "batched_mm", "grouped_mm"):
        model.set_experts_implementation(implementation)
        meter = measured(model)
        assert meter.complete, meter.unknown
        found.add((meter.matmul_flops, meter.params_touched))
    assert len(found) == 1
