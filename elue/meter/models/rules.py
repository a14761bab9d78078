"""Inputs beside images and sounds, one function an input: random, made from the configuration."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from elue.meter.models import shapes
from elue.meter.models.shapes import Wanted

REGIONS = 36
"""Regions of an image, for models that are given a detector's features: what LXMERT and VisualBERT were trained on."""


def _ids(size: int, *shape: int) -> Tensor:
    """Ids from the middle of a vocabulary: special tokens stand at its ends."""
    return torch.randint(size // 2, max(size - size // 4, size // 2 + 1), shape)


def input_ids(wanted: Wanted) -> Tensor:
    """(batch, tokens of both texts)."""
    sense = "source" if getattr(wanted.config, "is_encoder_decoder", False) else "text"
    return _ids(shapes.vocabulary(wanted.config, sense), wanted.lengths.batch, wanted.lengths.text)


def decoder_input_ids(wanted: Wanted) -> Tensor:
    """(batch, tokens of the decoder)."""
    return _ids(shapes.vocabulary(wanted.config), wanted.lengths.batch, wanted.lengths.decoder)


def codes(wanted: Wanted) -> list[dict[str, Tensor]]:
    """Ids of a text of audio codes, in the forms that models take them.

    (batch, tokens, codebooks), the same with text beside them, and (batch x codebooks, tokens): that one alone where
    the model would reshape the others into a batch of short texts.
    """
    count = shapes.codebooks(wanted.config)
    if not count and hasattr(wanted.config, "vocab_size"):
        count = getattr(wanted.config, "num_channels", 0)
    decodes = getattr(wanted.config, "is_encoder_decoder", False) and "decoder_input_ids" in wanted.names
    name = "decoder_input_ids" if decodes else "input_ids"
    if not count or name not in wanted.names:
        return []
    batch, tokens = wanted.lengths.batch, wanted.lengths.decoder if decodes else wanted.lengths.text
    size = shapes.vocabulary(wanted.config)
    size = min(size, shapes.number(wanted.config, "text", "codebook_vocab_size", default=size))
    holders = [part for part in shapes.parts(wanted.config, "text") if getattr(part, "num_codebooks", None)]
    size = min([size, *(part.vocab_size for part in holders if hasattr(part, "vocab_size"))])
    forms = ((batch, tokens, count), (batch, tokens, count + 1), (batch * count, tokens))
    below = any(part.model_type.startswith("musicgen") for part in shapes.parts(wanted.config, "text"))
    return [{name: _ids(size, *shape)} for shape in (forms[2:] if below else forms)]


def qformer_input_ids(wanted: Wanted) -> Tensor:
    """(batch, tokens of the text) for a Q-Former that reads along."""
    size = shapes.number(getattr(wanted.config, "qformer_config", wanted.config), "text", "vocab_size", default=100)
    return _ids(size, wanted.lengths.batch, wanted.lengths.text)


def image_attention_mask(wanted: Wanted) -> Tensor:
    """(batch, tokens, 1): every token sees the image."""
    return torch.ones(wanted.lengths.batch, wanted.lengths.text, 1, dtype=torch.long)


def task_inputs(wanted: Wanted) -> Tensor:
    """(batch, tokens of the name of a task), for a model that is told what to do."""
    tokens = shapes.number(wanted.config, "text", "task_seq_len", "max_seq_len", default=77)
    return torch.randint(100, (wanted.lengths.batch, tokens))


def mel_spectrogram(wanted: Wanted) -> Tensor:
    """(batch, bins, 100): a second of a vocoder's input."""
    return torch.rand(wanted.lengths.batch, shapes.number(wanted.config, "audio", "mel_dim", default=80), 100)


def frequencies(wanted: Wanted) -> Tensor:
    """(batch, 1) of kinds of time series."""
    return torch.zeros(wanted.lengths.batch, 1, dtype=torch.long)


def past_values_padding(wanted: Wanted) -> Tensor:
    """All zeros: nothing is padded."""
    return torch.zeros_like(past_values(wanted))


def state(wanted: Wanted) -> Tensor:
    """(batch, numbers of a robot's state)."""
    return torch.rand(wanted.lengths.batch, shapes.number(wanted.config, "text", "max_state_dim", default=32))


def token_type_ids(wanted: Wanted) -> Tensor:
    """0 for the first text, 1 for the second."""
    types = torch.arange(wanted.lengths.text) >= wanted.lengths.tokens
    return types.long().expand(wanted.lengths.batch, -1)


def attention_mask(wanted: Wanted) -> Tensor:
    """All ones: there is no padding."""
    return torch.ones(wanted.lengths.batch, wanted.lengths.text, dtype=torch.long)


def boxes(wanted: Wanted) -> Tensor:
    """Places of tokens on a page, of 0 to 1000, or of 0 to 1; BROS wants all four corners."""
    corners = [1, 2, 3, 2, 3, 4, 1, 4] if wanted.config.model_type == "bros" else [1, 2, 3, 4]
    box = torch.tensor(corners) * 100
    box = box / 1000 if wanted.config.model_type in ("udop", "bros") else box
    return box.expand(wanted.lengths.batch, wanted.lengths.text, -1)


def hidden_states(wanted: Wanted) -> Tensor:
    """(batch, tokens, width), or as wide as a configuration that is no part of another says its input is."""
    wide = getattr(wanted.config, "input_dim", None) or shapes.width(wanted.config)
    return torch.rand(wanted.lengths.batch, wanted.lengths.text, int(wide))


def encoder_hidden_states(wanted: Wanted) -> Tensor:
    """(batch, tokens, width of an encoder)."""
    names = "cross_attention_hidden_size", "encoder_hidden_size", "cross_hidden_size"
    wide = shapes.number(wanted.config, "text", *names, default=0)
    return torch.rand(wanted.lengths.batch, wanted.lengths.text, wide or shapes.width(wanted.config))


def past_values(wanted: Wanted) -> Tensor:
    """(batch, times, channels) of a time series, (batch, times) where there is no channel."""
    length = shapes.number(wanted.config, "text", "context_length", "max_context", default=wanted.lengths.tokens)
    lags = shapes.lookup(wanted.config, "text", "lags_sequence") or [0]
    channels = shapes.number(wanted.config, "text", "num_input_channels", "input_size", default=0)
    return torch.rand(wanted.lengths.batch, length + max(lags), *([channels] if channels else []))


def visual_feats(wanted: Wanted) -> Tensor:
    """(batch, regions, width of a region's features)."""
    wide = shapes.number(wanted.config, "image", "visual_feat_dim", default=2048)
    return torch.rand(wanted.lengths.batch, REGIONS, wide)


def visual_pos(wanted: Wanted) -> Tensor:
    """(batch, regions, numbers of a place)."""
    return torch.rand(wanted.lengths.batch, REGIONS, shapes.number(wanted.config, "image", "visual_pos_dim", default=4))


def flattened_patches(wanted: Wanted) -> Tensor:
    """(batch, 2048, 2 + channels x patch x patch): row, column and pixels of a patch, as Pix2Struct has it."""
    wide = shapes.channels(wanted.config) * shapes.patch_size(wanted.config) ** 2
    places = torch.arange(2048)[:, None].expand(wanted.lengths.batch, -1, 2) // 64 + 1
    return torch.cat([places, torch.rand(wanted.lengths.batch, 2048, wide)], dim=-1)


def spectrogram(wanted: Wanted) -> Tensor:
    """(batch, 100, bins): a second of a vocoder's input."""
    bins = shapes.number(wanted.config, "audio", "model_in_dim", "num_mel_bins", default=80)
    return torch.rand(wanted.lengths.batch, 100, bins)


def query_embeds(wanted: Wanted) -> Tensor:
    """(batch, queries, width) of a Q-Former."""
    count = shapes.number(wanted.config, "text", "num_query_tokens", default=32)
    return torch.rand(wanted.lengths.batch, count, shapes.width(wanted.config))


def _episode(name: str) -> Callable[[Wanted], Tensor]:
    """(batch, steps, numbers of one), of an agent's states or actions; one where no size has that name."""

    def steps(wanted: Wanted) -> Tensor:
        return torch.rand(
            wanted.lengths.batch, wanted.lengths.text, shapes.number(wanted.config, "text", name, default=1)
        )

    return steps


def timesteps(wanted: Wanted) -> Tensor:
    """(batch, steps), in order."""
    return torch.arange(wanted.lengths.text).expand(wanted.lengths.batch, -1)


RULES: dict[str, Callable[[Wanted], Tensor]] = {
    "input_ids": input_ids,
    "decoder_input_ids": decoder_input_ids,
    "token_type_ids": token_type_ids,
    "attention_mask": attention_mask,
    "bbox": boxes,
    "hidden_states": hidden_states,
    "inputs_embeds": hidden_states,
    "encoder_hidden_states": encoder_hidden_states,
    "past_values": past_values,
    "visual_feats": visual_feats,
    "visual_pos": visual_pos,
    "flattened_patches": flattened_patches,
    "spectrogram": spectrogram,
    "query_embeds": query_embeds,
    "qformer_input_ids": qformer_input_ids,
    "image_attention_mask": image_attention_mask,
    "task_inputs": task_inputs,
    "mel_spectrogram": mel_spectrogram,
    "freq": frequencies,
    "past_values_padding": past_values_padding,
    "state": state,
    "context": hidden_states,
    "states": _episode("state_dim"),
    "actions": _episode("act_dim"),
    "rewards": _episode("reward_dim"),
    "returns_to_go": _episode("return_dim"),
    "timesteps": timesteps,
}
ALWAYS = (
    "bbox", "visual_feats", "visual_pos", "rewards", "returns_to_go", "timesteps", "image_attention_mask",
)  # fmt: skip
"""Inputs that models cannot do without, although their forward says so."""
