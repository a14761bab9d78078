"""Small configurations of many kinds of models, random weights meant, by the name of their type."""

from __future__ import annotations

from typing import Any

TEXT = {
    "vocab_size": 200, "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
}  # fmt: skip
"""What most encoders and decoders of text take."""
GROUPED = {**TEXT, "num_key_value_heads": 2, "head_dim": 8}
IMAGE = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64, "image_size": 32,
    "patch_size": 8,
}  # fmt: skip
SPEECH = {
    "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
    "conv_dim": [32] * 7, "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4,
}  # fmt: skip
T5 = {
    "vocab_size": 200,
    "d_model": 32,
    "d_kv": 8,
    "d_ff": 64,
    "num_layers": 2,
    "num_heads": 4,
    "decoder_start_token_id": 0,
}
BART = {
    "vocab_size": 200, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2, "encoder_attention_heads": 4,
    "decoder_attention_heads": 4, "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 64,
    "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
}  # fmt: skip
EXPERTS = {**GROUPED, "num_experts_per_tok": 2, "moe_intermediate_size": 16}
CLIP = {"text_config": {**TEXT, "projection_dim": 16}, "vision_config": {**IMAGE, "projection_dim": 16}}
GPT2 = {"vocab_size": 200, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}

GIVEN: dict[str, dict[str, Any]] = {
    **dict.fromkeys(
        ("bert", "roberta", "xlm-roberta", "electra", "camembert", "albert", "ernie", "convbert", "megatron-bert",
         "mpnet", "nystromformer", "layoutlm", "rembert", "roformer", "splinter", "data2vec-text", "deberta-v2",
         "roberta-prelayernorm", "xlm-roberta-xl", "visual_bert", "markuplm", "mobilebert"),
        TEXT,
    ),
    **dict.fromkeys(
        ("llama", "mistral", "qwen2", "qwen3", "gemma", "gemma2", "granite", "olmo", "olmo2", "cohere", "starcoder2",
         "glm", "helium", "smollm3", "stablelm", "phi3", "exaone4", "arcee", "seed_oss"),
        GROUPED,
    ),
    **dict.fromkeys(("phi", "gpt_neox", "persimmon", "biogpt", "opt", "falcon", "bloom"), TEXT),
    **dict.fromkeys(("vit", "deit", "beit", "dinov2", "vit_mae", "vit_msn", "ijepa"), IMAGE),
    **dict.fromkeys(("wav2vec2", "hubert", "data2vec-audio", "unispeech", "unispeech-sat"), SPEECH),
    **dict.fromkeys(("t5", "mt5", "umt5"), T5),
    **dict.fromkeys(("bart", "mbart", "pegasus", "marian", "blenderbot", "m2m_100", "plbart", "pegasus_x"), BART),
    **dict.fromkeys(("clip", "chinese_clip", "clipseg"), CLIP),
    "gpt2": GPT2,
    "gptj": {**GPT2, "rotary_dim": 8},
    "codegen": {**GPT2, "rotary_dim": 8},
    "gpt_bigcode": GPT2,
    "mixtral": {**GROUPED, "num_local_experts": 4},
    "qwen2_moe": {**EXPERTS, "num_experts": 4, "shared_expert_intermediate_size": 16},
    "qwen3_moe": {**EXPERTS, "num_experts": 4},
    "olmoe": {**GROUPED, "num_experts": 4, "num_experts_per_tok": 2},
    "distilbert": {
        "vocab_size": 200, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 64, "max_position_embeddings": 64,
    },
    "swin": {"image_size": 32, "patch_size": 4, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 2],
             "window_size": 4},
    "convnext": {"image_size": 32, "hidden_sizes": [8, 16], "depths": [1, 1], "num_stages": 2},
    "resnet": {"embedding_size": 8, "hidden_sizes": [16, 32], "depths": [1, 1]},
    "whisper": {
        **BART, "max_source_positions": 50, "max_target_positions": 64, "num_mel_bins": 16,
    },
    "perceiver": {
        "num_latents": 8, "d_latents": 32, "d_model": 32, "num_blocks": 1, "num_self_attends_per_block": 2,
        "num_self_attention_heads": 4, "num_cross_attention_heads": 4,
    },
    "llava": {
        "text_config": {"model_type": "llama", **GROUPED},
        "vision_config": {"model_type": "clip_vision_model", **IMAGE},
        "image_token_id": 150, "image_token_index": 150,
    },
    "qwen2_vl": {
        "text_config": {**TEXT, "num_key_value_heads": 2,
                        "rope_parameters": {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1e4}},
        "vision_config": {"depth": 2, "embed_dim": 32, "num_heads": 4, "hidden_size": 32, "patch_size": 8,
                          "mlp_ratio": 2},
        "image_token_id": 150, "video_token_id": 151, "vision_start_token_id": 152, "vision_end_token_id": 153,
    },
}  # fmt: skip
"""What each type's configuration is made with."""


def configuration(name: str) -> Any:
    """A small configuration of this type."""
    from transformers import CONFIG_MAPPING

    return CONFIG_MAPPING[name](**GIVEN[name])
