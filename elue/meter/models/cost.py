"""What is asked of a configuration and what comes of it, as plain data. Never imports torch."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field

from elue.meter.report import Report, totals


@dataclass(frozen=True, slots=True)
class Question:
    """Which model to count, and on what.

    `model` is a folder, a config.json or a hub id; `head` a class of transformers, instead of the one that the
    configuration names. Lengths are in tokens; `decoder_tokens` is None for as many as `tokens`,
    or for the one that starts a generated text. `generate` tokens
    come one by one, after a prompt; `train` counts a step of training. `attention` names an implementation.
    """

    model: str
    tokens: int = 128
    pair_tokens: int = 0
    decoder_tokens: int | None = None
    batch: int = 1
    generate: int = 0
    train: bool = False
    attention: str | None = None
    head: str | None = None
    profile: str = "elue-1"


@dataclass(frozen=True, slots=True)
class ModelCost:
    """What a model costs: a report for each part of the work, and how it was built and called.

    Parts are `forward`; `prompt` and `output`; or `forward`, `backward` and `optimiser`. `built` is the class, `chosen`
    why it is this one, `device` is "meta" or, for models that values steer, "cpu"; `inputs` has shapes by name, and
    `notes` what is to be known of the count.
    """

    question: Question
    built: str
    chosen: str
    device: str
    params_total: int
    inputs: Mapping[str, tuple[int, ...]]
    parts: Mapping[str, Report]
    notes: tuple[str, ...] = field(default_factory=tuple)

    @property
    def flops(self) -> int:
        """All FLOPs."""
        return sum(part.flops for part in self.parts.values())

    @property
    def matmul_flops(self) -> int:
        """The FLOPs of multiply-adds."""
        return sum(part.matmul_flops for part in self.parts.values())

    @property
    def macs(self) -> int:
        """Multiply-adds."""
        return sum(part.macs for part in self.parts.values())

    @property
    def complete(self) -> bool:
        """Whether nothing is missing in any part."""
        return all(part.complete for part in self.parts.values())

    @property
    def unknown(self) -> dict[str, int]:
        """What is missing: calls by operator."""
        unknown: Counter[str] = Counter()
        for part in self.parts.values():
            unknown.update(part.unknown)
        return dict(unknown)

    def to_json(self) -> str:
        """All of it as one JSON object."""
        sums = {name: getattr(self, name) for name in ("flops", "matmul_flops", "macs", "complete", "unknown")}
        return json.dumps({**asdict(self), **sums}, indent=2)

    def __str__(self) -> str:
        return totals(self.flops, self.macs, self.complete, self.unknown)
