"""Generated text, prompt and output apart, against what `model.generate` really runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch

from elue.meter import Meter
from elue.meter.models.building import build, choose_class, quiet
from elue.meter.models.cost import Question
from elue.meter.models.counting import count_configuration
from elue.meter.models.running import first_that_runs
from elue.meter.models.shapes import Lengths
from tests.meter.models.small import configuration

PROMPT, TOKENS = 9, 5


@pytest.mark.parametrize(
    "name", ["gpt2", "llama", "mixtral", "gemma2", "bloom", "opt", "t5", "bart", "whisper", "llava"]
)
def test_output_and_prompt_equal_what_generate_runs(tmp_path: Path, name: str) -> None:
    config = configuration(name)
    (tmp_path / "config.json").write_text(json.dumps(config.to_dict()))
    cost = count_configuration(Question(str(tmp_path), tokens=PROMPT, generate=TOKENS))

    with quiet():
        torch.manual_seed(0)
        model: Any = build(choose_class(config)[0], config, real=True)

        def run(inputs: dict[str, Any]) -> tuple[int, int]:
            inputs = {key: value for key, value in inputs.items() if key != "decoder_input_ids"}
            counts = []
            for tokens in (1, TOKENS):
                with Meter(track=False) as meter:
                    model.generate(**inputs, max_new_tokens=tokens, min_new_tokens=tokens, do_sample=False)
                counts.append(meter.matmul_flops)
            return counts[0], counts[1]

        prompt, everything = first_that_runs(model, Lengths(1, PROMPT, decoder_tokens=1), run, real=True).outcome
    assert cost.parts["prompt"].matmul_flops == prompt
    assert cost.parts["output"].matmul_flops == everything - prompt
    assert cost.complete


def test_one_token_is_made_by_the_prompt_alone(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(configuration("gpt2").to_dict()))
    cost = count_configuration(Question(str(tmp_path), tokens=PROMPT, generate=1))
    layers = 2 * (2 * PROMPT * 12 * 32 * 32 + 2 * 2 * PROMPT**2 * 32)
    assert cost.parts["prompt"].matmul_flops == layers + 2 * 32 * 200
    assert cost.parts["output"].flops == 0


def test_a_step_reads_the_cache(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps(configuration("gpt2").to_dict()))
    cost = count_configuration(Question(str(tmp_path), tokens=PROMPT, generate=3))
    cached = (PROMPT + 1) + (PROMPT + 2)
    assert cost.parts["output"].matmul_flops == 2 * (2 * (2 * 12 * 32 * 32 + 32 * 200) + 2 * 2 * cached * 32)
