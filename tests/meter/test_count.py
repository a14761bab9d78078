"""Counting a model folder, against the closed form."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from transformers import BertConfig

from elue.errors import ElueError
from elue.meter import profile
from elue.meter.described import count_model


@pytest.fixture
def folder(tmp_path: Path) -> str:
    BertConfig(
        vocab_size=50, hidden_size=16, num_hidden_layers=2, num_attention_heads=4, intermediate_size=32,
        max_position_embeddings=20,
    ).save_pretrained(tmp_path)  # fmt: skip
    return str(tmp_path)


def test_counting_a_folder_equals_the_closed_form(folder: str) -> None:
    count = count_model(folder, tokens=7, by_module=True)
    assert count.matmul_flops == 2 * (2 * (7 * (4 * 256 + 2 * 16 * 32) + 2 * 49 * 16) + 256)
    assert count.complete
    assert count.params_touched < count.params_total
    assert count.profile_digest == profile.load("elue-1").digest
    assert count.modules is not None
    assert count.modules.flops == count.flops
    read = json.loads(count.as_json())
    assert read["flops"] == sum(flops for _, flops in read["ops"].values())
    assert count_model(f"{folder}/config.json", tokens=7).flops == count.flops


@pytest.mark.parametrize(
    ("name", "tokens", "code"), [("", 0, "bad_length"), ("", 21, "bad_length"), ("no", 7, "unreadable_model")]
)
def test_what_cannot_be_counted_says_so(folder: str, name: str, tokens: int, code: str) -> None:
    with pytest.raises(ElueError) as caught:
        count_model(f"{folder}/{name}" if name else folder, tokens=tokens)
    assert caught.value.code == code
