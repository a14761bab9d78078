"""Every type of configuration transformers has: counted, or refused in one line."""

from __future__ import annotations

import pytest

from tests.meter.models.every_type import NO_DEFAULT, outcome, types

pytestmark = pytest.mark.slow

SHARE = 0.7
"""Of all types, those counted at least: defaults of others contradict themselves, or they are parts of models."""


def test_every_type_is_counted_or_refused_in_one_line() -> None:
    ended = {name: outcome(name) for name in types()}
    assert not [name for name, (_, said) in ended.items() if "\n" in said]
    sound = {name: how for name, (how, said) in ended.items() if NO_DEFAULT not in said}
    assert sum(how != "refused" for how in sound.values()) >= SHARE * len(sound)


@pytest.mark.parametrize(
    "name",
    [
        "deepseek_vl", "colpali", "colqwen2", "depth_pro", "deepseek_v4", "decision_transformer", "blip_2_qformer",
        "instructblip", "instructblipvideo", "kosmos-2", "idefics", "bridgetower_vision_model", "gemma4_vision",
        "kyutai_speech_to_text", "dia", "granite_speech5_ctc", "granite_speech_encoder", "gemma4_audio",
        "gemma3n_audio", "fun_asr_nano_encoder", "minicpmv4_6_vision", "qwen2_5_omni_audio_encoder", "rf_detr",
        "seggpt", "tvp", "clvp", "bamba", "led", "vjepa2", "timesfm", "musicgen_decoder", "granitemoehybrid",
    ],
)  # fmt: skip
def test_what_a_type_takes_it_gets(name: str) -> None:
    """Images through a model inside, patches by sample, sizes that scaled copies ask for, an agent's steps."""
    how, said = outcome(name)
    assert how == "complete", said
    assert "without" not in said
