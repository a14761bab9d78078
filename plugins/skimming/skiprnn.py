"""Skip RNN: after each token the network says how soon its state is to be updated again, and skips until then.

Campos et al., "Skip RNN: Learning to Skip State Updates in Recurrent Neural Networks", ICLR 2018. With update
probability p, u_t = 1 where p_t >= 0.5: the cell takes in token t. Where u_t = 0 the state is copied. With
Δp = σ(W s + b) of the state after an update, p_{t+1} = Δp after an update and p_t + min(Δp, 1 - p_t) after a skip
(eq. 2-6). p_1 = 1, so the first token is always read. As in the released code the start state is learned, an LSTM's
forget gate starts with a bias of 1, as b does, and s is an LSTM's memory rather than its output.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from elue.modeling.options import option
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.method import TrainedReader
from elue.modeling.reading.network import ReaderOptions
from elue.modeling.reading.trial import Trial
from elue.modeling.reading.units import ReaderUnit, State
from elue.modeling.sweep import ratio_middle
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class SkipRnnOptions(ReaderOptions):
    cost: float = option(0.001, "λ, what one update of the state costs in the loss", 0.0)
    bias: float = option(1.0, "b at the start: above 0 every token is read")


class SkipRnnNetwork(TrialNetwork):
    """The cell, and W and b, which tell Δp. `threshold` is what p has to reach."""

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: SkipRnnOptions) -> None:
        super().__init__(words, task, options)
        self.cost = options.cost
        self.initial = nn.Parameter(torch.zeros(self.cell.parts, options.size))
        self.policy = nn.Linear(options.size, 1)
        nn.init.constant_(self.policy.bias, options.bias)

    def start(self, count: int) -> State:
        """The state before the first token, which is learned."""
        return tuple(part.expand(count, -1).clone() for part in self.initial)

    def wait(self, memory: Tensor) -> Tensor:
        """For memories of the cell (batch, size) how many tokens on p reaches the threshold, not rounded up."""
        return self.threshold / self.policy(memory).sigmoid().squeeze(-1)

    def units(self) -> dict[str, ReaderUnit]:
        """Cell and head, "start": the state at the start, and "policy": the wait after an update."""
        policy = ReaderUnit(self.wait, (self.cell.size,), listed=True)
        return {**super().units(), "start": ReaderUnit(partial(self.start, 1), ()), "policy": policy}

    def step(self, batch: Batch) -> None:
        """Update the state and wait for the next token that is to be read; what lies between is never looked at."""
        batch.update("cell")
        batch.wait("policy", batch.state[-1], bar=self.threshold)

    def share(self, trial: Trial, lengths: Tensor) -> Tensor:
        updates, _ = trial.totals("policy")
        return updates / lengths

    def price(self, trial: Trial, lengths: Tensor) -> Tensor:
        """An update costs λ."""
        updates, _ = trial.totals("policy")
        return self.cost * updates


class SkipRnn(TrainedReader):
    """Trained end to end with straight-through gates and a price on every update, as in the paper.

    Thresholds other than 0.5 are our extension, to get a curve from one set of weights: the paper trains one model for
    each λ. While tokens are skipped the state, and so Δp, stays what it is, so that the number of tokens to skip is
    known at once and they are never looked at.

    Differences from the paper and its code: words are embedded by the backbone's table, scaled, and the table is
    trained on; one layer of cells; at inference p is not summed step by step, but the wait told by a division.
    """

    name = "skiprnn"
    family = "skimming"
    title = "Skip RNN: learning to skip state updates"
    paper = "Campos et al. 2018, Skip RNN, https://arxiv.org/abs/1708.06834"
    summary = (
        "A gate beside the recurrent cell says how soon its state is to be updated again. Until then words are passed "
        "over without any computation. The budget term of its training sets how many are read."
    )
    options = SkipRnnOptions
    knobs = {
        "threshold": {"type": "float", "low": 0, "help": "what p has to reach: 0 reads all, above 1 the first alone"}
    }
    reader = SkipRnnNetwork
    thresholds = (0.0, 0.25, 0.5, 0.75, 1.0, 1.5)

    def halfway(self, low: float, high: float) -> float | None:
        """By their ratio: the wait is a threshold over Δp, which lies in any order of magnitude."""
        return ratio_middle(low, high) if high <= 1 else None
