"""Where clauses and sentences of a text begin, by its punctuation, for methods that jump there."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

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

    def place(self, word: int) -> int:
        """The place of a word, or -1 behind the last."""
        return self.words[word] if word < len(self.words) else -1


@dataclass(slots=True)
class Walk:
    """Where a reading is in its text: the number of its current word."""

    bounds: Bounds
    word: int = 0

    @classmethod
    def of(cls, ids: Sequence[int], marks: Sequence[int]) -> Walk:
        """A walk through a text, by the ids of `MARKS`."""
        return cls(bounds_of(ids, marks[: len(COMMAS)], marks[len(COMMAS) :]))

    def go(self, jump: int) -> int:
        """The place of the next word (0), of that after the next comma (1) or sentence end (2); -1 for the end (3)."""
        bounds = self.bounds
        self.word = (self.word + 1, bounds.comma[self.word], bounds.sentence[self.word], len(bounds.words))[jump]
        return bounds.place(self.word)


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
