"""Metrics of one's own: functions that installed packages offer, or that the environment names.

    def f2(labels, values):  # arrays (samples,); a fraction, 1 for the best
        ...

A package offers it by the entry-point group `elue.metrics`; a file by ELUE_METRICS=FILE.py:f2, several with commas
between them. No task's file and no record makes code run: they name a metric, and whoever runs ELUE says where it is.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import math
import os
from collections.abc import Callable
from functools import cache, partial
from importlib import metadata
from numbers import Real
from pathlib import Path
from typing import TYPE_CHECKING

from elue.errors import ElueError
from elue.tasks.kinds import KINDS
from elue.tasks.metric import Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]
    Function = Callable[[Array, Array], float]

GROUP = "elue.metrics"
VARIABLE = "ELUE_METRICS"


def find(name: str) -> Metric | None:
    """The metric of a name, as NAME@DIGEST of the file its function is written in; None where nobody offers it.

    Raises ElueError where what is offered can't be loaded.
    """
    return _find(name, os.environ.get(VARIABLE, ""))


def names() -> list[str]:
    """All names that are offered."""
    return sorted({*metadata.entry_points(group=GROUP).names, *_references(os.environ.get(VARIABLE, ""))})


@cache
def _find(name: str, variable: str) -> Metric | None:
    references = _references(variable)
    if name in references:
        function, place = _from_file(name, *references[name]), references[name][1]
    else:
        entries = list(metadata.entry_points(group=GROUP, name=name))
        if not entries:
            return None
        try:
            function = entries[0].load()
        except Exception as error:  # whatever a package's own code raises
            raise ElueError("broken_metric", f"The metric '{name}' can't be loaded: {_line(error)}.") from None
        place = Path(inspect.getsourcefile(function) or "")
    digest = hashlib.sha256(place.read_bytes()).hexdigest()[:8]
    note = (inspect.getdoc(function) or "").partition("\n")[0]
    return Metric(f"{name}@{digest}", name, note, tuple(KINDS), partial(_scored, name, function), lambda classes: 0.0)


def _scored(name: str, function: Function, labels: Array, values: Array) -> float:
    """What the function gives. Raises ElueError where that is no finite number."""
    score = function(labels, values)
    if not isinstance(score, Real) or not math.isfinite(score):
        raise ElueError("broken_metric", f"The metric '{name}' gave {score!r}, no number.", "1 is the best score.")
    return float(score)


def _references(variable: str) -> dict[str, tuple[str, Path]]:
    """What the environment names: by the function's name the reference and its file."""
    named = {}
    for reference in filter(None, variable.split(",")):
        file, _, function = reference.rpartition(":")
        if not file.endswith(".py") or not function.isidentifier():
            raise ElueError("bad_value", f"{VARIABLE} has '{reference}'.", "Write it as FILE.py:FUNCTION.")
        named[function] = (reference, Path(file).resolve())
    return named


def _from_file(name: str, reference: str, file: Path) -> Function:
    spec = importlib.util.spec_from_file_location(f"elue_metric_{name}", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        function: Function = getattr(module, name)
    except Exception as error:  # whatever the user's own code raises
        raise ElueError("broken_metric", f"The metric {reference} can't be loaded: {_line(error)}.") from None
    return function


def _line(error: Exception) -> str:
    return " ".join(f"{type(error).__name__}: {error}".split()).rstrip(".")
