"""Training options: a dataclass a method, filled from what the user set, checked, and saved whole."""

from __future__ import annotations

import dataclasses
import types
import typing
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from elue.errors import ElueError, unknown
from elue.modeling.heads import POOLINGS
from elue.protocol import Knob, TrainingJob


def option(default: Any, help: str, minimum: float | None = None, choices: tuple[str, ...] = ()) -> Any:
    """A dataclass field with its help text, its smallest value, or the words it allows."""
    return field(default=default, metadata={"help": help, "minimum": minimum, "choices": choices})


@dataclass(frozen=True, kw_only=True)
class TrainingOptions:
    """Options every method has. A method subclasses it with its own fields, each made by `option`.

    `TINY` holds the defaults that differ for the backbone "tiny", which starts from random weights.
    """

    TINY: ClassVar[dict[str, Any]] = {
        "epochs": 3.0,
        "learning_rate": 1e-3,
        "weight_decay": 0.01,
        "max_length": 256,
    }

    epochs: float = option(3.0, "passes over the training data", 0.0)
    batch_size: int = option(32, "samples a step", 1)
    learning_rate: float = option(5e-5, "peak learning rate of AdamW, decaying linearly to 0", 0.0)
    weight_decay: float = option(0.1, "weight decay of AdamW", 0.0)
    warmup: float = option(0.06, "share of the steps over which the learning rate rises", 0.0)
    max_length: int = option(512, "longest input in tokens, cut to the encoder's positions", 4)
    mix_lengths: bool = option(True, "take batches of similar length in random order, not from long to short")
    pooling: str = option("mean", "how tokens become one vector", choices=POOLINGS)
    tiny_hidden: int = option(64, "hidden size of the backbone 'tiny', a multiple of tiny_heads", 8)
    tiny_layers: int = option(4, "layers of the backbone 'tiny'", 1)
    tiny_heads: int = option(4, "attention heads of the backbone 'tiny'", 1)
    tiny_dropout: float = option(0.0, "dropout of the backbone 'tiny', which is too small to need any", 0.0)
    tiny_vocabulary: int = option(2000, "vocabulary size of the backbone 'tiny'", 100)


Options = TypeVar("Options", bound=TrainingOptions)


def parse_options(kind: type[Options], job: TrainingJob) -> Options:
    """The options of a job: what the user set (strings are converted), else the defaults for its backbone.

    Raises ElueError for a name the dataclass lacks or a value of the wrong type, too small, or not allowed.
    """
    fields = {one.name: one for one in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = dict(kind.TINY) if job.backbone == "tiny" else {}
    for name, given in job.options.items():
        if name not in fields:
            raise unknown("option", name, fields)
        values[name] = _convert(name, given, hints[name])
        _check(name, values[name], fields[name].metadata)
    return kind(**values)


def _convert(name: str, given: Knob, kind: Any) -> Any:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        kind = next(one for one in typing.get_args(kind) if one is not type(None))
    try:
        if typing.get_origin(kind) is tuple:
            inner = typing.get_args(kind)[0]
            return tuple(inner(part) for part in str(given).replace(",", " ").split())
        if kind is bool and not isinstance(given, bool):
            return {"true": True, "1": True, "false": False, "0": False}[str(given).lower()]
        if kind is int and not isinstance(given, str) and given != int(given):
            raise ValueError
        return kind(given)
    except (ValueError, KeyError) as error:
        wanted = "a comma-separated list" if typing.get_origin(kind) is tuple else f"of type {kind.__name__}"
        message = f"Option '{name}' can't be '{given}': it must be {wanted}."
        raise ElueError("bad_option", message, f"Set it as {name}=VALUE.") from error


def _check(name: str, value: Any, metadata: Any) -> None:
    minimum, choices = metadata.get("minimum"), metadata.get("choices")
    if choices and value not in choices:
        raise unknown(f"value of option {name}", str(value), choices, code="bad_option")
    smallest = min(value) if isinstance(value, tuple) and value else value
    if minimum is not None and not isinstance(smallest, tuple | None) and not smallest >= minimum:
        hint = f"Give {minimum:g} or more."
        raise ElueError("bad_option", f"Option '{name}' can't be {value}.", hint)
