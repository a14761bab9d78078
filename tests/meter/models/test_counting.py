"""Counting from a configuration: against closed forms, against the real model, and everything that can go wrong."""

from __future__ import annotations

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from elue.errors import ElueError
from elue.meter import Meter
from elue.meter.models.building import build, choose_class, quiet
from elue.meter.models.cost import ModelCost, Question
from elue.meter.models.counting import count_configuration
from elue.meter.models.running import first_that_runs
from elue.meter.models.shapes import Lengths
from elue.meter.training import count_training_step
from tests.meter.models.products import Products
from tests.meter.models.small import BART, GIVEN, GPT2, GROUPED, IMAGE, TEXT, configuration

QUICK = ("bert", "deberta-v2", "llama", "gpt2", "mixtral", "t5", "vit", "resnet", "wav2vec2", "whisper", "clip",
         "llava", "qwen2_vl", "perceiver")  # fmt: skip
"""A few of each kind: text, images, audio, several of these, encoder and decoder, experts."""


@pytest.fixture
def count(tmp_path: Path) -> Any:
    def counted(
        name: str, given: dict[str, Any] | None = None, architecture: str | None = None, **asked: Any
    ) -> ModelCost:
        content = configuration(name).to_dict() if given is None else {"model_type": name, **given}
        content["architectures"] = architecture and [architecture]
        (tmp_path / "config.json").write_text(json.dumps(content))
        return count_configuration(Question(str(tmp_path), **{"tokens": 16, **asked}))

    return counted


def real(name: str, lengths: Lengths, attention: str | None = None) -> tuple[Meter, int]:
    """A Meter of the same model with weights, and its products by hand."""
    config = configuration(name)
    with quiet():
        torch.manual_seed(0)
        model = build(choose_class(config)[0], config, attention, real=True)

        def run(inputs: dict[str, Any]) -> tuple[Meter, int]:
            with Meter(track=False) as meter, Products() as products:
                model(**inputs)
            return meter, products.flops

        outcome: tuple[Meter, int] = first_that_runs(model, lengths, run, real=True).outcome
    return outcome


@pytest.mark.parametrize(
    "name", [each if each in QUICK else pytest.param(each, marks=pytest.mark.slow) for each in GIVEN]
)
def test_a_model_without_weights_counts_as_the_real_one(count: Any, name: str) -> None:
    cost = count(name, batch=2, attention="eager")
    meter, products = real(name, Lengths(2, 16), "eager")
    assert cost.complete
    assert (cost.flops, cost.matmul_flops) == (meter.flops, meter.matmul_flops)
    assert cost.matmul_flops == products
    assert count(name, batch=2).matmul_flops == products


@pytest.mark.thorough
def test_seven_billion_parameters_equal_the_closed_form_in_seconds_and_little_memory(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", "architectures": ["LlamaForCausalLM"]}))
    code = f"""
import time
from tests.memory import peak
from elue.meter.models.cost import Question
from elue.meter.models.counting import count_configuration
cost = count_configuration(Question({str(tmp_path)!r}))
body = cost.parts["forward"].modules.children[0]
print(cost.params_total, cost.matmul_flops, 2 * body.macs, body.type, time.process_time(),
      peak() // 2**20)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    params, products, body, kind, seconds, megabytes = done.stdout.split()
    layer = 4 * 4096**2 + 3 * 4096 * 11008
    assert int(params) == 32 * (layer + 2 * 4096) + 2 * 32000 * 4096 + 4096
    assert (int(body), kind) == (2 * 32 * (128 * layer + 2 * 128**2 * 4096), "LlamaModel")
    assert int(products) == int(body) + 2 * 128 * 4096 * 32000 == 1_700_001_742_848
    assert float(seconds) < 10
    assert int(megabytes) < 1000


def test_the_head_is_the_one_that_the_configuration_names(count: Any) -> None:
    bare = count("bert")
    named = count("bert", architecture="BertForMaskedLM")
    assert (bare.built, bare.chosen) == ("BertModel", "the configuration names no class")
    assert (named.built, named.chosen) == ("BertForMaskedLM", "named by the configuration")
    pooler = 2 * 32 * 32
    assert named.matmul_flops - bare.matmul_flops == 2 * 16 * (32 * 32 + 32 * 200) - pooler
    asked = count("bert", architecture="BertForMaskedLM", head="BertForSequenceClassification")
    assert (asked.built, asked.chosen) == ("BertForSequenceClassification", "asked for")
    assert asked.matmul_flops - bare.matmul_flops == 2 * 32 * 2


def test_generating_models_are_taken_with_their_output_layer(count: Any) -> None:
    cost = count("gpt2")
    assert cost.built == "GPT2LMHeadModel"
    assert cost.matmul_flops == 2 * (16 * (2 * 12 * 32 * 32 + 32 * 200) + 2 * 2 * 16 * 16 * 32)
    assert cost.params_total == 200 * 32 + 64 * 32 + 2 * (12 * 32 * 32 + 13 * 32) + 2 * 32
    unheard = count("gpt2", architecture="GPT2ForHeaven")
    assert (unheard.built, unheard.chosen) == ("GPT2LMHeadModel", "transformers has no GPT2ForHeaven")


def test_encoder_and_decoder_have_lengths_of_their_own(count: Any) -> None:
    cost = count("bart", tokens=12, decoder_tokens=5)
    assert cost.inputs == {"input_ids": (1, 12), "decoder_input_ids": (1, 5)}
    encoder = 2 * (12 * (4 + 4) * 32 * 32 + 2 * 12 * 12 * 32)
    decoder = 2 * (5 * (6 + 4) * 32 * 32 + 12 * 2 * 32 * 32 + 2 * 5 * 5 * 32 + 2 * 5 * 12 * 32)
    assert cost.matmul_flops == 2 * (encoder + decoder + 5 * 32 * 200)


def test_batches_and_pairs(count: Any) -> None:
    one = count("bert", tokens=10)
    assert count("bert", tokens=10, batch=3).flops == 3 * one.flops
    pair = count("bert", tokens=6, pair_tokens=4)
    assert pair.inputs == {"input_ids": (1, 10), "token_type_ids": (1, 10)}
    assert pair.flops == one.flops


def test_features_of_an_image_stand_in_the_text(count: Any) -> None:
    cost = count("llava", tokens=10)
    assert cost.inputs == {"pixel_values": (1, 3, 32, 32), "input_ids": (1, 10 + 16)}
    assert cost.notes == ()


def test_features_stand_where_a_mask_says_or_an_id_that_was_not_set(count: Any) -> None:
    vision = {**IMAGE, "num_hidden_layers": 1}
    text = {"vocab_size": 200, "embed_dim": 32, "layers": 1, "ffn_dim": 64, "attention_heads": 4}
    kosmos = count("kosmos-2", {"latent_query_num": 5, "vision_config": vision, "text_config": text}, tokens=10)
    assert kosmos.inputs["input_ids"] == kosmos.inputs["image_embeds_position_mask"] == (1, 10 + 5)
    blip = count(
        "blip-2",
        {
            "num_query_tokens": 6,
            "vision_config": vision,
            "qformer_config": {**TEXT, "encoder_hidden_size": 32},
            "text_config": {"model_type": "opt", **TEXT, "ffn_dim": 64, "word_embed_proj_dim": 32},
        },
        tokens=10,
    )
    assert blip.inputs == {"pixel_values": (1, 3, 32, 32), "input_ids": (1, 10 + 6)}


def test_codes_of_audio_stand_beside_each_other(count: Any) -> None:
    sizes = {"vocab_size": 50, "hidden_size": 32, "ffn_dim": 64, "num_hidden_layers": 1, "num_attention_heads": 4}
    cost = count("musicgen_decoder", {**sizes, "num_codebooks": 3}, tokens=7)
    assert cost.inputs == {"input_ids": (3, 7)}
    decoder = {"model_type": "musicgen_decoder", **sizes, "vocab_size": 20, "num_codebooks": 3}
    text = {
        "model_type": "t5",
        "vocab_size": 200,
        "d_model": 32,
        "d_kv": 8,
        "d_ff": 64,
        "num_layers": 1,
        "num_heads": 4,
    }
    sound = {"model_type": "encodec", "hidden_size": 16, "num_filters": 4, "codebook_dim": 16, "codebook_size": 16}
    whole = {"text_encoder": text, "audio_encoder": sound, "decoder": decoder}
    cost = count("musicgen", whole, tokens=7)
    assert cost.inputs["decoder_input_ids"] == (3, 7), "read as one text of seven steps, not as seven of three"


def test_a_decoder_by_itself_gets_an_encoder_to_read_where_it_cannot_do_without(count: Any) -> None:
    sizes = {"vocab_size": 50, "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_channels": 3,
             "num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 8, "cross_num_attention_heads": 4,
             "cross_num_key_value_heads": 4, "cross_head_dim": 8, "cross_hidden_size": 24}  # fmt: skip
    cost = count("dia_decoder", sizes, tokens=7)
    assert cost.complete
    assert cost.inputs == {"input_ids": (1, 7, 3), "encoder_hidden_states": (1, 7, 24)}
    own, across = 32 * (32 + 16 + 16 + 32), 32 * 32 + 2 * 24 * 32 + 32 * 32
    products = 7 * (own + across + 3 * 32 * 64) + 2 * 2 * 7 * 7 * 32
    assert cost.parts["forward"].matmul_flops - 2 * products in (0, 2 * 4 * 7), "rotations are products of four angles"


def test_images_of_several_cameras_are_given_to_the_model_beneath_one_by_one(count: Any) -> None:
    text = {"model_type": "gemma", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "head_dim": 8,
            "num_attention_heads": 4, "num_key_value_heads": 1, "vocab_size": 300}  # fmt: skip
    seen = {"model_type": "siglip_vision_model", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1,
            "num_attention_heads": 4, "image_size": 32, "patch_size": 8, "projection_dim": 32}  # fmt: skip
    both = {"model_type": "paligemma", "text_config": text, "vision_config": seen, "projection_dim": 32,
            "hidden_size": 32, "image_token_index": 299, "vocab_size": 300}  # fmt: skip
    cost = count("pi0", {"vlm_config": both, "dit_config": text}, tokens=7)
    assert cost.complete
    assert cost.inputs["pixel_values"] == (1, 1, 3, 32, 32)
    assert cost.inputs["input_ids"] == (1, 7 + (32 // 8) ** 2)


@pytest.mark.parametrize("name", ["bert", "vit", "gpt2", "t5"])
def test_a_step_of_training_equals_the_real_one(count: Any, name: str) -> None:
    head = {"bert": "BertForSequenceClassification", "vit": "ViTForImageClassification"}.get(name)
    cost = count(name, train=True, head=head)
    config = configuration(name)
    model = build(choose_class(config, head)[0], config, real=True)
    ids = torch.randint(200, (1, 16))
    inputs: dict[str, Any] = {"pixel_values": torch.rand(1, 3, 32, 32)} if name == "vit" else {"input_ids": ids}
    labels = ids if name in ("gpt2", "t5") else torch.tensor([0])
    step = count_training_step(model, {**inputs, "labels": labels})
    assert list(cost.parts) == ["forward", "backward", "optimiser"]
    assert cost.parts["forward"].matmul_flops == step.forward.matmul_flops
    assert cost.parts["optimiser"].flops == step.optimiser.flops
    assert cost.complete


def test_a_model_that_knows_no_loss_is_trained_on_a_mean(count: Any) -> None:
    cost = count("bert", train=True)
    assert "the mean of its first output" in cost.notes[0]
    assert cost.parts["backward"].matmul_flops > cost.parts["forward"].matmul_flops


def test_values_that_decide_are_made_up_for_small_models_alone(count: Any) -> None:
    experts = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_decoder_layers": 2, "num_heads": 4,
               "num_experts": 4, "num_sparse_encoder_layers": 1, "num_sparse_decoder_layers": 1}  # fmt: skip
    cost = count("switch_transformers", {**experts, "vocab_size": 200})
    assert (cost.device, cost.complete) == ("cpu", True)
    assert "one sample of many" in cost.notes[0]
    with pytest.raises(ElueError, match="values that only weights give") as caught:
        count("switch_transformers", {**experts, "vocab_size": 10_000_000})
    assert caught.value.code == "values_decide"


@pytest.mark.parametrize(("name", "given"), [("bert", TEXT), ("llama", GROUPED)])
def test_flex_attention_is_counted_on_small_models_for_real(count: Any, name: str, given: Any) -> None:
    """Torch refuses it where there are shapes alone. It costs the products of any attention, and its mask besides."""
    flex, plain = (count(name, given, attention=way) for way in ("flex_attention", "sdpa"))
    assert (flex.device, flex.complete) == ("cpu", True)
    assert "flex_attention" in flex.notes[0]
    assert flex.parts["forward"].matmul_flops == plain.parts["forward"].matmul_flops
    assert 0 < flex.parts["forward"].flops - plain.parts["forward"].flops < 0.1 * plain.parts["forward"].flops
    with pytest.raises(ElueError, match="or --attn sdpa"):
        count(name, {**given, "vocab_size": 10_000_000}, attention="flex_attention")


@pytest.mark.parametrize(
    ("name", "given", "asked", "says"),
    [
        ("bert", TEXT, {"tokens": 0}, "--tokens is 0"),
        ("bert", TEXT, {"tokens": 65}, "65 tokens are asked for, but"),
        ("bert", TEXT, {"tokens": 40, "pair_tokens": 40}, "80 tokens are asked for"),
        ("gpt2", GPT2, {"tokens": 60, "generate": 5}, "65 tokens are asked for"),
        ("bert", TEXT, {"batch": 0}, "--batch is 0"),
        ("bart", BART, {"decoder_tokens": 0}, "--decoder-tokens is 0"),
        ("bert", TEXT, {"attention": "flash"}, "Unknown attention 'flash'"),
        ("bert", TEXT, {"head": "BertForMaskedL"}, "Did you mean 'BertForMaskedLM'"),
        ("bert", TEXT, {"generate": 3}, "BertModel generates no text"),
        ("gpt2", GPT2, {"generate": 3, "train": True}, "exclude each other"),
        ("bert", TEXT, {"profile": "elue-9"}, "Unknown profile 'elue-9'"),
        ("no-such-type", {}, {}, "no configuration that transformers reads"),
        ("bert", {**TEXT, "hidden_size": "wide"}, {}, "no configuration that transformers reads"),
        ("bert", {**TEXT, "num_attention_heads": 5}, {}, "BertModel cannot be built"),
        ("llama", {**GROUPED, "hidden_act": "magic"}, {}, "LlamaForCausalLM cannot be built"),
        ("vit", {"image_size": 8, "patch_size": 16}, {}, "ViTModel cannot be run"),
        ("bark", {}, {}, "BarkModel cannot be run"),
        ("detr", {}, {}, "needs the library timm. Install it first"),
        ("voxtral_realtime_text", {}, {}, "transformers finds no class"),
    ],
)  # fmt: skip
def test_every_failure_is_one_line(count: Any, name: str, given: Any, asked: Any, says: str) -> None:
    with pytest.raises(ElueError) as caught:
        count(name, given, **asked)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"model_type": 3}', '"bert"', "\0"])
def test_a_file_that_is_no_configuration_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "config.json").write_text(content)
    for name in (str(tmp_path), str(tmp_path / "config.json"), str(tmp_path / "nothing")):
        with pytest.raises(ElueError, match="no configuration that transformers reads") as caught:
            count_configuration(Question(name))
        assert "\n" not in str(caught.value)


def test_a_cost_is_plain_data(count: Any) -> None:
    cost = count("bert")
    assert pickle.loads(pickle.dumps(cost)) == cost
    read = json.loads(cost.to_json())
    assert read["flops"] == cost.flops == read["parts"]["forward"]["flops"]
    assert read["question"]["tokens"] == 16
    assert str(cost) == str(cost.parts["forward"])
