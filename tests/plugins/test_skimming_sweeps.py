"""The default sweeps of methods that skim, as in `test_sweeps`: with several knobs along the way from end to end."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elue.plugins.skimming.focused import Focused
from elue.plugins.skimming.jumper import Jumper
from elue.plugins.skimming.leap_lstm import LeapLstm
from elue.plugins.skimming.lstm_jump import LstmJump
from elue.plugins.skimming.lstm_shuttle import LstmShuttle
from elue.plugins.skimming.mrt5 import MrT5
from elue.plugins.skimming.rim_like import RimLike
from elue.plugins.skimming.skim_reread import SkimReread
from elue.plugins.skimming.structural_jump_lstm import StructuralJumpLstm
from elue.plugins.skimming.transkimmer import Transkimmer
from elue.protocol import Point
from tests import small
from tests.plugins.test_sweeps import GRID, covers

pytestmark = pytest.mark.thorough
LEANS = np.linspace(-12, 12, 49).tolist()
SHARES: list[Point] = [{"threshold": share} for share in GRID]
TRAINED = {"size": "16", "epochs": "4", **small.READER}
KEEPERS = {"epochs": "6", "learning_rate": "5e-3"}


def leaning(*knobs: str) -> list[Point]:
    return [dict.fromkeys(knobs, lean) for lean in LEANS]


METHODS: dict[str, tuple[Any, dict[str, Any], list[Point]]] = {
    "transkimmer": (Transkimmer, {**KEEPERS, "predictor_rate": "0.05"}, SHARES),
    "mrt5": (MrT5, {**KEEPERS, "gate_rate": "0.05"}, SHARES),
    "leap_lstm": (LeapLstm, {**TRAINED, "filters": "4", "hidden": "8"}, SHARES),
    "lstm_jump": (LstmJump, TRAINED, [{"jumps": 10_000, "lean": lean} for lean in LEANS]),
    "lstm_shuttle": (LstmShuttle, TRAINED, [{"chunks": n, "lean": 1000.0} for n in range(1, 9)]),
    "jumper": (Jumper, {**TRAINED, "longest": "3"}, leaning("lean")),
    "focused": (Focused, {**TRAINED, "inner": "8"}, leaning("lean")),
    "skim_reread": (
        SkimReread,
        {**TRAINED, "filters": "8", "inner": "8"},
        leaning("on_lean", "next_lean"),
    ),
    "rim_like": (
        RimLike,
        {**TRAINED, "longest": "3", "relevance": "8"},
        leaning("read_lean", "on_lean"),
    ),
    "structural_jump_lstm": (StructuralJumpLstm, TRAINED, leaning("read_lean", "next_lean")),
}


@pytest.mark.parametrize("name", METHODS)
def test_the_default_sweep_has_both_ends_and_no_gap(name: str, tmp_path: Path) -> None:
    covers(*METHODS[name], tmp_path)
