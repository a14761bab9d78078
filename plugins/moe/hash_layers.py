"""Hash layers: a fixed table says which expert a token's id goes to; nothing is learned about routing.

Roller et al., "Hash Layers For Large Sparse Models", NeurIPS 2021. The table is made before training; here the balanced
one, ids by falling frequency in the training texts, each to the expert with the fewest tokens so far.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from elue.modeling.encoder import Encoder
from elue.modeling.experts.choices import fixed
from elue.modeling.experts.look import Choice, Look
from elue.modeling.experts.method import ExpertsMethod
from elue.modeling.experts.network import ExpertsNetwork, ExpertsOptions
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class HashOptions(ExpertsOptions):
    most_skipped: float = option(0.5, "tokens that may pass by in training: a share drawn for each batch", 0.0)


def balanced(counts: Mapping[int, int], experts: int, vocabulary: int, first: Collection[int] = ()) -> list[int]:
    """The expert of each id: by falling count, ids that come `first` before all others, to the emptiest one."""
    order = [*sorted(first), *sorted(set(range(vocabulary)) - set(first), key=lambda id: (-counts.get(id, 0), id))]
    loads, table, seen = [0] * experts, [0] * vocabulary, 0
    for id in order:
        rare = counts.get(id, 0) == 0 and id not in first
        emptiest = seen % experts if rare else min(range(experts), key=lambda expert: loads[expert])
        table[id], loads[emptiest], seen = emptiest, loads[emptiest] + counts.get(id, 0), seen + rare
    return table


class HashNetwork(ExpertsNetwork):
    """Experts by `table` (vocabulary,); ids of `mass` (vocabulary,) up to the share `skipped` pass by."""

    KNOBS = ("skipped",)
    skipped: float = 0.0
    drawn: float = 0.0
    weighted = False
    table: Tensor
    mass: Tensor

    def __init__(self, encoder: Encoder, task: TaskInfo, options: HashOptions) -> None:
        super().__init__(encoder, task, options)
        self.register_buffer("table", torch.zeros(encoder.config.vocabulary, dtype=torch.int64))
        self.register_buffer("mass", torch.full((encoder.config.vocabulary,), 2.0))

    def router(self, hidden: int) -> None:
        """Nothing is scored."""

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        share = self.drawn if look.training else self.skipped
        choice = fixed(self.table.cpu().numpy()[look.ids])
        if not share:
            return choice
        wanted = (self.mass.cpu().numpy()[look.ids] > share)[:, None]
        return choice.where(wanted, lambda: np.full(len(wanted), np.inf))

    def lesson(self, batch: Mapping[str, Any]) -> dict[str, Tensor]:
        """One share for the batch, in all layers."""
        self.drawn = torch.rand(()).item() * self.options.most_skipped
        return super().lesson(batch)

    def read(self, counts: Mapping[int, int], special: Collection[int]) -> None:
        """Make the table, and of ids by falling count how much of all tokens they and those before them are."""
        vocabulary = len(self.table)
        self.table.copy_(torch.tensor(balanced(counts, self.options.experts, vocabulary, special)))
        total, passed = sum(counts.values()), 0
        for id in sorted(counts.keys() - special, key=lambda id: (-counts[id], id)):
            passed += counts[id]
            self.mass[id] = passed / total


class HashLayers(ExpertsMethod):
    """A balanced table from ids to experts, weight 1, no capacity, the task's loss alone.

    Differences: the paper replaces one layer or a few of a language model, learned from scratch; here every second of a
    trained encoder, whose experts start as copies, so that it starts as the same network. Special tokens, which every
    text has, are spread first; ids that no training text has go round. The release draws its table at random, and it
    re-seeds the process; the balanced table is the paper's. There a model has one cost; the knob `skipped`, by which
    the most frequent ids pass by all experts, is ours, and training draws a share for each batch.
    """

    name = "hash_layers"
    family = "moe"
    title = "Hash layers: experts by token id"
    paper = "Roller et al. 2021, Hash Layers For Large Sparse Models, https://arxiv.org/abs/2106.04426"
    summary = (
        "A fixed table sends every token to an expert by its id, so there is no router to learn or to run. Tokens are "
        "spread evenly by how frequent they are. The most frequent ones may pass by, which makes it cheaper."
    )
    options = HashOptions
    network_type = HashNetwork
    knobs = {
        "skipped": {"type": "float", "low": 0, "high": 1, "help": "share of tokens, the most frequent, passing by"}
    }

    def learn(self, network: Any, training: Training) -> None:
        texts = training.text.encode_all([example.sample for example in training.job.train])
        network.read(Counter(id for text in texts for id in text.ids), training.text.special)
        super().learn(network, training)

    def ends(self, network: ExpertsNetwork) -> tuple[float, ...]:
        """Beyond what training skipped, too: all ids that training texts have may pass by."""
        return 0.0, min(network.options.most_skipped, 1.0), 1.0
