"""Skim-RNN: for each token a small decision lets the full cell read it, or a small one that touches part of the state.

Seo et al., "Neural Speed Reading via Skim-RNN", ICLR 2018. p_t = softmax(α(x_t, h_{t-1})) over {read, skim}. A read
updates all d dimensions by the full cell; a skim updates the first d' by a small cell of its own, from x_t and all of
h_{t-1}, and copies the rest (eq. 1-3). Training draws the choice by Gumbel-softmax with a falling temperature and
minimises L + γ mean(-log p_skim) (eq. 4-7).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.options import option
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.cells import PartialCell
from elue.modeling.reading.gates import Policy, drawn_share, logit
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.method import TrainedReader
from elue.modeling.reading.network import ReaderOptions
from elue.modeling.reading.trial import Trial
from elue.modeling.reading.units import ReaderUnit
from elue.modeling.sweep import even_odds
from elue.protocol import TaskInfo

MIN_TEMPERATURE = 0.5
"""Temperature at which the Gumbel-softmax stops to cool (section 4 of the paper)."""


@dataclass(frozen=True, kw_only=True)
class SkimRnnOptions(ReaderOptions):
    TINY: ClassVar[dict[str, Any]] = {**ReaderOptions.TINY, "small": 8, "skim_weight": 0.05, "cooling": 1e-3}

    small: int = option(10, "d', the dimensions that a skim updates", 1)
    skim_weight: float = option(0.02, "γ, weight of mean(-log p_skim): the higher, the more is skimmed", 0.0)
    cooling: float = option(1e-4, "how fast the temperature falls: exp(-cooling · steps), to 0.5 at least", 0.0)
    whole: float = option(0.5, "share of the batches that are read in full; 0 in the paper", 0.0)


class SkimRnnNetwork(TrialNetwork):
    """The full cell, the small cell, and α. `threshold` is what p_skim has to exceed for a skim."""

    drawn: Tensor

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: SkimRnnOptions) -> None:
        super().__init__(words, task, options)
        size, width = options.size, words.embedding_dim
        if options.small >= size:
            message = f"Option 'small' can't be {options.small}: it must be below the size {size} of the state."
            raise ElueError("bad_option", message, "Set it as small=VALUE.")
        self.options = options
        self.small = PartialCell(options.cell, width, size, options.small)
        self.policy = Policy(width + size, 2)  # to read, to skim
        self.register_buffer("drawn", torch.zeros((), dtype=torch.long))

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """As all do, some batches in full, and the temperature falls with every step of training."""
        self.full = self.training and torch.rand(()).item() < self.options.whole
        outputs = super().forward(batch)
        if self.training:
            self.drawn += 1
        return outputs

    def relaxed(self, unit: str, leaning: Tensor) -> Tensor:
        """The share of the skim, drawn by Gumbel-softmax."""
        if self.full:
            return torch.zeros_like(leaning)
        temperature = max(MIN_TEMPERATURE, math.exp(-self.options.cooling * int(self.drawn)))
        return drawn_share(leaning, temperature)

    def price(self, trial: Trial, lengths: Tensor) -> Tensor:
        """A token that is likely read costs γ times -log p_skim, and nothing where all are read."""
        _, likely = trial.totals("policy")
        return -self.options.skim_weight * (not self.full) * likely / lengths

    def units(self) -> dict[str, ReaderUnit]:
        """Cell and head, "skim": the small cell, and "policy": the logit of p_skim."""
        widths = self.cell.unit().widths
        policy = ReaderUnit(self.policy.leaning, widths[:2], listed=True)
        return {**super().units(), "skim": ReaderUnit(self.small.update, widths), "policy": policy}

    def step(self, batch: Batch) -> None:
        """Decide, then read the current token in full or skim it, and go on to the next."""
        skims = batch.gate("policy", batch.inputs, batch.state[0], bar=logit(self.threshold))
        batch.blend(skims, on="skim", off="cell")
        batch.move(1)


class SkimRnn(TrainedReader):
    """Trained end to end with relaxed choices and a price on reading, as in the paper; so is the threshold as a knob.

    Some batches are read in full, which is ours: a cell that only ever reads some words is no good at reading all.
    Choices where the paper leaves room: the cell's memory is skimmed as its output is; forget gates start with a bias
    of 1; words are embedded by the backbone's table, scaled, and the table is trained on.
    """

    name = "skimrnn"
    family = "skimming"
    title = "Skim-RNN: neural speed reading"
    paper = "Seo et al. 2018, Neural Speed Reading via Skim-RNN, https://arxiv.org/abs/1711.02085"
    summary = (
        "A large cell reads the words that matter, and a small one skims the rest, updating a part of the state "
        "alone. Which of the two takes a word is decided from the word and the state so far. Skimmed words cost a "
        "fraction."
    )
    options = SkimRnnOptions
    knobs = {
        "threshold": {"type": "float", "low": 0, "high": 1, "help": "what p_skim must exceed: 1 reads all, 0 skims all"}
    }
    reader, shares = SkimRnnNetwork, ("whole",)
    thresholds = (0.0, 0.1, 0.5, 0.9, 1.0)

    def halfway(self, low: float, high: float) -> float | None:
        return even_odds(low, high)
