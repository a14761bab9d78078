"""Tests of skeleton: the conformance checks of ELUE, and what makes this method this method."""

from __future__ import annotations

from pathlib import Path

from elue.conformance import parametrize_with_checks, subject

METHOD = Path(__file__).parent / "method.py"


@parametrize_with_checks(lambda: subject(METHOD))
def test_it_conforms(check):  # type: ignore[no-untyped-def]
    check()


def test_a_higher_threshold_never_leaves_earlier() -> None:
    given = subject(METHOD)
    depths = []
    for threshold in (0.5, 0.6, 1.01):
        given.configure({"threshold": threshold})
        depths.append([len(prediction.trace) for prediction in given.answer(given.samples)])
    assert set(depths[0]) == {3}  # embed, one layer, its exit
    assert set(depths[2]) == {7}  # embed, three layers, three exits
    assert all(low <= high for low, high in zip(depths[0], depths[1], strict=True))
