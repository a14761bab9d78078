"""Backbones: the tiny one, a pretrained folder, and what can be wrong with one."""

from __future__ import annotations

import hashlib
import json
import random
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AlbertConfig, AlbertModel, BertModel

from elue.errors import ElueError
from elue.modeling.backbone import SPECIAL_TOKENS, learn_wordpiece, load_backbone
from elue.modeling.options import TrainingOptions, parse_options
from elue.protocol import Example, Sample
from tests import small


def options(job, **changes) -> TrainingOptions:
    given = {} if job.backbone != "tiny" else job.options
    return replace(parse_options(TrainingOptions, replace(job, options=given)), **changes)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A pretrained encoder as transformers saves it, under a path that must not be told."""
    return small.bert(tmp_path / "secret" / "little-bert")


def test_the_tiny_backbone_has_the_size_asked_for_and_the_tasks_own_words(tmp_path: Path):
    job = small.job(tmp_path)
    encoder, text, origin = load_backbone(job, options(job, tiny_layers=2))
    assert (encoder.config.layers, encoder.config.hidden) == (2, 16)
    assert "[UNK]" not in text.tokenizer.encode("orange paper").tokens
    assert text.tokenizer.get_vocab_size() == encoder.config.vocabulary
    assert origin["name"] == "tiny"


def test_the_tiny_backbone_learns_from_both_texts_of_a_pair(tmp_path: Path):
    pairs = [Example(Sample("a", "red door", "unseen words"), 1.0)] * 2
    job = replace(small.job(tmp_path), train=pairs)
    _, text, _ = load_backbone(job, options(job))
    assert "[UNK]" not in text.tokenizer.encode("red unseen").tokens


def test_of_the_same_texts_the_same_word_pieces_are_learned_each_time():
    draw = random.Random(0)
    texts = [" ".join("".join(draw.choices("abcdefg", k=draw.randint(2, 7))) for _ in range(8)) for _ in range(100)]
    first, *others = [learn_wordpiece(texts, 200) for _ in range(6)]
    assert {tokenizer.to_str() for tokenizer in others} == {first.to_str()}
    assert [first.id_to_token(number) for number in range(19)] == [
        *SPECIAL_TOKENS,
        *("##" + x for x in "abcdefg"),
        *"abcdefg",
    ]
    assert sorted(first.get_vocab().values()) == list(range(200))
    assert set(first.get_added_tokens_decoder()) == {0, 1, 2, 3, 4}, "letters are no special tokens"
    assert "[UNK]" not in first.encode(" ".join(texts)).tokens


def test_the_seed_decides_the_tiny_backbone_and_what_is_drawn_after_it(tmp_path: Path):
    job = small.job(tmp_path)
    first, drawn = load_backbone(job, options(job))[2], torch.rand(1)
    assert load_backbone(job, options(job))[2] == first
    assert torch.rand(1) == drawn
    other = replace(job, seed=1)
    assert load_backbone(other, options(other))[2]["digest"] != first["digest"]


@torch.no_grad()
def test_layers_of_the_tiny_backbone_start_as_the_identity(tmp_path: Path):
    job = small.job(tmp_path)
    encoder, text, _ = load_backbone(job, options(job))
    ids, _ = text.tensors(job.train[0].sample)
    for state in encoder.eval()(ids):
        torch.testing.assert_close(state, encoder.embed(ids), atol=1e-5, rtol=1e-5)


def test_a_pretrained_folder_is_loaded_and_named_without_its_path(tmp_path: Path, folder: Path):
    job = replace(small.job(tmp_path), backbone=str(folder))
    encoder, text, origin = load_backbone(job, options(job, max_length=500))
    assert (len(encoder.layers), text.max_length, text.pad) == (2, 24, 0)
    assert len(text.encode(Sample("a", "red")).ids) == 3
    digest = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    assert origin == {"name": "little-bert", "digest": digest}


@pytest.mark.parametrize(
    ("stored", "name"),
    [("owner/little-bert", "owner/little-bert"), ("/home/me/little", "little-bert"), ("../me/little", "little-bert")],
)
def test_a_hub_id_that_the_config_knows_is_the_name(tmp_path: Path, folder: Path, stored: str, name: str):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "_name_or_path": stored}))
    job = replace(small.job(tmp_path), backbone=str(folder))
    assert load_backbone(job, options(job))[2]["name"] == name


def test_a_backbone_that_is_not_there_is_one_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    job = replace(small.job(tmp_path), backbone=str(tmp_path / "nowhere"))
    with pytest.raises(ElueError, match="nowhere") as caught:
        load_backbone(job, options(job))
    assert caught.value.code == "backbone_not_found"
    assert "\n" not in str(caught.value)


def test_another_architecture_is_refused(tmp_path: Path, folder: Path):
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "gpt2"}))
    job = replace(small.job(tmp_path), backbone=str(folder))
    with pytest.raises(ElueError) as caught:
        load_backbone(job, options(job))
    assert caught.value.code == "unknown_architecture"


@torch.no_grad()
@pytest.mark.parametrize("prefix", ["", "elasticbert."])
@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_elasticbert_is_loaded_by_its_own_names(tmp_path: Path, folder: Path, prefix: str, file: str):
    reference = BertModel.from_pretrained(folder).eval()
    values = json.loads((folder / "config.json").read_text())
    extra = {"model_type": "elasticbert", "num_output_layers": 2, "max_output_layers": 12}
    (folder / "config.json").write_text(json.dumps({**values, **extra}))
    state = {name: tensor for name, tensor in reference.state_dict().items() if not name.startswith("pooler")}
    state |= {f"encoder.pooler.{exit}.dense.{part}": torch.ones(16) for exit in range(2) for part in ("weight", "bias")}
    state = {prefix + name: tensor.clone() for name, tensor in state.items()}
    (folder / "model.safetensors").unlink()
    if file == "model.safetensors":
        save_file(state, folder / file)
    else:
        torch.save(state, folder / file)
    job = replace(small.job(tmp_path), backbone=str(folder))
    encoder, text, _ = load_backbone(job, options(job))
    ids, _ = text.tensors(job.train[0].sample)
    expected = reference(input_ids=ids, output_hidden_states=True).hidden_states[1:]
    for ours, theirs in zip(encoder.eval()(ids), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_albert_is_loaded_with_shared_layers(tmp_path: Path, folder: Path):
    shape = {"vocab_size": 99, "hidden_size": 16, "num_hidden_layers": 3, "num_attention_heads": 2}
    config = AlbertConfig(**shape, embedding_size=8, intermediate_size=32, max_position_embeddings=24)
    reference = AlbertModel(config).eval()
    reference.save_pretrained(folder)
    job = replace(small.job(tmp_path), backbone=str(folder))
    encoder, text, _ = load_backbone(job, options(job))
    ids, _ = text.tensors(job.train[0].sample)
    expected = reference(input_ids=ids, output_hidden_states=True).hidden_states[1:]
    for ours, theirs in zip(encoder.eval()(ids), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-5)


def test_weights_that_the_file_lacks_are_not_made_up(tmp_path: Path, folder: Path):
    state = load_file(folder / "model.safetensors")
    save_file({name: tensor for name, tensor in state.items() if "layer.1." not in name}, folder / "model.safetensors")
    job = replace(small.job(tmp_path), backbone=str(folder))
    with pytest.raises(ElueError, match="layers") as caught:
        load_backbone(job, options(job))
    assert caught.value.code == "bad_weights"
