"""Word vectors from files, in place of a backbone's word table.

A folder holds one `.npy` (words, width) and the words in its order, a column of a `.parquet` or the lines of a `.txt`;
or one text file, as a path by itself may be: a word and its numbers a line, as GloVe and word2vec write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elue.errors import ElueError
from elue.modeling.text import TextEncoder

STARTS = ("\u0120", "\u2581")
"""What some tokenizers put before a piece that begins a word."""
ARRAYS, TEXTS, TABLES = (".npy",), (".txt", ".vec"), (".parquet",)
HINT = "Give a folder with a .npy and its words (.parquet or .txt), or a text file with a word and its numbers a line."


def table_of(source: Path, text: TextEncoder) -> Tensor:
    """Vectors for the ids of a tokenizer, (vocabulary, width), in single precision; zeros where there is none.

    A piece in the middle of a word, such as `##ing`, has none. One known in small letters alone has that one.
    Raises ElueError for files of another form, or with no word that the tokenizer knows.
    """
    exact = words_of(text.tokenizer.get_vocab())
    small: dict[str, list[int]] = {}
    for word, place in exact.items():
        small.setdefault(word.lower(), []).append(place)
    known: dict[int, np.ndarray] = {}
    like: dict[int, np.ndarray] = {}
    for word, vector in vectors_of(source):
        if word in exact:
            known.setdefault(exact[word], vector)
        for place in small.get(word, ()):
            like.setdefault(place, vector)
    rows = {**like, **known}
    if not rows:
        raise ElueError("bad_words", f"'{source}' has no word that the backbone's tokenizer knows.", HINT)
    stacked = torch.from_numpy(np.stack(list(rows.values())).astype(np.float32))
    if not stacked.isfinite().all():
        raise ElueError("bad_words", f"'{source}' has vectors that are no finite numbers.", HINT)
    table = torch.zeros(text.tokenizer.get_vocab_size(), stacked.shape[1])
    table[torch.tensor(list(rows))] = stacked
    return table


def words_of(pieces: Mapping[str, int]) -> dict[str, int]:
    """Of a tokenizer's vocabulary the pieces that begin a word, as words, with their ids."""
    if any(piece.startswith(STARTS) for piece in pieces):
        return {piece[1:]: place for piece, place in pieces.items() if piece.startswith(STARTS)}
    return {piece: place for piece, place in pieces.items() if not piece.startswith("##")}


def vectors_of(source: Path) -> Iterator[tuple[str, np.ndarray]]:
    """The words of a folder or file, each with its vector (width,)."""
    files = sorted(source.iterdir()) if source.is_dir() else [source] if source.is_file() else []
    arrays, texts, tables = ([file for file in files if file.suffix in ends] for ends in (ARRAYS, TEXTS, TABLES))
    try:
        if len(arrays) == 1 and len(texts) + len(tables) == 1:
            words = _column(tables[0]) if tables else texts[0].read_text(encoding="utf-8").splitlines()
            yield from _rows(arrays[0], words)
            return
        if len(texts) == 1 and not arrays:
            yield from _lines(texts[0])
            return
    except (OSError, ValueError) as error:
        told = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ElueError("bad_words", f"The word vectors in '{source}' can't be read: {told}.", HINT) from error
    raise ElueError("bad_words", f"'{source}' holds no word vectors.", HINT)


def _rows(file: Path, words: Sequence[str]) -> Iterator[tuple[str, np.ndarray]]:
    vectors: Any = np.load(file, mmap_mode="r", allow_pickle=False)
    if vectors.ndim != 2 or len(vectors) != len(words):
        raise ValueError(f"an array of shape {vectors.shape} for {len(words)} words")
    yield from zip(words, vectors, strict=True)


def _column(file: Path) -> list[str]:
    import pyarrow.parquet
    import pyarrow.types

    table = pyarrow.parquet.read_table(file)
    for field in table.schema:
        if pyarrow.types.is_string(field.type) or pyarrow.types.is_large_string(field.type):
            return [str(word) for word in table.column(field.name).to_pylist()]
    raise ValueError("no column of words")


def _lines(file: Path) -> Iterator[tuple[str, np.ndarray]]:
    """A first line of two numbers, as word2vec has it, is passed over; of a word with spaces the numbers come last."""
    with file.open(encoding="utf-8") as lines:
        given: Iterator[list[str]] = (line.split() for line in lines if line.strip())
        first = next(given, [])
        given = given if len(first) == 2 else chain([first], given)
        width = 0
        for parts in given:
            width = width or len(parts) - 1
            if len(parts) <= width:
                raise ValueError(f"a line of {len(parts)} parts, where others have {width} numbers")
            yield " ".join(parts[:-width]), np.array(parts[-width:], dtype=np.float32)
