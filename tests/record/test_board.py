"""Which runs a board ranks."""

from __future__ import annotations

from typing import Any

import pytest

from elue.record.board import board_of, is_ranked
from elue.record.schema import RETRACTED, Flag
from tests.record.test_files import make_record


@pytest.mark.parametrize(
    ("changes", "ranked"),
    [
        ({}, True),
        ({"flags": (Flag(code="unconfined", detail="by a hook"),)}, True),
        ({"flags": (Flag(code="cpu_unexplained", detail="too long"),)}, False),
        ({"flags": (Flag(code="nothing_counted", detail="2 answers"),)}, False),
        ({"flags": (Flag(code="no_compute", detail="answers differ"),)}, False),
        ({"flags": (Flag(code=RETRACTED, detail="a mistake"),)}, False),
        ({"complete": False}, False),
        ({"status": "failed"}, False),
        ({"score": None}, False),
        ({"flops": None}, False),
    ],
)
def test_sound_runs_that_stand_are_ranked(changes: dict[str, Any], ranked: bool) -> None:
    assert is_ranked(make_record(**changes)) is ranked


def test_numbers_of_a_paper_are_a_board_of_their_own() -> None:
    """Whatever revision and profile they name."""
    observed, traced, published = (
        make_record().model_copy(update={"measure": measure}) for measure in ("observed", "traced", "published")
    )
    assert board_of(observed) == board_of(traced)
    assert board_of(published) != board_of(observed)
    assert board_of(published)[:-1] == board_of(observed)[:-1]
