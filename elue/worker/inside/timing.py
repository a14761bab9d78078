"""What is timed from outside: the reference encoder, and answers with native kernels, no Meter open.

The reference encoder is torch's own Transformer in the shape a profile gives, so that anyone can build it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from elue.meter.profile import Conditions, Reference
from elue.protocol import Sample

_VOCABULARY = 1000


class ReferenceEncoder:
    """The encoder of a profile, with random weights: it takes time, not decisions."""

    def __init__(self, shape: Reference) -> None:
        self.shape = shape
        with torch.random.fork_rng(devices=[]):
            layer = nn.TransformerEncoderLayer(
                shape.hidden, shape.heads, shape.intermediate, activation="gelu", batch_first=True
            )
            self.layers = nn.TransformerEncoder(layer, shape.layers).eval()
            self.words = nn.Embedding(_VOCABULARY, shape.hidden)
            self.positions = nn.Embedding(shape.positions, shape.hidden)
        self.ids = torch.arange(shape.positions) % _VOCABULARY

    def run(self, tokens: int) -> torch.Tensor:
        """Hidden states (1, tokens, hidden) of a text of so many tokens; what they are does not matter."""
        with torch.inference_mode():
            ids = self.ids[None, :tokens]
            hidden: torch.Tensor = self.layers(self.words(ids) + self.positions(ids))
            return hidden


def in_packs(model: Any, conditions: Conditions) -> Callable[[Sequence[Sample]], Any]:
    """The model's `predict` under a profile with packs: with its token budget, if the model has one, and threads."""
    if hasattr(model, "budget"):
        model.budget = conditions.tokens
    torch.set_num_threads(conditions.threads)
    predict: Callable[[Sequence[Sample]], Any] = model.predict
    return predict


def run_again(model: Any, before: int | None = 0) -> int | None:
    """How many samples a model says it ran once more by themselves since it said `before`; None if it says nothing."""
    again = getattr(model, "again", None)
    return again - before if type(again) is int and before is not None else None
