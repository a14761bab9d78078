"""Where clauses and sentences of a text begin, by its punctuation, for methods that jump there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np

from elue.modeling.reading.book import Book, Numbers
from elue.modeling.text import TextEncoder

COMMAS, ENDS = (",",), (".", "!", "?")
MARKS = COMMAS + ENDS


@dataclass(frozen=True, slots=True)
class Bounds:
    """The places of a text's `words`, and for each word, by number, the word after the next comma and sentence end.

    Where no comma comes before the end of the sentence, that is the next sentence. Behind the last word there is one
    that isn't there.
    """

    words: Sequence[int]
    comma: Sequence[int]
    sentence: Sequence[int]


def survey(book: Book, line: int, ids: Sequence[int], marks: Sequence[int]) -> None:
    """Keep a text's bounds, by the ids of `MARKS`, on its line of a book, for `walk`."""
    bounds = bounds_of(ids, marks[: len(COMMAS)], marks[len(COMMAS) :])
    book.keep("words", line, [*bounds.words, -1])
    book.keep("comma", line, bounds.comma)
    book.keep("sentence", line, bounds.sentence)
    book["last"][line] = len(bounds.words)


def walk(book: Book, lines: Numbers, jumps: Numbers) -> Numbers:
    """The places, (lines,), of the next words (0), of those after the next comma (1) or sentence end (2); -1 for none.

    Where one goes to the end (3) there is none, either. The column "word" has the number of the current word.
    """
    words = book["word"][lines]
    targets = (
        words + 1,
        book.tables["comma"][lines, words],
        book.tables["sentence"][lines, words],
        book["last"][lines],
    )
    book["word"][lines] = next_words = np.choose(jumps, targets)
    places: Numbers = book.tables["words"][lines, next_words]
    return places


def bounds_of(ids: Sequence[int], commas: Collection[int], ends: Collection[int]) -> Bounds:
    """The bounds of a text by the ids of its marks, which are no words. Its first token is one in any case."""
    words = [place for place, token in enumerate(ids) if place == 0 or token not in (*commas, *ends)]
    number = after_comma = after_sentence = len(words)
    comma, sentence = [0] * len(words), [0] * len(words)
    for place in range(len(ids) - 1, -1, -1):
        if place and ids[place] in ends:
            after_comma = after_sentence = number
        elif place and ids[place] in commas:
            after_comma = number
        else:
            number -= 1
            comma[number], sentence[number] = after_comma, after_sentence
    return Bounds(words, comma, sentence)


def pieces(ids: Sequence[int], marks: Collection[int], longest: int) -> list[tuple[int, int]]:
    """A text cut after each mark, or after so many tokens without one: spans from one place up to another."""
    cuts, start = list[tuple[int, int]](), 0
    for place, token in enumerate(ids, start=1):
        if token in marks or place - start == longest or place == len(ids):
            cuts.append((start, place))
            start = place
    return cuts


def marks_of(text: TextEncoder) -> list[int]:
    """The ids of `MARKS`; -1, which no token has, for those that a tokenizer does not know."""
    ids = [text.tokenizer.token_to_id(mark) for mark in MARKS]
    return [-1 if token is None else int(token) for token in ids]
