"""Inputs that a model's forward asks for, made from its configuration: random, of the lengths that were asked for."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import partial
from itertools import product
from typing import Any

from torch.nn import Module

from elue.errors import ElueError
from elue.meter.models import pictures, sounds
from elue.meter.models.pictures import Form
from elue.meter.models.placeholders import with_stand_ins
from elue.meter.models.rules import ALWAYS, RULES, codes
from elue.meter.models.shapes import Lengths, Wanted

Inputs = dict[str, Any]
IMAGES = {"pixel_values", "pixel_values_videos", "grid_thw", "inputs", "image"}
SOUNDS = {"input_values", "input_features", "audio_mel"}
_OF_IDS = {"attention_mask", "token_type_ids", "mm_token_type_ids", "image_embeds_position_mask"}


def candidates(model: Module, lengths: Lengths) -> Iterator[Callable[[], Inputs]]:
    """Makers of inputs for one forward of a model, by name, in one form after the other, the likely ones first.

    A configuration does not say whether its model takes images alone, in frames or in patches; the model does, when it
    is called. What it can do without is left out last. A maker raises ElueError where a model needs an input that
    there is no rule for, and what a model raises that is asked how many features an image has.
    """
    wanted, needed = _wanted(model, lengths)
    texts: list[Inputs | None] = [{}, *codes(wanted)]
    if "input_ids" in wanted.names - needed:
        texts.append(None)
    images = _made(pictures.FORMS, IMAGES, wanted, needed)
    for text, picture, sound in product(texts, images, _made(sounds.FORMS, SOUNDS, wanted, needed)):
        if text is not None or picture or sound:
            yield partial(_completed, model, wanted, needed, {**picture, **sound}, text)
    if "encoder_hidden_states" in wanted.names - needed:  # A decoder by itself, which has an encoder to read after all.
        for text in texts:
            yield partial(_completed, model, wanted, needed | {"encoder_hidden_states"}, {}, text)


def names_taken(model: Module) -> frozenset[str]:
    """The names of all inputs that a model's forward takes."""
    return _wanted(model, Lengths())[0].names


def read_once(model: Module, inputs: Inputs) -> Inputs:
    """The inputs for a text that is not gone on with: a cache of it, which some models cannot make, is not wanted."""
    taken: Any = inspect.signature(model.forward).parameters.values()
    told = any(parameter.name == "use_cache" or parameter.kind.name == "VAR_KEYWORD" for parameter in taken)
    return {**inputs, "use_cache": False} if told else inputs


def left_out(model: Module, inputs: Inputs) -> list[str]:
    """Images or sounds that a model takes and does not get in these inputs, by name."""
    taken = names_taken(model)
    modalities = [names & taken for names in (IMAGES, SOUNDS)]
    return [min(names) for names in modalities if names and not names & set(inputs)]


def _wanted(model: Any, lengths: Lengths) -> tuple[Wanted, frozenset[str]]:
    """What the inputs are made from, and the names that forward cannot do without or that are its main ones."""
    taken = {
        name: parameter
        for name, parameter in inspect.signature(model.forward).parameters.items()
        if parameter.kind.name in ("POSITIONAL_OR_KEYWORD", "KEYWORD_ONLY")
    }
    needed = {name for name, parameter in taken.items() if parameter.default is inspect.Parameter.empty}
    main = getattr(model, "main_input_name", "input_ids")
    needed |= {name for name in ([main] if isinstance(main, str) else main) if name in taken}
    return Wanted(model.config, lengths, frozenset(taken)), frozenset(needed)


def _made(forms: tuple[Form, ...], names: set[str], wanted: Wanted, needed: frozenset[str]) -> list[Inputs]:
    """The inputs of a modality in every form there is, and none at all, where a model needs none."""
    if not names & wanted.names:
        return [{}]
    made: list[Inputs] = [inputs for form in forms if (inputs := form(wanted))]
    return made if names & needed else [*made, {}]


def _completed(model: Module, wanted: Wanted, needed: frozenset[str], made: Inputs, text: Inputs | None) -> Inputs:
    """The inputs of images and sounds, a text beside them (as given, or plain) unless it is None, and the rest."""
    inputs: Inputs = {**made, **(text or {})}
    names = ["input_ids"] * (text is not None) + sorted(needed - {"input_ids"}) + list(ALWAYS)
    if "act_dim" in vars(wanted.config):
        names.append("actions")
    if getattr(wanted.config, "is_encoder_decoder", False):
        names.append("decoder_input_ids")
    if "query_embeds" in needed:
        names.append("encoder_hidden_states")
    if wanted.lengths.pair_tokens:
        names.append("token_type_ids")
    for name in names:
        if name in inputs or name not in wanted.names:
            continue
        if name not in RULES:
            raise ElueError("unknown_input", f"{type(model).__name__} asks for '{name}', which has no rule here.")
        inputs[name] = RULES[name](wanted)
    return with_stand_ins(model, inputs, _OF_IDS & wanted.names) if made and "input_ids" in inputs else inputs
