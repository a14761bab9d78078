"""All skimming methods, with points of each from its full end to the other, at random weights."""

from __future__ import annotations

import importlib
import pkgutil
from typing import Any

from elue.modeling.method import TrainedMethod
from elue.modeling.reading.method import TrainedReader
from elue.plugins import skimming
from elue.protocol import Point, TaskInfo
from tests.plugins import keepers

ALWAYS = 1000.0
SHARES: list[Point] = [{"threshold": share} for share in (0.0, 0.3, 0.5, 0.7, 1.0)]
SCALES: list[Point] = [{"threshold_scale": scale} for scale in (0.0, 0.5, 1.0, 3.0, 1000.0)]


def leaning(*knobs: str) -> list[Point]:
    return [dict.fromkeys(knobs, lean) for lean in (ALWAYS, 1.0, 0.0, -1.0, -ALWAYS)]


POINTS: dict[str, list[Point]] = {
    "ltp": SCALES,
    "adapler": SCALES,
    "power_bert": [{"lengths": given} for given in ("all-all-all-all", "all-9-5-3", "6-5-3-2", "1-1-1-1")],
    "lat": [{"lengths": given} for given in ("100-100-100-100", "90-70-60-50", "60-40-30-20", "1-1-1-1")],
    "transkimmer": SHARES,
    "tr_bert": SHARES,
    "mrt5": SHARES,
    "dllm": SHARES,
    "skiprnn": [{"threshold": value} for value in (0.0, 0.5, 0.9, 1.0, 1.5)],
    "skimrnn": SHARES[::-1],
    "leap_lstm": SHARES[::-1],
    "lstm_jump": [{"jumps": n, "lean": lean} for n, lean in ((10_000, ALWAYS), (3, 0.0), (1, 0.0), (0, 0.0))],
    "lstm_shuttle": [{"chunks": n, "lean": lean} for n, lean in ((10_000, ALWAYS), (4, 0.0), (2, 0.0), (1, 0.0))],
    "structural_jump_lstm": [*leaning("read_lean", "next_lean")[:-1], {"read_lean": ALWAYS, "next_lean": -ALWAYS}],
    "jumper": leaning("lean"),
    "skim_reread": leaning("on_lean", "next_lean"),
    "rim_like": leaning("read_lean", "on_lean"),
    "focused": leaning("lean"),
    "vcrnn": leaning("lean"),
    "hmrnn": leaning("lean"),
    "reasonet": leaning("stop_lean")[::-1],
}
"""Of every method the first saves nothing and the last the most."""


def methods() -> dict[str, type[TrainedMethod]]:
    """Those that come with ELUE, by name."""
    names = {}
    for module in pkgutil.iter_modules(skimming.__path__, "elue.plugins.skimming."):
        for made in vars(importlib.import_module(module.name)).values():
            if isinstance(made, type) and issubclass(made, TrainedMethod) and made.__module__ == module.name:
                names[made.name] = made
    return names


METHODS = methods()


def made(name: str, task: TaskInfo, seed: int = 0) -> Any:
    """A method's model at random weights."""
    options = {"size": 16} if issubclass(METHODS[name], TrainedReader) else {}
    return keepers.made(METHODS[name](), task, seed, **options)
