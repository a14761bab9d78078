"""Numbers, points and file names."""

from __future__ import annotations

import re

import pytest

from elue.leaderboard import text


@pytest.mark.parametrize(
    ("values", "written"),
    [
        ([354.3e6, 4237.6e6], ["354.3", "4,237.6"]),
        ([5.31e6, 40.1e6], ["5.31", "40.10"]),
        ([37.9e9, 1.2e9], ["37.90", "1.20"]),
        ([9e6], ["9.00"]),
        ([4.9e6, 250.0], ["4,900.0", "0.2"]),
        ([12.0, 7.0], ["12", "7"]),
        ([0.0], ["0"]),
    ],
)
def test_a_column_shares_one_unit(values, written):
    unit = text.unit_for(values)
    assert [unit.write(value) for value in values] == written


def test_no_values_have_a_unit_too():
    assert text.unit_for([]).write(3.0) == "3"


@pytest.mark.parametrize(
    ("value", "written"),
    [(354.3e6, "354.3 MFLOPs"), (2.3e9, "2.300 GFLOPs"), (999.0, "999 FLOPs"), (0.0, "0 FLOPs"), (5e15, "5000 TFLOPs")],
)
def test_a_number_alone_carries_its_unit(value, written):
    assert text.with_unit(value, "FLOPs") == written


def test_scores_have_two_decimals_and_no_negative_zero():
    assert [text.score_text(value) for value in (84.204, -0.001, -3.456)] == ["84.20", "0.00", "-3.46"]


NAMES = [
    "ltp",
    "LTP",
    "Ltp",
    "a b",
    "a-b",
    "a/b",
    "../x",
    "",
    ".",
    "con",
    "x" * 200,
    "x" * 199,
    "模型",
    "نموذج",
    "é",
    "e",
]
NAMES += ["a\x00b", "<b>", "a-0123456789", "index.html", "a\ud800"]


def test_every_name_has_a_file_name_of_its_own():
    slugs = [text.slug(name) for name in NAMES]
    assert len({slug.casefold() for slug in slugs}) == len(NAMES)
    assert all(re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", slug) for slug in slugs)
    assert text.slug("ltp") == "ltp"


def test_a_name_cannot_pose_as_the_file_name_of_another():
    assert text.slug(text.slug("LTP")) != text.slug("LTP")


@pytest.mark.parametrize(
    ("written", "address"),
    [
        ("Kim et al., https://arxiv.org/abs/2107.00910.", "https://arxiv.org/abs/2107.00910"),
        ("javascript:alert(1)", None),
        ("https://a.example https://b.example", None),
        ('https://a.example/"onmouseover="x', "https://a.example/"),
        ("", None),
    ],
)
def test_only_plain_web_addresses_become_links(written, address):
    assert text.web_address(written) == address
