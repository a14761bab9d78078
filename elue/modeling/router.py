"""A router before the models of a cascade: a network that says, before any of them runs, which one is to answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling import packed
from elue.modeling.cascade import StagedModel
from elue.modeling.encoder import Encoder
from elue.modeling.heads import EncoderWithHead
from elue.modeling.inference import batched_logits
from elue.modeling.ladder import Rule, Way
from elue.modeling.method import Training
from elue.modeling.ragged import Pack
from elue.modeling.signals import LOGITS, SCORES
from elue.modeling.text import TextEncoder
from elue.modeling.tracing import encoder_units, row_unit
from elue.protocol import Explanation, Point, Sample, TaskInfo

WINS = TaskInfo("wins", "regression")
"""What a router's head is for: one number."""


class Router(EncoderWithHead):
    """Tells how likely the stronger of two models is right where the weaker is wrong, by the text alone.

    Trained on `wins` in the batch, (batch,), 1 where that is so and else 0, by cross-entropy.
    """

    def __init__(self, encoder: Encoder, pooling: str) -> None:
        super().__init__(encoder, WINS, pooling)

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        logits = self.logits(batch["ids"], batch["segments"], batch["mask"]).squeeze(-1)
        out = {"logits": logits, SCORES: torch.sigmoid(logits)}
        if "wins" in batch:
            out["loss"] = F.binary_cross_entropy_with_logits(logits.float(), batch["wins"].float())
        return out


class RoutedModel(StagedModel):
    """Two whole networks, of which a router's score decides which one runs.

    The router runs for every sample, in the units `router.…`, of which `router.score (tokens)` is its head. The first
    network runs for those alone that it answers, the second for the rest.
    """

    def __init__(
        self,
        network: Any,
        router: Router,
        stages: Mapping[str, EncoderWithHead],
        text: TextEncoder,
        task: TaskInfo,
        rule_of: Callable[[Point, TaskInfo], Rule],
    ) -> None:
        super().__init__(network, stages, text, task, rule_of)
        width, head = router.encoder.config.hidden, router.head
        score = row_unit(lambda pack: torch.sigmoid(packed.head(head, pack)).squeeze(-1), width)
        self.units.units |= encoder_units(router.encoder, "router.") | {"router.score": score}
        weak, strong = self.ways

        def answer(pack: Pack) -> Tensor:
            return weak.channels[LOGITS](weak.advance(pack))

        advance = partial(self._advance, "router", len(router.encoder.layers))
        self.ways = [Way(advance, {LOGITS: answer, SCORES: partial(self.units.run, "router.score")}), strong]

    def explanation(self, sample: Sample, exits: tuple[tuple[float, ...], ...], last: int) -> Explanation:
        """Only the network that was chosen answers."""
        return super().explanation(sample, exits[-1:], last)


def wins(training: Training, weak: nn.Module, strong: nn.Module, places: list[int]) -> list[float]:
    """For every training sample whether the strong model alone is right, 1 or 0, told at these places; 0 elsewhere."""
    asked = [training.job.train[place] for place in places]
    labels = torch.tensor([example.label for example in asked])
    right = [batched_logits(module, asked, training.text).argmax(-1) == labels for module in (weak, strong)]
    told = torch.zeros(len(training.job.train))
    told[torch.tensor(places)] = (right[1] & ~right[0]).to(told.dtype)
    return told.tolist()
