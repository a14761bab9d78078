"""Labels of curves say what differs between curves of one method, and nothing else."""

from __future__ import annotations

from elue.record.labels import distinct_labels


def test_one_curve_of_a_method_has_its_name() -> None:
    parts = {"seed": "0", "weights": "a" * 64}
    assert distinct_labels([("one", parts), ("other", parts)]) == ["one", "other"]


def test_the_first_parts_that_tell_all_apart_are_said() -> None:
    curves = [
        ("one", {"code": "c" * 64, "weights": "a" * 64, "seed": "0"}),
        ("one", {"code": "c" * 64, "weights": "b" * 64, "seed": "1"}),
        ("other", {"code": "d" * 64, "weights": "a" * 64, "seed": "0"}),
    ]
    assert distinct_labels(curves) == ["one · weights aaaaaaaa", "one · weights bbbbbbbb", "other"]


def test_parts_add_up_where_none_alone_is_enough() -> None:
    curves = [("one", {"weights": w, "seed": s}) for w, s in (("a", "0"), ("a", "1"), ("b", "0"))]
    assert distinct_labels(curves) == [
        "one · weights a · seed 0",
        "one · weights a · seed 1",
        "one · weights b · seed 0",
    ]
