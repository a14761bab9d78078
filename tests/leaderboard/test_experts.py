"""How tokens spread over experts, and which words they get, in cases worked out by hand."""

from __future__ import annotations

import pytest

from elue.leaderboard.experts import RARE, Use, spread_of, words_of
from elue.record.schema import Explained


def told(tokens: tuple[str, ...], **experts: tuple[int, ...]) -> Explained:
    layers = {name[1:].replace("_", "."): chosen for name, chosen in experts.items()}
    return Explained(id="1", tokens=tokens, kept=(), exits=(), experts=layers, stage=None)


def test_load_pairs_and_calls_by_hand():
    """Ten tokens: in the second layer two experts, one of which half the samples ask; in the fourth layer one."""
    uses = [
        Use("router", (2, 0), 10.0, 1.0),
        Use("expert", (2, 1), 6.0, 1.0),
        Use("expert", (2, 3), 3.0, 0.5),
        Use("combine", (2, 0), 10.0, 1.0),
        Use("expert", (4, 1), 10.0, 1.0),
        Use("combine", (4, 0), 10.0, 1.0),
    ]
    spread = spread_of(uses)
    assert spread is not None
    assert spread.load == {(2, 1): pytest.approx(2 / 3), (2, 3): pytest.approx(1 / 3), (4, 1): 1.0}
    assert spread.per_token == pytest.approx((0.9 + 1.0) / 2)
    assert spread.per_call == pytest.approx(19 / 2.5)


def test_layers_in_which_all_pass_by_count_as_none():
    uses = [Use("expert", (2, 1), 5.0, 1.0), Use("combine", (2, 0), 5.0, 1.0), Use("combine", (4, 0), 5.0, 1.0)]
    spread = spread_of(uses)
    assert spread is not None
    assert spread.per_token == 0.5


def test_models_without_experts_have_no_spread():
    assert spread_of([Use("attention", (1, 0), 5.0, 1.0), Use("combine", (2, 0), 5.0, 1.0)]) is None
    assert spread_of([]) is None


def test_words_that_an_expert_gets_more_of_than_of_others():
    """The first has eleven of 22 tokens: of `a` no more than of all; `no` is too rare."""
    sample = told(("red", "a", "a", "blue"), x2=(0, 0, 1, 1))
    words = words_of([sample] * RARE + [told(("no", "blue"), x2=(0, -1))])
    first, second = words[2, 1], words[2, 2]
    assert [(word.text, word.share, word.count) for word in first] == [("red", 1.0, RARE)]
    assert [word.text for word in second] == ["blue", "a"]
    assert second[0].share == pytest.approx(RARE / (RARE + 1))


def test_second_choices_count_too_and_names_that_are_none_do_not():
    tokens = ("x", "y")
    words = words_of([told(tokens, x3=(0, 1), x3_2=(1, -1), xrouter=(1, 1), x5=(0,))] * RARE)
    assert {place: [word.text for word in told] for place, told in words.items()} == {(3, 1): ["x"], (3, 2): []}


@pytest.mark.parametrize("experts", [{}, {"x2": (-1, -1)}])
def test_nothing_is_said_of_no_experts(experts: dict[str, tuple[int, ...]]):
    assert not any(words_of([told(("x", "y"), **experts)] * RARE).values())
