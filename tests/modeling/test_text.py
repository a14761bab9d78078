"""Encoding at natural length, pairs, truncation and padding."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import Whitespace

from elue.modeling.backbone import learn_wordpiece
from elue.modeling.text import Encoded, TextEncoder, pad_batch
from elue.protocol import Sample

TEXTS = ["the red door", "a blue hill in the rain", "bread and paper"] * 2


def encoder(max_length: int = 20) -> TextEncoder:
    return TextEncoder(learn_wordpiece(TEXTS, 200), max_length)


def words(text: TextEncoder, ids: list[int]) -> list[str]:
    return [text.tokenizer.id_to_token(one) for one in ids]


def test_a_text_is_framed_and_lower_cased_at_its_natural_length():
    text = encoder()
    assert words(text, text.encode(Sample("a", "The RED door")).ids) == ["[CLS]", "the", "red", "door", "[SEP]"]


def test_a_pair_is_told_apart_by_segments():
    text = encoder()
    encoded = text.encode(Sample("a", "red door", "blue hill"))
    assert words(text, encoded.ids) == ["[CLS]", "red", "door", "[SEP]", "blue", "hill", "[SEP]"]
    assert encoded.segments == [0, 0, 0, 0, 1, 1, 1]


def test_segments_are_left_out_where_all_are_0():
    text = encoder()
    ids, segments = text.tensors(Sample("a", "red door"))
    assert ids.shape == (1, 4)
    assert segments is None
    assert text.tensors(Sample("a", "red", "door"))[1] is not None


def test_too_long_inputs_lose_their_end_and_of_a_pair_the_longer_text_gives_way():
    text = encoder(max_length=7)
    assert len(text.encode(Sample("a", "the red door " * 9)).ids) == 7
    pair = words(text, text.encode(Sample("a", "the red door " * 9, "blue hill")).ids)
    assert pair[-3:] == ["blue", "hill", "[SEP]"]
    assert len(pair) == 7


def test_the_tokenizer_given_is_not_changed_and_its_padding_not_used():
    tokenizer = learn_wordpiece(TEXTS, 200)
    tokenizer.enable_padding(length=30)
    assert len(TextEncoder(tokenizer, 20).encode(Sample("a", "red")).ids) == 3
    assert len(tokenizer.encode("red").ids) == 30


def test_encode_all_equals_encode_one_by_one():
    text = encoder()
    samples = [Sample("a", "red door"), Sample("b", "the hill", "rain"), Sample("c", "paper")]
    assert text.encode_all(samples) == [text.encode(sample) for sample in samples]


def test_a_saved_tokenizer_encodes_the_same(tmp_path: Path):
    text, sample = encoder(), Sample("a", "the red door", "in rain")
    text.save(tmp_path)
    assert TextEncoder.from_folder(tmp_path, 20, 0).encode(sample) == text.encode(sample)


def test_a_batch_is_padded_to_its_longest():
    batch = pad_batch([Encoded([5, 6, 7], [0, 0, 1]), Encoded([8], [0])], pad=3)
    assert batch["ids"].tolist() == [[5, 6, 7], [8, 3, 3]]
    assert batch["segments"].tolist() == [[0, 0, 1], [0, 0, 0]]
    assert torch.equal(batch["mask"], torch.tensor([[True, True, True], [True, False, False]]))


@pytest.mark.parametrize("pair", [None, "a short one", "long"])
@pytest.mark.parametrize("length", [24, 25])
def test_a_book_is_cut_first_and_encoded_as_if_it_were_not(length: int, pair: str | None) -> None:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "one": 1, "two": 2, "three": 3}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    text = TextEncoder(tokenizer, length)
    words = ["one", "two", "three", "one-two", "   ", "x" * 900]
    books = [" ".join(random.Random(seed).choices(words, k=4000)) for seed in range(4)]
    books += ["x" * 50_000, " " * 50_000 + "one", "one" + "\n" * 50_000 + "two"]
    samples = [Sample(str(number), book, books[0] if pair == "long" else pair) for number, book in enumerate(books)]
    whole = [text.tokenizer.encode(sample.text, sample.pair).ids for sample in samples]
    assert [text.encode(sample).ids for sample in samples] == whole
    assert [encoded.ids for encoded in text.encode_all([Sample("s", "one two"), *samples])] == [[1, 2], *whole]


def test_of_a_book_little_is_read() -> None:
    tokenizer = Tokenizer(WordLevel({"[UNK]": 0, "one": 1}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = Whitespace()
    text = TextEncoder(tokenizer, 16)
    assert len(text._beginning("one " * 400_000)) < 1000
