"""Audio in the forms that models take it: waves and spectra."""

from __future__ import annotations

import torch
from torch import Tensor

from elue.meter.models import shapes
from elue.meter.models.pictures import SAMPLES, Form
from elue.meter.models.shapes import Wanted

FRAMES = 800
"""Of a spectrum, for models of any length: eight seconds of 10 ms, a multiple of the windows that models take."""
_MASKS = ("input_features_mask", "feature_attention_mask", "audio_mel_mask")
_BINS = ("num_mel_bins", "n_mels", "mel_bins", "input_feat_per_channel", "num_mels", "num_mel_channels", "feature_size")


def _named(wanted: Wanted, *names: str) -> str | None:
    return next((name for name in names if name in wanted.names), None)


def wave(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, samples)."""
    name = _named(wanted, "input_values")
    return None if name is None else {name: torch.rand(wanted.lengths.batch, SAMPLES)}


def mono(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, 1, samples)."""
    name = _named(wanted, "input_values")
    return None if name is None else {name: torch.rand(wanted.lengths.batch, 1, SAMPLES)}


def spectrogram(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, frames, bins) under the name of waves, as the AST has it."""
    name = _named(wanted, "input_values")
    bins = shapes.lookup(wanted.config, "audio", *_BINS)
    if name is None or bins is None:
        return None
    length = shapes.number(wanted.config, "audio", "max_length", default=1024)
    return {name: torch.rand(wanted.lengths.batch, length, int(bins))}


def bins_first(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, bins, frames) of the length the encoder has positions for, as Whisper has it."""
    name = _named(wanted, "input_features")
    if name is None or shapes.lookup(wanted.config, "audio", *_BINS) is None:
        return None
    length = 2 * shapes.number(wanted.config, "audio", "max_source_positions", default=FRAMES // 2)
    bins = shapes.number(wanted.config, "audio", *_BINS, default=80)
    return {name: torch.rand(wanted.lengths.batch, bins, length), **_masks(wanted, length)}


def frames_first(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, frames, bins), or wider where frames are stacked."""
    name = _named(wanted, "input_features", "audio_mel")
    bins = shapes.number(
        wanted.config, "audio", "feature_projection_input_dim", "input_feat_size", "input_dim", "input_size", *_BINS,
        default=80,
    )  # fmt: skip
    return name and {name: torch.rand(wanted.lengths.batch, FRAMES, bins), **_masks(wanted, FRAMES)}  # type: ignore[return-value]


def frames_of_128(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, frames, 128), for models whose configuration does not say how many bins they take."""
    name = _named(wanted, "input_features")
    return name and {name: torch.rand(wanted.lengths.batch, FRAMES, 128), **_masks(wanted, FRAMES)}  # type: ignore[return-value]


def stacked_frames(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, frames, 4 x bins): four frames in one."""
    name = _named(wanted, "input_features")
    bins = shapes.lookup(wanted.config, "audio", *_BINS)
    if name is None or bins is None:
        return None
    return {name: torch.rand(wanted.lengths.batch, FRAMES // 4, 4 * int(bins)), **_masks(wanted, FRAMES // 4)}


def without_batch(wanted: Wanted) -> dict[str, Tensor] | None:
    """(bins, frames of all samples) and how many frames each has, before and after the convolutions, as Qwen has it."""
    name = _named(wanted, "input_features")
    if name is None or "feature_lens" not in wanted.names:
        return None
    batch, bins = wanted.lengths.batch, shapes.number(wanted.config, "audio", *_BINS, default=128)
    made = {name: torch.rand(bins, batch * FRAMES), "feature_lens": torch.full((batch,), FRAMES)}
    if "aftercnn_lens" in wanted.names:
        made["aftercnn_lens"] = torch.full((batch,), FRAMES // 2)
    return made


def image_of_sound(wanted: Wanted) -> dict[str, Tensor] | None:
    """(batch, 1, frames, bins), as CLAP has it; nothing is fused."""
    name = _named(wanted, "input_features", "input_values")
    if name is None:
        return None
    bins = shapes.number(wanted.config, "audio", *_BINS, default=64)
    length = shapes.number(wanted.config, "audio", "spec_size", default=256) ** 2 // bins
    return {name: torch.rand(wanted.lengths.batch, 1, length, bins)}


def _masks(wanted: Wanted, length: int) -> dict[str, Tensor]:
    """Which frames are there: all. Gemma tells those that are not, by truths."""
    shape = wanted.lengths.batch, length
    made = {name: torch.ones(shape, dtype=torch.long) for name in _MASKS if name in wanted.names}
    if "audio_mel_mask" in made:
        made["audio_mel_mask"] = torch.zeros(shape, dtype=torch.bool)
    return made


FORMS: tuple[Form, ...] = (
    spectrogram, wave, mono, bins_first, frames_first, image_of_sound, without_batch, stacked_frames, frames_of_128,
)  # fmt: skip
"""All of them, the likely ones first."""
