"""Word vectors from files of all forms, and a reader that is trained on them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow
import pyarrow.parquet
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import BPE

from elue.errors import ElueError
from elue.meter import Meter
from elue.modeling.backbone import learn_wordpiece
from elue.modeling.reading.words import table_of, vectors_of, words_of
from elue.modeling.text import TextEncoder
from elue.plugins.skimming.skimrnn import SkimRnn
from tests import small

WORDS = ["the", "red", "Blue", "new york"]
VECTORS = np.arange(12, dtype=np.float32).reshape(4, 3)
LINES = [f"{word} {' '.join(str(float(number)) for number in row)}" for word, row in zip(WORDS, VECTORS, strict=True)]


def array_and_parquet(folder: Path) -> Path:
    np.save(folder / "emb.npy", VECTORS)
    pyarrow.parquet.write_table(pyarrow.table({"n": [1, 2, 3, 4], "index": WORDS}), folder / "words.parquet")
    return folder


def array_and_lines(folder: Path) -> Path:
    np.save(folder / "emb.npy", VECTORS)
    (folder / "words.txt").write_text("\n".join(WORDS))
    return folder


def glove(folder: Path) -> Path:
    (folder / "vectors.txt").write_text("\n".join(LINES) + "\n")
    return folder / "vectors.txt"


def word2vec(folder: Path) -> Path:
    (folder / "vectors.vec").write_text("\n".join(["4 3", *LINES]))
    return folder


@pytest.mark.parametrize("form", [array_and_parquet, array_and_lines, glove, word2vec], ids=lambda form: form.__name__)
def test_all_usual_forms_give_the_same_words_and_vectors(form: object, tmp_path: Path) -> None:
    read = list(vectors_of(form(tmp_path)))  # type: ignore[operator]
    assert [word for word, _ in read] == WORDS
    assert np.array_equal(np.stack([vector for _, vector in read]), VECTORS)


def test_pieces_that_begin_words_have_vectors_and_others_zeros(tmp_path: Path) -> None:
    text = TextEncoder(learn_wordpiece(["the red red blue bluest"] * 3, 60), 40)
    table, pieces = table_of(glove(tmp_path), text), text.tokenizer.get_vocab()
    assert table.shape == (text.tokenizer.get_vocab_size(), 3)
    assert table[pieces["red"]].tolist() == [3, 4, 5]
    assert "##s" in pieces
    assert not table[[place for piece, place in pieces.items() if piece not in ("the", "red")]].any()


def test_a_word_in_capitals_has_the_vector_of_small_letters_unless_it_has_its_own(tmp_path: Path) -> None:
    text = TextEncoder(Tokenizer(BPE({"\u0120The": 0, "\u0120Blue": 1, "red": 2}, [])), 40)
    assert words_of(text.tokenizer.get_vocab()) == {"The": 0, "Blue": 1}
    assert table_of(glove(tmp_path), text).tolist() == [[0, 1, 2], [6, 7, 8], [0, 0, 0]]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ({}, "holds no word vectors"),
        ({"a.txt": "red 1 2\nblue 1\n"}, "a line of 2 parts, where others have 2 numbers"),
        ({"a.txt": "red 1 x\n"}, "could not convert"),
        ({"a.txt": "red 1 nan\n"}, "no finite numbers"),
        ({"a.txt": "unheard 1 2\n"}, "no word that the backbone's tokenizer knows"),
    ],
)
def test_other_files_are_refused_in_a_line(files: dict[str, str], told: str, tmp_path: Path) -> None:
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    with pytest.raises(ElueError, match=told) as caught:
        table_of(tmp_path, TextEncoder(learn_wordpiece(["the red red blue"] * 3, 60), 40))
    assert caught.value.code == "bad_words"


def test_a_reader_learns_on_them_and_answers_without_the_files(tmp_path: Path) -> None:
    """Its cells are as wide as the vectors, and looking them up is free: it costs a row's bytes."""
    words = sorted({word for example in small.examples(96) for word in example.sample.text.split()})
    draw = np.random.default_rng(0)
    file = tmp_path / "vectors.txt"
    file.write_text("".join(f"{word} {' '.join(map(str, draw.normal(size=5)))}\n" for word in words))
    job = small.job(tmp_path / "weights", size="12", small="4", words=str(file), **small.READER)
    SkimRnn().train(job)
    file.unlink()
    model = SkimRnn().load(job.task, tmp_path / "weights", 0)
    assert model.network.words.embedding_dim == model.network.cell.width == 5
    answers = model.predict([example.sample for example in job.validation])
    assert len({answer.scores for answer in answers}) > 5
    with Meter(traffic=True) as meter, torch.inference_mode():
        model.rehearse("embed", (7, 7))
    assert meter.flops == 0
