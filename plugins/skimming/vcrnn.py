"""VCRNN and VCGRU: before each token a scheduler says how many dimensions of the state it updates.

Jernite, Grave, Joulin and Mikolov, "Variable Computation in Recurrent Neural Networks", ICLR 2017, arXiv 1611.06188.
m_t = σ(u·h + v·x + b); the cell reads the first d = ⌊m_t D⌋ dimensions of the state and the token, makes the first d of
the next state, and copies the rest. Training masks dimension i by σ(λ (m_t D - i)), λ rising, and adds β Σ |m_t - m̄|.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elue.modeling.options import option
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.cells import CutCell
from elue.modeling.reading.gates import logit
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.method import ALWAYS, FullReadingFirst, SpeedOptions
from elue.modeling.reading.trial import Trial
from elue.modeling.reading.units import ReaderUnit, State
from elue.protocol import TaskInfo

SURE = logit(1 - 2**-53)  # where a sigmoid is 1


@dataclass(frozen=True, kw_only=True)
class VcRnnOptions(SpeedOptions):
    cell: str = option("gru", "kind of the recurrent cell", choices=("gru", "rnn"))
    levels: int = option(16, "numbers of dimensions that there are to choose from", 1)
    share: float = option(0.35, "m̄, share of dimensions that training aims to update", 0.0)
    share_weight: float = option(0.05, "β, weight of the distance from that share, summed over tokens", 0.0)


class VcRnnNetwork(TrialNetwork):
    """The cell, whose weights are cut, and the scheduler. `lean` is the point's."""

    cell: CutCell

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: VcRnnOptions) -> None:
        super().__init__(words, task, options)
        self.options, self.lean = options, 0.0
        self.cell = CutCell(options.cell, words.embedding_dim, options.size)
        self.scheduler = nn.Linear(options.size + words.embedding_dim, 1)
        self.levels = min(options.levels, options.size)
        self.bars = [logit(level / self.levels) for level in range(1, self.levels)] + [SURE]
        self.sizes = [options.size * level // self.levels for level in range(self.levels + 1)]

    def leaning(self, word: Tensor, output: Tensor) -> Tensor:
        """The logit of m_t, (batch,)."""
        return self.scheduler(torch.cat([output, word], 1)).squeeze(1)

    def taken(self, word: Tensor, output: Tensor, size: int | Tensor) -> State:
        """The cell on so many dimensions, or in training on a share of them, (batch, 1)."""
        if isinstance(size, int):
            return self.cell.first(word, output, size)
        return self.cell.masked(word, output, size, 0.1 + 0.9 * self.progress)

    def units(self) -> dict[str, ReaderUnit]:
        """Head, "cell" on so many dimensions, and "scheduler": the logit of m_t."""
        widths = self.words.embedding_dim, self.cell.size
        cell, scheduler = (
            ReaderUnit(self.taken, widths, mixed=self.cell.several),
            ReaderUnit(self.leaning, widths, listed=True),
        )
        return {**super().units(), "cell": cell, "scheduler": scheduler}

    def relaxed(self, unit: str, leaning: Tensor) -> Tensor:
        return leaning.sigmoid()

    def step(self, batch: Batch) -> None:
        """Ask how many dimensions the token is to update, update them, and go on to the next."""
        known, lean = (batch.inputs, batch.state[0]), ALWAYS if self.full else self.lean
        amount = batch.graded("scheduler", *known, bars=self.bars, sizes=self.sizes, lean=lean, sure=self.full)
        batch.through("cell", amount)
        batch.move(1)

    def share(self, trial: Trial, lengths: Tensor) -> Tensor:
        """The share of the products that the cell does, to those on all dimensions."""
        width, size = self.words.embedding_dim, self.cell.size
        products = [sum(n * d * (d + min(d, width)) for _, (d,), n in own) for own in trial.sized()]
        return torch.tensor(products, device=lengths.device) / (lengths * size * (size + min(size, width)))

    def price(self, trial: Trial, lengths: Tensor) -> Tensor:
        """β times how far m_t, in validation ⌊m_t D⌋ / D, is from m̄, summed over tokens; once less is to be done."""
        far, m = super().price(trial, lengths), self.options.share
        if not self.training and not self.full:
            apart = [sum(n * (abs(d / self.cell.size - m) - m) for _, (d,), n in own) for own in trial.sized()]
            far = far + m * lengths + torch.tensor(apart, device=lengths.device)
        for made in trial.gates:
            far = far.index_add(0, made.numbers, (made.share - m).abs().to(far.dtype))
        return self.options.share_weight * far


class VcRnn(FullReadingFirst):
    """A scheduler and cut cells, trained after the network has learned to update all dimensions.

    Differences: that first phase; d is a multiple of D / levels, so that texts read side by side share cells; λ rises
    from .1 to 1 in equal steps. Token dimensions beyond D are left out, as in the paper. The scheduler's bias is ours.
    """

    name = "vcrnn"
    family = "skimming"
    title = "VCRNN: variable computation in recurrent networks"
    paper = "Jernite et al. 2017, Variable Computation in Recurrent Neural Networks, https://arxiv.org/abs/1611.06188"
    summary = (
        "Before each word a scheduler says how many dimensions of the state it updates. The cell reads and makes only "
        "these, and the others are copied. A word that updates half of them costs a quarter."
    )
    options = VcRnnOptions
    knobs = {"lean": {"type": "float", "help": "added to the scheduler's logit: high updates all, low nothing"}}
    reader, shares = VcRnnNetwork, ("share",)
