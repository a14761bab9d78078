"""Length-Adaptive Transformer: one set of weights for any list of lengths, the best of which a search finds.

Kim and Cho, "Length-Adaptive Transformer: Train Once with Length Drop, Use Anytime with Search", ACL 2021. Between a
layer's attention and its feed-forward the first token and those that receive most attention go on, as many as the list
says; those that are dropped come back at the end in the state they had. Each training step takes the full length, the
smallest list and random ones between them, which learn from the full one's answer. An evolutionary search on validation
data finds the lists that are worth their compute.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from elue.modeling.encoder import Encoder
from elue.modeling.heads import task_loss
from elue.modeling.keeping.lengths import FULL, Lengths, least, shortened
from elue.modeling.keeping.ranked import RankedModel, RankedNetwork, divergence
from elue.modeling.keeping.sweeps import searched
from elue.modeling.method import Sweep, TrainedMethod, Training
from elue.modeling.options import TrainingOptions, option
from elue.modeling.shares import checked_shares
from elue.modeling.text import TextEncoder
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class LatOptions(TrainingOptions):
    TINY: ClassVar[dict[str, Any]] = {**TrainingOptions.TINY, "epochs": 2.0, "drop_epochs": 3.0}

    drop_epochs: float = option(5.0, "passes in which tokens and layers are dropped, after plain fine-tuning", 0.0)
    length_drop: float = option(0.2, "share of the tokens that a layer may drop in training", 0.0)
    layer_drop: float = option(0.2, "chance that a layer is left out of a pass in training", 0.0)
    random_lists: int = option(2, "random lists a step, beside all tokens and the smallest list", 0)
    rounds: int = option(5, "rounds of the search; each list is a pass over up to 1,000 validation samples", 0)
    mutations: int = option(10, "mutated lists a round", 0)
    crossovers: int = option(10, "crossed lists a round", 0)


class LatNetwork(RankedNetwork):
    """Encoder and head, run by lists of percent of a text's tokens."""

    def __init__(self, encoder: Encoder, task: TaskInfo, options: LatOptions) -> None:
        super().__init__(encoder, task, options.pooling, shares=True, diagonal=True, parks=True)
        self.settings, self.drops, self.kept = options, False, 1 - options.length_drop

    def smallest(self, left_out: Collection[int] = (), start: int = FULL) -> Lengths:
        """The list that drops as many as it may in every layer."""
        return shortened(start, len(self.encoder.layers), lambda length: least(length, self.kept), left_out)

    def drawn(self, left_out: Collection[int]) -> Lengths:
        """A random list that drops no more than it may in any layer."""

        def drawn(length: int) -> int:
            return int(torch.randint(least(length, self.kept), length + 1, ()))

        return shortened(FULL, len(self.encoder.layers), drawn, left_out)

    def left_out(self) -> list[int]:
        """Layers that a pass leaves out."""
        return (torch.rand(len(self.encoder.layers)) < self.settings.layer_drop).nonzero().flatten().tolist()

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits and the share of tokens kept after each layer; given labels, the mean loss of all passes.

        Judged are, while tokens are dropped, both ends that training goes through: all tokens and the smallest list.
        """
        if "labels" not in batch:
            logits, kept = self.ranked(batch, self.lengths)
            both = self.drops and self.lengths == self.all_of_them
            judged = {"judged": torch.stack([logits, self.ranked(batch, self.smallest())[0]], 1)} if both else {}
            return {"logits": logits, "kept": kept, **judged}
        logits, _ = self.ranked(batch, self.all_of_them, self.left_out() if self.drops else ())
        losses = [task_loss(logits, batch["labels"], self.task)]
        for number in range(1 + self.settings.random_lists if self.drops else 0):
            left_out = self.left_out()
            lengths = self.drawn(left_out) if number else self.smallest(left_out)
            losses.append(divergence(logits.detach(), self.ranked(batch, lengths, left_out)[0], self.task))
        return {"logits": logits, "loss": torch.stack(losses).mean()}


class Lat(TrainedMethod):
    """Fine-tune, train with dropped lengths, and search.

    Differences from the paper and its code: lengths are percent of a text's own tokens, the code's numbers of tokens of
    a padded batch; compute is told at natural length. Sub-networks learn by KL(full ‖ sub) and a number by squared
    error, where the code has the arguments the other way round and learns nothing from a single output. The search has
    fewer rounds, unless told; the paper's are 30 of 30 mutations and 30 crossovers. It looks at validation data alone;
    a list leaves a token at least, there two, and what was tried before counts as a mutation. The head pools all
    tokens, by mean unless told; the paper takes the first token.
    """

    name = "lat"
    family = "skimming"
    title = "Length-Adaptive Transformer: any list of lengths"
    paper = "Kim and Cho 2021, Length-Adaptive Transformer, https://arxiv.org/abs/2010.07003"
    summary = (
        "Each layer keeps a share of the tokens, those that receive most attention; the others stand still until the "
        "end. One training serves any shares, and a search finds those that are worth most. Every text saves alike."
    )
    options = LatOptions
    knobs = {"lengths": {"type": "str", "help": "percent of a text's tokens that each layer leaves, such as 90-70-40"}}

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> LatNetwork:
        return LatNetwork(encoder, task, checked_shares(options, "length_drop", "layer_drop"))

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> RankedModel:
        return RankedModel(network, text, task, network.all_of_them)

    def learn(self, network: Any, training: Training) -> None:
        training.fit(network, phase="tune")
        network.drops = True
        training.fit(network, phase="drop", epochs=training.options.drop_epochs)

    def sweep(self, network: Any, training: Training) -> Sweep:
        return searched(network, training, network.smallest())
