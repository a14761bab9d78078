"""One forward of a model under a Meter: with shapes alone, or, where values decide what it does, for real."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb
from typing import Any

import torch
from torch.nn import Module

from elue.errors import ElueError
from elue.meter.models.building import one_line
from elue.meter.models.inputs import Inputs, candidates, read_once
from elue.meter.models.known import KnownValues
from elue.meter.models.shapes import Lengths


class ValuesWanted(Exception):
    """What a model does depends on values of its activations, which do not exist without weights."""


@dataclass(frozen=True, slots=True)
class Ran:
    """The inputs a model took, and what came of it."""

    inputs: Inputs
    outcome: Any


def first_that_runs(model: Module, lengths: Lengths, run: Callable[[Inputs], Any], *, real: bool = False) -> Ran:
    """Run a model on inputs in one form after the other, until it takes one.

    A cache that cannot be made is not asked for. Raises ValuesWanted where a form fails only because values are
    missing, and ElueError, with what the likeliest form ended in, where all fail.
    """
    first: Exception | None = None
    wanting: Exception | None = None
    with torch.no_grad(), nullcontext() if real else KnownValues():
        for make in candidates(model, lengths):
            try:
                inputs = make()
                try:
                    return Ran(inputs, run(inputs))
                except Exception as error:
                    if not _of_cache(error):
                        raise
                    return Ran(inputs, run(read_once(model, inputs)))
            except Exception as error:
                first = first or error
                wanting = wanting or (error if not real and _wants_values(error) else None)
    if wanting is not None:
        raise ValuesWanted(one_line(wanting)) from wanting
    if isinstance(first, ElueError):
        raise first
    why = one_line(first) if first is not None else "there is no input to give it"
    raise ElueError("failed_forward", f"{type(model).__name__} cannot be run: {why}") from first


_MISSING = ("meta tensor", "data-independent", "data dependent", "no data", "data-dependent")


def _of_cache(error: Exception) -> bool:
    """Whether it was raised where transformers keeps what a model has read."""
    return any(Path(frame.filename).name == "cache_utils.py" for frame in extract_tb(error.__traceback__))


def _wants_values(error: Exception) -> bool:
    return any(word in str(error) for word in _MISSING)
