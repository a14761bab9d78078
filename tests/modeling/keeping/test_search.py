"""The search among lists of lengths: its starts, its offspring, what is in front, and what is offered."""

from __future__ import annotations

import itertools
import random
from collections.abc import Callable, Mapping, Sequence

import pytest

from elue.errors import ElueError
from elue.modeling.keeping.lengths import Lengths, least, of_shares, of_tokens, parse_lengths, text_of
from elue.modeling.keeping.search import Search, Worth, chosen, crossed, front, mutated, starts

SMALLEST = (80, 64, 52, 42)
FULL = (100,) * 4


def test_starts_shorten_evenly_between_the_ends() -> None:
    lists = starts(SMALLEST)
    assert lists[:2] == [FULL, SMALLEST]
    sums = [sum(lengths) for lengths in lists[2:]]
    assert sums == sorted(sums)
    assert max(high - low for low, high in itertools.pairwise(sums)) <= 10
    for lengths in lists[2:]:
        ratios = [later / earlier for earlier, later in zip((100, *lengths), lengths, strict=False)]
        assert max(ratios) - min(ratios) < 0.02


def test_offspring_are_lists_between_their_bounds() -> None:
    draw = random.Random(0)
    for _ in range(300):
        child = mutated((95, 70, 70, 50), SMALLEST, draw)
        assert list(child) == sorted(child, reverse=True)
        assert child[-1] >= 42
        assert child[0] <= 100
    assert crossed((100, 81, 60, 41), (90, 80, 51, 40)) == (95, 81, 56, 41)


def test_what_is_in_front_is_better_than_all_that_is_cheaper() -> None:
    known: dict[Lengths, Worth] = {(4,): (4.0, 70.0), (3,): (3.0, 71.0), (2,): (2.0, 71.0), (1,): (1.0, 60.0)}
    assert front(known) == [(1,), (2,)]
    assert front({}) == []


@pytest.mark.parametrize("seed", [0, 1])
def test_a_search_finds_where_to_drop_and_goes_on_from_its_rounds(seed: int) -> None:
    """Where the score asks for the first two layers alone, what others keep is dropped; twice the same is found."""
    kept: dict[str, Mapping[str, Worth]] = {}
    told: list[str] = []

    def tell(name: str, lists: Callable[[], Sequence[Lengths]]) -> Mapping[str, Worth]:
        if name not in kept:
            told.append(name)
            kept[name] = {
                text_of(lengths): (float(sum(lengths)), float(lengths[0] + lengths[1])) for lengths in lists()
            }
        return kept[name]

    search = Search(SMALLEST, 6, 12, 12, seed, tell)
    known = search.run()
    assert told == [f"search-{number}" for number in range(7)]
    late = [lengths for lengths in front(known) if lengths[1] >= 90]
    assert min(lengths[3] for lengths in late) < 70, "evenly shortened lists have three quarters there"
    assert search.run() == known
    assert len(told) == 7
    ends = (SMALLEST, FULL)
    offered = chosen(known, ends, 8)
    costs = [known[lengths][0] for lengths in offered]
    assert (offered[0], offered[-1]) == ends
    assert costs == sorted(costs)
    assert max(high - low for low, high in itertools.pairwise(costs)) <= 0.15 * (costs[-1] - costs[0])


def test_lists_have_a_text() -> None:
    assert parse_lengths("all-40-40-1", 4, shares=False)[1:] == (40, 40, 1)
    assert text_of(parse_lengths("all-40-40-1", 4, shares=False)) == "all-40-40-1"
    assert parse_lengths("100-80-80-1", 4, shares=True) == (100, 80, 80, 1)
    for text, shares in (
        ("all-1", True),
        ("101-1", True),
        ("1-2", False),
        ("-1-1", False),
        ("1.5-1", False),
        ("٣-١", True),
    ):
        with pytest.raises(ElueError, match="lengths can't be"):
            parse_lengths(text, 2, shares)


def test_budgets() -> None:
    assert [of_tokens(5, tokens) for tokens in (1, 4, 5, 9)] == [1, 4, 5, 5]
    assert [of_shares(64, tokens) for tokens in (1, 2, 10, 25, 100)] == [1, 2, 7, 16, 64]
    assert of_shares(1, 40) == 1
    assert [least(length, 0.8) for length in (10, 100, 1, 5)] == [8, 80, 1, 4]
