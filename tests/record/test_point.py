"""Operating points, as the command line takes them and in words."""

from __future__ import annotations

from elue.record.point import knob_words, point_text, point_words


def test_points_are_written_in_order_and_exactly() -> None:
    point = {"threshold": 0.30000000000000004, "patience": 2}
    assert point_text(point) == "patience=2,threshold=0.30000000000000004"
    assert point_words(point) == "patience 2, threshold 0.30000000000000004"


def test_switches_are_on_and_off_in_words_alone() -> None:
    point = {"calibrated": True, "rule": "entropy"}
    assert point_text(point) == "calibrated=True,rule=entropy"
    assert point_words(point) == "calibrated on, rule entropy"


def test_a_point_without_knobs_is_the_default() -> None:
    assert (point_text({}), point_words({})) == ("", "default")


def test_numbers_are_as_short_as_they_are_exact() -> None:
    assert [knob_words(value) for value in (1, 1.0, 2e-05, 1 << 32, False)] == [
        "1",
        "1.0",
        "2e-05",
        "4294967296",
        "off",
    ]
