"""Keeping by rank: after a layer's attention, the tokens that receive most of it stay, as many as a list says."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elue.modeling.encoder import Encoder
from elue.modeling.heads import Head
from elue.modeling.keeping.gates import Decision, Gate, best
from elue.modeling.keeping.importance import first_and_best
from elue.modeling.keeping.lengths import FULL, UNBOUNDED, Budget, Lengths, of_shares, of_tokens, parse_lengths
from elue.modeling.keeping.masked import hard_masked
from elue.modeling.keeping.model import KeepingModel
from elue.modeling.kinds import kind_of
from elue.modeling.ragged import Pack
from elue.modeling.text import TextEncoder
from elue.protocol import Point, TaskInfo


class RankedNetwork(nn.Module):
    """Encoder and head. `lengths` is the list in force, in numbers of tokens or with `shares` in percent of them.

    `diagonal` says whether what a token gives itself counts, `parks` whether tokens come back for the head.
    """

    def __init__(
        self, encoder: Encoder, task: TaskInfo, pooling: str, shares: bool, diagonal: bool, parks: bool
    ) -> None:
        super().__init__()
        self.task, self.shares, self.diagonal, self.parks = task, shares, diagonal, parks
        self.encoder, self.head = encoder, Head(encoder.config, task, pooling)
        self.lengths: Lengths = self.all_of_them

    @property
    def all_of_them(self) -> Lengths:
        """The list that drops nothing."""
        return (FULL if self.shares else UNBOUNDED,) * len(self.encoder.layers)

    @property
    def budget(self) -> Budget:
        """What a length gives a sample of so many tokens."""
        return of_shares if self.shares else of_tokens

    def ranked(
        self, batch: dict[str, Tensor], lengths: Lengths, left_out: Collection[int] = ()
    ) -> tuple[Tensor, Tensor]:
        """Logits of a padded batch under a list, and the share of tokens that each layer leaves, (batch, layers)."""
        mask = batch["mask"]
        tokens = mask.sum(1)
        counts = tokens.tolist()
        budgets = [[self.budget(length, count) for count in counts] for length in lengths]
        layers = [layer for layer, left in enumerate(budgets) if left != counts]

        def keep(layer: int, received: Tensor, left: Tensor) -> Tensor:
            return first_and_best(received, left, torch.tensor(budgets[layer], device=mask.device))

        hidden = self.encoder.embed(batch["ids"], batch["segments"])
        hidden, masks = hard_masked(self.encoder, hidden, mask, keep, layers, self.diagonal, self.parks, left_out)
        logits = self.head(hidden, mask if self.parks else masks[-1])
        return logits, torch.stack(masks, 1).sum(-1) / tokens[:, None]


def divergence(full: Tensor, sub: Tensor, task: TaskInfo) -> Tensor:
    """KL(full ‖ sub) of logits (batch, outputs), mean over the batch, or of numbers their squared difference."""
    return kind_of(task).divergences(full, sub, 1.0).mean()


class RankedModel(KeepingModel):
    """Answers under the list that the point names as `lengths`; under the network's `usual` one until it is set."""

    def __init__(self, network: Any, text: TextEncoder, task: TaskInfo, usual: Lengths) -> None:
        gates = {index: self._gate(index, network.diagonal) for index in range(len(network.encoder.layers))}
        super().__init__(network, text, task, gates, network.parks)
        self.usual = usual
        self.configure({})

    def configure(self, point: Point) -> None:
        layers, given = len(self.network.encoder.layers), point.get("lengths")
        self.lengths = self.usual if given is None else parse_lengths(str(given), layers, self.network.shares)

    def _gate(self, index: int, diagonal: bool) -> Gate:
        """Asks the samples that have more tokens than they may."""

        def budgets(pack: Pack) -> np.ndarray:
            return np.array([self.network.budget(self.lengths[index], request.tokens) for request in pack.requests])

        def decide(pack: Pack, received: Tensor) -> Decision:
            return best(pack, received, budgets(pack))

        return Gate("between", lambda pack: np.asarray(pack.lengths) > budgets(pack), decide, diagonal)
