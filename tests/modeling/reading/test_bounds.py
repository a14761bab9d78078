"""Bounds of clauses and sentences by hand, and walks along them."""

from __future__ import annotations

import numpy as np

from elue.modeling.backbone import learn_wordpiece
from elue.modeling.reading.book import Book
from elue.modeling.reading.bounds import MARKS, bounds_of, marks_of, pieces, survey, walk
from elue.modeling.text import TextEncoder

COMMA, STOP = 90, 91


def test_where_clauses_and_sentences_begin() -> None:
    """a b , c d . e: from each word to the one after the next comma of its sentence, and to the next sentence."""
    bounds = bounds_of([1, 2, COMMA, 3, 4, STOP, 5], [COMMA], [STOP])
    assert bounds.words == [0, 1, 3, 4, 6]
    assert [target - word for word, target in enumerate(bounds.comma)] == [2, 1, 2, 1, 1]
    assert [target - word for word, target in enumerate(bounds.sentence)] == [4, 3, 2, 1, 1]


def test_walks_step_over_marks_and_end_behind_the_last_word() -> None:
    ids, marks = [1, 2, COMMA, 3, 4, STOP, 5, STOP], [COMMA, STOP, -1, -1]
    book = Book()
    lines = book.open([ids] * 5)
    for line in lines.tolist():
        survey(book, line, ids, marks)
    assert walk(book, lines[:4], np.arange(4)).tolist() == [1, 3, 6, -1]
    assert [walk(book, lines[4:], np.array([jump])).item() for jump in (0, 0, 0, 1)] == [1, 3, 4, 6]
    assert walk(book, lines[4:], np.array([0])).item() == -1


def test_the_first_token_is_a_word_and_marks_in_a_row_are_one_bound() -> None:
    bounds = bounds_of([STOP, STOP, COMMA, 5, 6], [COMMA], [STOP])
    assert (bounds.words, bounds.comma, bounds.sentence) == ([0, 3, 4], [1, 3, 3], [1, 3, 3])


def test_ids_of_marks_are_the_tokenizers() -> None:
    text = TextEncoder(learn_wordpiece(["a b , c . d !"] * 3, 60), 20)
    ids = marks_of(text)
    assert [text.tokenizer.id_to_token(token) for token in ids[:3]] == list(MARKS[:3])
    assert ids[3] == -1


def test_texts_are_cut_after_marks_and_after_so_many_tokens() -> None:
    assert pieces([1, 2, COMMA, 3, 4, 5, 6, STOP, STOP, 7], [COMMA, STOP, -1, -1], 4) == [
        (0, 3),
        (3, 7),
        (7, 8),
        (8, 9),
        (9, 10),
    ]
    assert pieces([], [COMMA], 4) == []
