"""Images and videos in the forms that models take them: whole, in frames, in pairs, in patches."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from elue.meter.models import shapes
from elue.meter.models.rules import input_ids
from elue.meter.models.shapes import Wanted

SAMPLES = 15_360
"""Of a wave: about a second at 16 kHz, and a multiple of the steps that models of audio take."""
Form = Callable[[Wanted], dict[str, Tensor] | None]
"""Makes the inputs of one modality, by name; None where a model surely does not take them so."""


def gridded(wanted: Wanted) -> dict[str, Tensor] | None:
    """Patches of all images as rows (patches, channels x time x patch x patch), with the grids they form."""
    names = {"image_grid_thw", "image_grid_hw", "grid_thw", "grid_hw", "image_grid_hws"} & wanted.names
    if not names:
        return None
    rows, columns = shapes.grid(wanted.config)
    temporal = shapes.number(wanted.config, "image", "temporal_patch_size", "patch_temporal", default=1)
    wide = shapes.channels(wanted.config) * temporal * shapes.patch_size(wanted.config) ** 2
    main = "pixel_values" if "pixel_values" in wanted.names else "hidden_states"
    made = {main: torch.rand(wanted.lengths.batch * rows * columns, wide)}
    for name in names:
        made[name] = torch.tensor([[1, rows, columns] if "thw" in name else [rows, columns]] * wanted.lengths.batch)
    if "merge_sizes" in wanted.names:
        made["merge_sizes"] = torch.ones(wanted.lengths.batch, dtype=torch.long)
    return made


def gridded_whole(wanted: Wanted) -> dict[str, Tensor] | None:
    """The same with patches that are still images (patches, channels, patch, patch), in one batch or without."""
    made = gridded(wanted)
    if made is None:
        return None
    main, size = next(iter(made)), shapes.patch_size(wanted.config)
    return {**made, main: torch.rand(made[main].size(0), shapes.channels(wanted.config), size, size)}


def gridded_samples(wanted: Wanted) -> dict[str, Tensor] | None:
    """The patches sample by sample, (batch, patches, channels x time x patch x patch), as many of each."""
    made = gridded(wanted)
    return made and {**made, next(iter(made)): made[next(iter(made))].unflatten(0, (wanted.lengths.batch, -1))}


def gridded_batch(wanted: Wanted) -> dict[str, Tensor] | None:
    """The same as one sample: (1, patches, channels, patch, patch)."""
    made = gridded_whole(wanted)
    return made and {**made, next(iter(made)): made[next(iter(made))][None]}


def anything(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, tokens, width) for a Perceiver that brings nothing to read its input with."""
    if "inputs" not in wanted.names:
        return None
    return {"inputs": torch.rand(wanted.lengths.batch, wanted.lengths.text, shapes.width(wanted.config))}


def ids(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, tokens) of ids, for a Perceiver that reads text."""
    return {"inputs": input_ids(wanted)} if "inputs" in wanted.names else None


def waves(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, samples), for an encoder that reads audio under another name."""
    return {"inputs": torch.rand(wanted.lengths.batch, SAMPLES)} if "inputs" in wanted.names else None


def _whole(wanted: Wanted, *between: int) -> dict[str, Tensor]:
    """(batch, *between, channels, height, width), and what a model may want to know about its images."""
    height, wide = shapes.image_size(wanted.config)
    if "prompt_pixel_values" in wanted.names:
        height //= 2  # The model puts an image and its prompt above each other.
    batch = wanted.lengths.batch
    main = next((name for name in ("pixel_values", "pixel_values_videos", "image") if name in wanted.names), "inputs")
    made = {main: torch.rand(batch, *between, shapes.channels(wanted.config), height, wide)}
    if "high_res_pixel_values" in wanted.names:
        high = shapes.number(wanted.config, "image", "high_res_image_size", default=1024)
        made["high_res_pixel_values"] = torch.rand(batch, *between, shapes.channels(wanted.config), high, high)
    for name in ("prompt_pixel_values", "prompt_masks"):
        if name in wanted.names:
            made[name] = torch.rand_like(made[main])
    return made


def whole(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, channels, height, width)."""
    return _whole(wanted)


def whole_with_size(wanted: Wanted) -> dict[str, Tensor] | None:
    """The same, and how large each is: (batch, 2)."""
    if "image_sizes" not in wanted.names:
        return None
    return {**_whole(wanted), "image_sizes": torch.tensor([shapes.image_size(wanted.config)] * wanted.lengths.batch)}


def frames(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, frames, channels, height, width), as videos come."""
    count = shapes.lookup(wanted.config, "image", "num_frames", "frames_per_clip", "num_video_frames")
    return None if count is None else _whole(wanted, int(count))


def one_of_several(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, 1, channels, height, width): one image a sample, where there may be more; and that it is there."""
    made = _whole(wanted, 1)
    if "pixel_attention_mask" in wanted.names:
        made["pixel_attention_mask"] = torch.ones(wanted.lengths.batch, 1, dtype=torch.bool)
    return made


def base_and_tile(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, 2, channels, height, width): an image as a whole and as its only tile, as `anyres` models cut it."""
    if "image_sizes" not in wanted.names:
        return None
    return {**_whole(wanted, 2), "image_sizes": torch.tensor([shapes.image_size(wanted.config)] * wanted.lengths.batch)}


def pair(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, 2, channels, height, width): two images to be matched."""
    return _whole(wanted, 2)


def tiles(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, 1, tiles, channels, height, width) with aspect ratios, as Mllama has them."""
    if "aspect_ratio_ids" not in wanted.names:
        return None
    count, batch = shapes.number(wanted.config, "image", "max_num_tiles", default=4), wanted.lengths.batch
    made = _whole(wanted, 1, count)
    made["aspect_ratio_ids"] = torch.ones(batch, 1, dtype=torch.long)
    made["aspect_ratio_mask"] = torch.ones(batch, 1, count, dtype=torch.long)
    if "cross_attention_mask" in wanted.names:
        made["cross_attention_mask"] = torch.ones(batch, wanted.lengths.text, 1, count, dtype=torch.long)
    return made


def patches(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, patches, channels x patch x patch), with the shapes and masks that NaViT-like models want."""
    size, batch = shapes.patch_size(wanted.config), wanted.lengths.batch
    height, wide = shapes.image_size(wanted.config)
    rows, columns = max(height // size, 1), max(wide // size, 1)
    if (count := shapes.lookup(wanted.config, "image", "num_patches")) is not None:
        rows = columns = max(int(count**0.5), 1)
    pooled = shapes.number(wanted.config, "image", "pooling_kernel_size", default=1)
    rows, columns = max(rows - rows % pooled, pooled), max(columns - columns % pooled, pooled)
    made = {"pixel_values": torch.rand(batch, rows * columns, shapes.channels(wanted.config) * size**2)}
    for name in ("spatial_shapes", "target_sizes"):
        if name in wanted.names:
            made[name] = torch.tensor([[rows, columns]] * batch)
    for name in ("pixel_attention_mask",):
        if name in wanted.names:
            made[name] = torch.ones(batch, rows * columns, dtype=torch.long)
    for name in ("image_position_ids", "pixel_position_ids"):
        if name in wanted.names:
            places = torch.cartesian_prod(torch.arange(rows), torch.arange(columns))
            made[name] = places.expand(batch, -1, -1)
    return made


def strip(wanted: Wanted) -> dict[str, Tensor] | None:
    """(1, channels, patch, patch x patches): patches of all images beside each other, with the grids they form."""
    if "target_sizes" not in wanted.names:
        return None
    size, batch = shapes.patch_size(wanted.config), wanted.lengths.batch
    rows, columns = shapes.grid(wanted.config)
    pixels = torch.rand(1, shapes.channels(wanted.config), size, size * rows * columns * batch)
    return {"pixel_values": pixels, "target_sizes": torch.tensor([[rows, columns]] * batch)}


FORMS: tuple[Form, ...] = (
    waves, anything, ids, gridded, tiles, frames, whole, whole_with_size, base_and_tile, one_of_several, pair,
    gridded_samples, gridded_whole, gridded_batch, patches, strip,
)  # fmt: skip
"""All of them, the likely ones first."""
