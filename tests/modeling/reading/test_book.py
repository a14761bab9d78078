"""The book against plain lists and counters, line by line, as lines are given back and taken again."""

from __future__ import annotations

import random
from collections import Counter

import numpy as np

from elue.modeling.reading.book import Book


def test_what_is_noted_of_a_batch_is_what_each_line_would_note_for_itself() -> None:
    draw, book = random.Random(0), Book()
    read: dict[int, list[int]] = {}
    ran: dict[int, list[tuple[str, tuple[int, ...]]]] = {}
    for _ in range(300):
        if draw.random() < 0.3:
            texts = [[draw.randrange(9) for _ in range(draw.randrange(0, 90))] for _ in range(draw.randrange(1, 30))]
            for line, ids in zip(book.open(texts).tolist(), texts, strict=True):
                assert book.ids[line, : len(ids)].tolist() == ids
                assert (book["turns"][line], book.were_read(line), book.steps(line)) == (0, [], {})
                read[line], ran[line] = [], []
        for line in [line for line in read if draw.random() < 0.05]:
            check(book, line, read.pop(line), ran.pop(line))
            book.close(line)
        some = [line for line in read if draw.random() < 0.7]
        if not some:
            continue
        lines, places = np.array(some), np.array([draw.randrange(90) for _ in some])
        book.read(lines, places)
        book.read(np.full(3, some[0]), np.arange(3))
        unit, shape = draw.choice(["cell", "policy"]), (1, draw.randrange(3))
        book.ran(lines, unit, shape)
        book["turns"][lines] += 1
        for line, place in zip(some, places.tolist(), strict=True):
            read[line].append(place)
            ran[line].append((unit, shape))
        read[some[0]] += [0, 1, 2]
    assert len(read) > 20
    for line, places_read in read.items():
        check(book, line, places_read, ran[line])


def check(book: Book, line: int, read: list[int], ran: list[tuple[str, tuple[int, ...]]]) -> None:
    assert book.were_read(line) == read
    assert list(book.steps(line).items()) == list(Counter(ran).items()), "in the order in which they first ran"
    assert book["turns"][line] == len(ran)


def test_lines_are_taken_again() -> None:
    book = Book()
    for _ in range(100):
        for line in book.open([[1, 2]] * 10).tolist():
            book.close(line)
    assert book.lines < 20
