"""Count a transformers model from its config: what `elue count` prints."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from elue.errors import ElueError
from elue.meter.attribution import ModuleCount
from elue.meter.meter import Meter
from elue.meter.profile import Profile


@dataclass(frozen=True, slots=True)
class ModelCount:
    """One forward of a model on `tokens` tokens. FLOPs under `profile`; parameters in elements; `ops` by operator."""

    model: str
    tokens: int
    profile: str
    profile_digest: str
    flops: int
    matmul_flops: int
    params_total: int
    params_touched: int
    complete: bool
    unknown: dict[str, int]
    ops: dict[str, tuple[int, int]]
    modules: ModuleCount | None = None

    def as_json(self) -> str:
        """All of it as one JSON object."""
        return json.dumps(asdict(self), indent=2)


def count_model(
    name: str, tokens: int = 128, profile: str | Profile = "elue-1", *, by_module: bool = False, seed: int = 0
) -> ModelCount:
    """Count one forward, batch 1, of the model that a folder, a config.json or a hub id describes.

    Weights are random (from `seed`), since counts need none; ids are random, too, as experts may route by them.
    Raises ElueError for a config that cannot be read or a length the model does not take.
    """
    from transformers import AutoConfig, AutoModel

    if tokens < 1:
        raise ElueError("bad_length", f"--tokens is {tokens}.", "It takes 1 or more.")
    path = Path(name)
    try:
        config = AutoConfig.from_pretrained(path.parent if path.name == "config.json" else name)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise ElueError("unreadable_model", f"'{name}' is no model that transformers reads: {reason}") from None
    longest = getattr(config, "max_position_embeddings", None)
    if longest is not None and 0 < longest < tokens:
        raise ElueError("bad_length", f"--tokens is {tokens}, but '{name}' takes at most {longest}.")
    torch.manual_seed(seed)
    model = AutoModel.from_config(config).eval()
    meter = _measure(model, tokens, profile, by_module)
    return ModelCount(
        model=name,
        tokens=tokens,
        profile=meter.profile.name,
        profile_digest=meter.profile.digest,
        flops=meter.flops,
        matmul_flops=meter.matmul_flops,
        params_total=sum(parameter.numel() for parameter in model.parameters()),
        params_touched=meter.params_touched,
        complete=meter.complete,
        unknown=meter.unknown,
        ops=meter.ops,
        modules=meter.by_module(model) if by_module else None,
    )


def _measure(model: Any, tokens: int, profile: str | Profile, by_module: bool) -> Meter:
    ids = torch.randint(model.config.get_text_config().vocab_size, (1, tokens))
    inputs = {"input_ids": ids}
    if model.config.is_encoder_decoder:
        inputs["decoder_input_ids"] = ids
    with torch.inference_mode(), Meter(profile, attribute=by_module, modules=[model]) as meter:
        model(**inputs)
    return meter
