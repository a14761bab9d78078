"""What a configuration says of the inputs its model takes: widths, sizes, lengths."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

_SENSES = {
    "image": ("vision", "image", "backbone", "visual", "vit", "encoder"),
    "audio": ("audio", "speech", "sound", "encoder"),
    "text": ("text", "language", "llm", "thinker", "decoder", "talker"),
    "source": ("text_encoder", "encoder", "text", "language"),
}


@dataclass(frozen=True, slots=True)
class Lengths:
    """How much of everything: samples, tokens of a text, of a second one, and of what a decoder is given."""

    batch: int = 1
    tokens: int = 128
    pair_tokens: int = 0
    decoder_tokens: int | None = None

    @property
    def text(self) -> int:
        """Tokens of both texts together."""
        return self.tokens + self.pair_tokens

    @property
    def decoder(self) -> int:
        """Tokens of a decoder: as many as of the text, where nothing else was asked for."""
        return self.tokens if self.decoder_tokens is None else self.decoder_tokens


@dataclass(frozen=True, slots=True)
class Wanted:
    """What inputs are made from: a configuration, how much of everything, and the names that forward takes."""

    config: Any
    lengths: Lengths
    names: frozenset[str]


def parts(config: Any, sense: str) -> Iterator[Any]:
    """A configuration and those inside it, the ones for `sense` (image, audio, text) before the others."""
    yield config
    inner = {name: value for name, value in vars(config).items() if hasattr(value, "to_dict") and value is not config}
    words = _SENSES[sense]

    def distance(name: str) -> int:
        return next((place for place, word in enumerate(words) if word in name), len(words))

    for name in sorted(inner, key=distance):
        yield from parts(inner[name], sense)


def lookup(config: Any, sense: str, *names: str, default: Any = None) -> Any:
    """The first of these attributes that a configuration, or one inside it, has and that holds something."""
    for part in parts(config, sense):
        for name in names:
            value = getattr(part, name, None)
            if value is not None and value not in ([], ()):
                return value
    return default


def number(config: Any, sense: str, *names: str, default: int) -> int:
    """The same for a number; of several numbers, the last one."""
    value = lookup(config, sense, *names, default=default)
    while isinstance(value, (list, tuple)):
        value = value[-1]
    return int(value)


def image_size(config: Any) -> tuple[int, int]:
    """Height and width of an image in pixels; 224 each where the configuration is for any size."""
    if ratios := lookup(config, "image", "scaled_images_ratios"):
        # The least copy of the image is one patch.
        edge = round(patch_size(config) / min(ratios))
        return edge, edge
    if windows := lookup(config, "image", "num_windows"):
        edge = number(config, "image", "image_size", default=224)
        edge -= edge % (patch_size(config) * int(windows))
        return edge, edge
    size = lookup(config, "image", "image_size", "img_size", "input_size", "max_img_size", default=224)
    if isinstance(size, dict):
        height = int(size.get("height") or size.get("shortest_edge") or 224)
        return height, int(size.get("width") or height)
    while isinstance(size, (list, tuple)) and isinstance(size[0], (list, tuple)):
        size = size[0]
    if isinstance(size, (list, tuple)):
        return int(size[-2] if len(size) > 1 else size[0]), int(size[-1])
    return int(size), int(size)


def channels(config: Any) -> int:
    """Colour channels of an image."""
    return number(config, "image", "num_channels", "in_channels", "in_chans", "num_input_channels", default=3)


def patch_size(config: Any) -> int:
    """Pixels on an edge of a patch."""
    return number(config, "image", "patch_size", "spatial_patch_size", default=16)


def grid(config: Any) -> tuple[int, int]:
    """Rows and columns of the patches of an image, multiples of how many are merged."""
    merge = number(config, "image", "spatial_merge_size", "merge_size", "merge_kernel_size", default=2)
    step = merge * patch_size(config)
    height, wide = image_size(config)
    return merge * max(height // step, 1), merge * max(wide // step, 1)


def width(config: Any, sense: str = "text") -> int:
    """Numbers that a hidden state has."""
    return number(config, sense, "hidden_size", "d_model", "embed_dim", "hidden_dim", "dim", "n_embd", default=64)


def vocabulary(config: Any, sense: str = "text") -> int:
    """How many ids there are."""
    return number(config, sense, "vocab_size", default=100)


def codebooks(config: Any) -> int:
    """How many ids stand beside each other, for models of audio in codes; 0 for others."""
    return number(config, "text", "num_codebooks", default=0) or len(lookup(config, "text", "delay_pattern") or ())
