"""From a name to a model without weights: its configuration, the class that computes it, and why this one."""

from __future__ import annotations

import copy
import inspect
import logging
import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from importlib import import_module
from pathlib import Path
from typing import Any

import torch
from torch.nn import Module

from elue.errors import ElueError, unknown
from elue.meter.models.known import KnownValues, forget_weights

FLEX = "flex_attention"
ATTENTION = ("eager", "sdpa", FLEX)
"""Implementations of attention that a model may be counted with."""


def one_line(error: BaseException) -> str:
    """The first line of an error that says something, of a bearable length."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    said = " ".join(lines[: 2 if lines[0].endswith(":") else 1]) if lines else "no reason given"
    return f"{type(error).__name__}: {said if len(said) <= 300 else said[:297] + '...'}"


@contextmanager
def quiet() -> Iterator[None]:
    """Without warnings and log lines: a configuration alone makes transformers say much that matters not here."""
    before = logging.root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)


def read_configuration(name: str) -> Any:
    """The configuration in a folder, a config.json or on the hub. Raises ElueError if none can be read."""
    from transformers import AutoConfig

    path = Path(name)
    try:
        # Else it would ask, at the terminal, whether to run the code that some come with.
        place = str(path.parent) if path.name == "config.json" else name
        return AutoConfig.from_pretrained(place, trust_remote_code=False)
    except Exception as error:
        raise ElueError(
            "unreadable_model", f"'{name}' is no configuration that transformers reads: {one_line(error)}"
        ) from None


def choose_class(config: Any, head: str | None = None) -> tuple[type[Module], str]:
    """The class to build from a configuration, and why it is this one.

    `head` names it; else the configuration's `architectures` do; else generating models are taken with their output
    layer and others without a head. Raises ElueError for a class that transformers does not have.
    """
    import transformers

    if head is not None:
        if head not in (known := [model_class.__name__ for model_class in _classes(config)]):
            raise unknown("model class", head, known, "unknown_head")
        return getattr(transformers, head), "asked for"
    for named in config.architectures or ():
        chosen: Any = getattr(transformers, str(named), None)
        if isinstance(chosen, type) and transformers.PreTrainedModel in chosen.__mro__:
            return chosen, "named by the configuration"
    default = _default(config)
    if default is None:
        raise ElueError("no_model", f"transformers has no model for configurations of type '{config.model_type}'.")
    said = "the configuration names no class"
    if config.architectures:
        said = f"transformers has no {config.architectures[0]}"
    return default, said


def _default(config: Any) -> type[Module] | None:
    from transformers.models.auto import modeling_auto as auto

    generating = [auto.MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING, auto.MODEL_FOR_MULTIMODAL_LM_MAPPING]
    if config.is_encoder_decoder:
        generating += [auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING, auto.MODEL_FOR_SPEECH_SEQ_2_SEQ_MAPPING]
    if type(config) not in auto.MODEL_FOR_MASKED_LM_MAPPING:
        generating.append(auto.MODEL_FOR_CAUSAL_LM_MAPPING)
    fitting = []
    for mapping in (*generating, auto.MODEL_MAPPING):
        if type(config) in mapping:
            chosen = mapping[type(config)]
            chosen = chosen[0] if isinstance(chosen, (list, tuple)) else chosen
            if getattr(chosen, "config_class", None) in (type(config), None):
                return chosen
            fitting.append(chosen)
    return next(iter([*_classes(config), *fitting]), None)


def _classes(config: Any) -> list[type[Any]]:
    """The models of transformers that are built from configurations of this type, those without a head first."""
    from transformers import PreTrainedModel

    home = type(config).__module__.replace(".configuration_", ".modeling_")
    try:
        module = import_module(home)
    except ImportError:
        return []
    models: list[type[Any]] = [
        candidate
        for name, candidate in vars(module).items()
        if inspect.isclass(candidate)
        and issubclass(candidate, PreTrainedModel)
        and not name.endswith("PreTrainedModel")
        and getattr(candidate, "config_class", None) is type(config)
    ]
    return sorted(models, key=lambda candidate: ("For" in candidate.__name__, candidate.__name__.startswith("_")))


def build(model_class: type[Any], config: Any, attention: str | None = None, *, real: bool = False) -> Module:
    """A model in eval mode, fp32: its weights have shapes alone, or, if `real`, random values.

    Raises ElueError, in one line, for whatever keeps it from being built.
    """
    from transformers.initialization import no_init_weights

    given: dict[str, Any] = {"dtype": torch.float32}
    if attention is not None:
        given["attn_implementation"] = attention
    try:
        config = copy.deepcopy(config)
        place, values = (nullcontext(), nullcontext()) if real else (torch.device("meta"), KnownValues())
        with place, values, no_init_weights():
            model = model_class._from_config(config, **given)
        (make_up_weights if real else forget_weights)(model)
        model.tie_weights()
    except ImportError as error:
        missing = re.search(r"requires the (\S+) library", str(error))
        needed = f"the library {missing[1]}" if missing else f"what is not installed here ({one_line(error)})"
        raise ElueError("missing_library", f"{model_class.__name__} needs {needed}.", "Install it first.") from None
    except Exception as error:
        raise ElueError("unbuildable_model", f"{model_class.__name__} cannot be built: {one_line(error)}") from None
    built: Module = model.eval()
    return built


def make_up_weights(model: Module) -> None:
    """Small random matrices, biases of 0 and scales of 1. Drawn once and repeated: drawing them all takes long."""
    drawn = 0.02 * torch.randn(_DRAWN)
    for name, weight in model.named_parameters():
        if weight.dim() < 2:
            weight.data.fill_(0.0 if "bias" in name else 1.0)
        else:
            weight.data.copy_(drawn.repeat(-(-weight.numel() // _DRAWN))[: weight.numel()].view(weight.shape))
    for buffer in model.buffers():
        if buffer.is_floating_point():
            buffer.nan_to_num_()


_DRAWN = 1_000_003
"""A prime, so that no row of a matrix is the same as another."""
