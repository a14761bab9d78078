"""Ids that stand where a language model puts the features of images and sounds: as many as there are features."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.nn import Module

from elue.meter.models import shapes
from elue.meter.models.shapes import parts

_KINDS = {
    "image": (
        "image_token_id",
        "image_token_index",
        "media_placeholder_token_id",
        "image_soft_token_id",
        "video_token_id",
        "video_token_index",
    ),
    "audio": ("audio_token_id", "audio_token_index", "audio_soft_token_id"),
}
_ELSE = {"image": "video"}
"""What tells the features of one kind in models that take another alone."""
_INPUTS = {"image": ("pixel_values", "pixel_values_videos"), "audio": ("input_features", "input_values")}


def with_stand_ins(model: Module, inputs: dict[str, Any], text: set[str]) -> dict[str, Any]:
    """The inputs with an id before the text for every feature that images and sounds give.

    `text` are names of inputs that have a column for each id. How many features there are, the model is asked.
    """
    inputs = dict(inputs)
    kinds = torch.zeros_like(inputs["input_ids"])
    for mark, (kind, names) in enumerate(_KINDS.items(), start=1):
        getter = _getter(model, f"get_{kind}_features") or _getter(model, f"get_{_ELSE.get(kind)}_features")
        masked = kind == "image" and "image_embeds_position_mask" in text
        if not (getter or masked) or not set(_INPUTS[kind]) & set(inputs):
            continue
        token = shapes.vocabulary(model.config) - 1 if masked else _token(model.config, names)
        if token is None:
            continue
        batch = inputs["input_ids"].size(0)
        if getter is None:
            columns = shapes.number(model.config, "image", "latent_query_num", default=64)
        else:
            taken = inspect.signature(getter).parameters
            asked = {name: value for name, value in inputs.items() if name in taken and name not in text}
            if "pixel_attention_mask" in inputs and "pixel_attention_mask" not in taken:
                # Several images a sample, which the model beneath is given as one each.
                asked = {n: value.flatten(0, 1) if value.dim() == 5 else value for n, value in asked.items()}
            features = getter(**asked)
            columns = sum(part.numel() // part.size(-1) for part in _tensors(features)) // batch
        ids = torch.full((batch, columns), token)
        inputs["input_ids"] = torch.cat([inputs["input_ids"][:, :1], ids, inputs["input_ids"][:, 1:]], dim=1)
        kinds = torch.cat([kinds[:, :1], torch.full_like(ids, mark), kinds[:, 1:]], dim=1)
    if "mm_token_type_ids" in text:
        inputs["mm_token_type_ids"] = kinds
    if "image_embeds_position_mask" in text:
        inputs["image_embeds_position_mask"] = kinds
    for name in ("attention_mask", "token_type_ids"):
        if name in inputs:
            inputs[name] = torch.ones_like(inputs["input_ids"]) if name == "attention_mask" else kinds.clamp(max=1)
    return inputs


def _getter(model: Module, name: str) -> Callable[..., Any] | None:
    """What tells the features: a model's own, or that of the model inside one that only reads off the answer."""
    return next((getattr(module, name) for module in model.modules() if hasattr(module, name)), None)


def _token(config: Any, names: tuple[str, ...]) -> int | None:
    """The id; one not set, or beyond the vocabulary, as in some defaults, becomes the last that does not."""
    size = shapes.vocabulary(config)
    for part in parts(config, "text"):
        for name in names:
            if (token := getattr(part, name, None)) is not None:
                if token >= size:
                    setattr(part, name, size - 1)
                return min(int(token), size - 1)
    for name in names:
        if hasattr(config, name):
            setattr(config, name, size - 1)
            return size - 1
    return None


def _tensors(features: Any) -> Iterator[Tensor]:
    """The features that replace the ids, of whatever a model's `get_image_features` returns."""
    pooled = getattr(features, "pooler_output", None)
    features = pooled if pooled is not None else getattr(features, "last_hidden_state", features)
    if isinstance(features, Tensor):
        yield features
    elif isinstance(features, (list, tuple)):
        for part in features:
            yield from _tensors(part)
