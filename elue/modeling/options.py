"""Training options: a dataclass a method, filled from what the user set, checked, and saved whole."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar

from elue.errors import ElueError, unknown
from elue.modeling.heads import POOLINGS
from elue.protocol import Knob, TrainingJob

TINY = "tiny"
"""The backbone that starts from random weights."""
PRECISIONS = ("auto", "float32", "bfloat16")
"""What a training's products are computed in. Weights, sums and the optimizer's state are float32 in any case."""


def option(
    default: Any,
    help: str,
    minimum: float | None = None,
    choices: tuple[str, ...] = (),
    tiny: bool = False,
    follows: str = "",
) -> Any:
    """A dataclass field with its help text, its smallest value, or the words it allows.

    `tiny` says that it shapes the backbone "tiny", and does nothing for another; `follows` names the option whose value
    it has where it is None.
    """
    told = {"help": help, "minimum": minimum, "choices": choices, "tiny": tiny, "follows": follows}
    return field(default=default, metadata=told)


@dataclass(frozen=True, kw_only=True)
class CommonOptions:
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
    precision: str = option("auto", "of products: bfloat16 on a GPU that has it, else float32", choices=PRECISIONS)
    mix_lengths: bool = option(True, "take batches of similar length in random order, not from long to short")
    tiny_vocabulary: int = option(2000, "vocabulary size of the backbone 'tiny'", 100, tiny=True)
    tiny_hidden: int = option(64, "size of the word vectors of the backbone 'tiny'", 8, tiny=True)


@dataclass(frozen=True, kw_only=True)
class LayerOptions(CommonOptions):
    """Options of methods that run the encoder's layers."""

    tiny_hidden: int = option(64, "hidden size of the backbone 'tiny', a multiple of tiny_heads", 8, tiny=True)
    tiny_layers: int = option(4, "layers of the backbone 'tiny'", 1, tiny=True)
    tiny_heads: int = option(4, "attention heads of the backbone 'tiny'", 1, tiny=True)
    tiny_dropout: float = option(0.0, "dropout of the backbone 'tiny', which is too small to need any", 0.0, tiny=True)


@dataclass(frozen=True, kw_only=True)
class TrainingOptions(LayerOptions):
    """Options of methods whose heads pool what the layers make of the tokens."""

    pooling: str = option("mean", "how tokens become one vector", choices=POOLINGS)


Options = TypeVar("Options", bound=CommonOptions)


def parse_options(kind: type[Options], job: TrainingJob) -> Options:
    """The options of a job: what the user set (strings are converted), else the defaults for its backbone.

    Raises ElueError for a name the dataclass lacks, an option that does nothing for the backbone, or a value of the
    wrong type, too small, or not allowed.
    """
    return options_for(kind, job.backbone, job.options)


def options_for(kind: type[Options], backbone: str, given: Mapping[str, Knob]) -> Options:
    """As `parse_options`, for what was given with a backbone."""
    fields = {field.name: field for field in dataclasses.fields(kind)}
    hints = typing.get_type_hints(kind)
    values: dict[str, Any] = dict(kind.TINY) if backbone == TINY else {}
    for name, value in given.items():
        if name not in fields:
            raise unknown("option", name, [known for known in fields if _does_something(fields[known], backbone)])
        if not _does_something(fields[name], backbone):
            message = f"Option '{name}' does nothing for the backbone '{backbone}'."
            raise ElueError("idle_option", message, f"Leave it out: it shapes the backbone '{TINY}' alone.")
        values[name] = _convert(name, value, hints[name])
        _check(name, value, values[name], fields[name].metadata)
    options = kind(**values)
    led = {name: field.metadata.get("follows") for name, field in fields.items() if getattr(options, name) is None}
    return dataclasses.replace(options, **{name: getattr(options, other) for name, other in led.items() if other})


def in_force(options: CommonOptions, backbone: str) -> dict[str, Any]:
    """The options that do something with a backbone, by name; those that shape the backbone come last."""
    fields = sorted(dataclasses.fields(options), key=_shapes_tiny)
    return {field.name: getattr(options, field.name) for field in fields if _does_something(field, backbone)}


def _does_something(field: dataclasses.Field[Any], backbone: str) -> bool:
    return backbone == TINY or not _shapes_tiny(field)


def _shapes_tiny(field: dataclasses.Field[Any]) -> bool:
    return bool(field.metadata.get("tiny"))


def _convert(name: str, given: Knob, kind: Any) -> Any:
    if typing.get_origin(kind) in (types.UnionType, typing.Union):
        kind = next(member for member in typing.get_args(kind) if member is not type(None))
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


def _check(name: str, given: Knob, value: Any, metadata: Any) -> None:
    minimum, choices = metadata.get("minimum"), metadata.get("choices")
    if choices and value not in choices:
        raise unknown(f"value of option {name}", str(value), choices, code="bad_option")
    smallest = min(value) if isinstance(value, tuple) and value else value
    if minimum is not None and not isinstance(smallest, tuple | None) and not smallest >= minimum:
        hint = f"Give {minimum:g} or more."
        raise ElueError("bad_option", f"Option '{name}' can't be {given}.", hint)
