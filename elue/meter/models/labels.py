"""What a model is taught in a step of training: labels that its own loss takes, or, without such, a mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from elue.meter.models.inputs import Inputs, names_taken

_TOKENS = ("ForCausalLM", "ForMaskedLM", "LMHeadModel", "ForConditionalGeneration", "ForTokenClassification")
_SAMPLES = ("Classification", "MultipleChoice", "NextSentencePrediction")
MEAN = "it has no loss for these inputs: the mean of its first output is taken for one"
"""Said of a model that is trained on something that the model itself does not know."""


def with_labels(model: Module, inputs: Inputs) -> tuple[Inputs, Callable[[Any], Tensor] | None, str]:
    """The inputs with labels; how to get a loss from the output, None for the model's own; and what is to be said.

    Models of text learn every token, those that classify get class 0, those that find answers the first token.
    """
    name, taken = type(model).__name__, names_taken(model)
    text = inputs.get("decoder_input_ids", inputs.get("input_ids"))
    if "labels" in taken and text is not None and name.endswith(_TOKENS):
        labels = torch.zeros_like(text) if "Classification" in name else text
        return {**inputs, "labels": labels}, None, ""
    batch = next(iter(inputs.values())).size(0)
    if "labels" in taken and any(kind in name for kind in _SAMPLES):
        return {**inputs, "labels": torch.zeros(batch, dtype=torch.long)}, None, ""
    if {"start_positions", "end_positions"} <= taken:
        first = torch.zeros(batch, dtype=torch.long)
        return {**inputs, "start_positions": first, "end_positions": first}, None, ""
    return inputs, _mean, MEAN


def _mean(output: Any) -> Tensor:
    values = output.to_tuple() if hasattr(output, "to_tuple") else output
    values = values if isinstance(values, (list, tuple)) else [values]
    return next(v for v in values if isinstance(v, Tensor) and v.is_floating_point()).mean()
