"""Text made one token at a time, with a cache: what the prompt costs, and what the output does."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor

from elue.errors import ElueError
from elue.meter.meter import Meter
from elue.meter.models.inputs import Inputs


def must_generate(model: Any) -> None:
    """Raises ElueError for a model that makes no text."""
    if not model.can_generate():
        raise ElueError(
            "no_generation", f"{type(model).__name__} generates no text.", "Leave --generate out, or name a --head."
        )


def generate(model: Any, inputs: Inputs, tokens: int, prompt: Meter, output: Meter) -> None:
    """Make so many tokens as greedy `model.generate` does; `prompt` counts up to the first one, `output` the others.

    The last token is not read again, so that n tokens take n - 1 steps after the prompt. Of the prompt, the output
    layer is run for its last position alone, where the model can.
    """
    state = {name: value for name, value in inputs.items() if name not in ("input_ids", "decoder_input_ids")}
    state["use_cache"] = True
    if "logits_to_keep" in inspect.signature(model.forward).parameters:
        state["logits_to_keep"] = 1
    if model.config.is_encoder_decoder:
        ids, taken = inputs["decoder_input_ids"], model.get_encoder().forward
        encoded = {name: value for name, value in inputs.items() if name in inspect.signature(taken).parameters}
        with prompt:
            state["encoder_outputs"] = model.get_encoder()(**encoded, return_dict=True)
        state = {name: value for name, value in state.items() if name not in encoded}
    else:
        ids = inputs["input_ids"]
        state.setdefault("attention_mask", torch.ones_like(ids))
    for step in range(tokens):
        length = {"next_sequence_length": 1} if step else {}
        given = model.prepare_inputs_for_generation(ids, is_first_iteration=not step, **length, **state)
        with output if step else prompt:
            made = model(**given, return_dict=True)
        state = model._update_model_kwargs_for_generation(made, state, model.config.is_encoder_decoder)
        ids = torch.cat([ids, _next(ids)], dim=-1)


def _next(ids: Tensor) -> Tensor:
    """A token more: which one, no count depends on."""
    return ids[:, -1:]
