"""LSTM-Shuttle: after every R tokens the network draws how far to go on, or back.

Fu and Ma, "Speed Reading: Learning to Read ForBackward via Shuttle", EMNLP 2018. A chunk of R tokens from place p is
read, up to e; then softmax(W h + b) over 2K+1 classes says the step s of -K to K: 0 stops, s > 0 goes on at e + s - 1,
and s < 0 goes back to p + s. The text ends where that is outside of it, before its start as well, or after N chunks.
The loss is cross-entropy over drawn paths, and Σ -log π · (R - b) over the number of decisions in the batch; the reward
R is 1 for a right answer and -1 for a wrong one, and b the running mean of the batches' rewards so far.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from elue.modeling.options import option
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.method import ALWAYS, BUDGETS, JumpingReader
from elue.modeling.reading.network import ReaderOptions
from elue.modeling.reading.policy import reward_of
from elue.modeling.reading.trial import Trial
from elue.modeling.reading.units import ReaderUnit
from elue.protocol import Point, TaskInfo

UNLIMITED = 10_000  # chunks that no text has


@dataclass(frozen=True, kw_only=True)
class LstmShuttleOptions(ReaderOptions):
    TINY: ClassVar[dict[str, Any]] = {**ReaderOptions.TINY, "chunk": 2, "farthest": 4}

    chunk: int = option(4, "R, tokens read before each decision", 1)
    farthest: int = option(8, "K, the farthest step, on or back", 1)
    chunks: int = option(6, "N, chunks a text at most, in training", 1)


class LstmShuttleNetwork(TrialNetwork):
    """The cell and the softmax over steps. `chunks` and `lean` are those of the point."""

    copies = 4
    rewards: Tensor

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: LstmShuttleOptions) -> None:
        super().__init__(words, task, options)
        self.options, self.chunks, self.lean = options, options.chunks, 0.0
        self.shuttle = nn.Linear(options.size, 2 * options.farthest + 1)
        self.register_buffer("rewards", torch.zeros(2, dtype=torch.double))  # sum over batches, number of batches

    def units(self) -> dict[str, ReaderUnit]:
        """Cell, head and "shuttle": the logits of steps from -K to K."""
        return {**super().units(), "shuttle": ReaderUnit(self.shuttle, (self.cell.size,), listed=True)}

    def bound(self, tokens: int) -> int:
        return max(1, self.chunks * self.options.chunk)

    def step(self, batch: Batch) -> None:
        """Read a token; after R of them, or at the end of the text, go on or back, if chunks are left."""
        batch.update("cell")
        at, start, farthest = batch.column("at"), batch.column("start"), self.options.farthest
        due = at + 1 == np.minimum(start + self.options.chunk, batch.column("length"))
        batch.note("chunks", batch.column("chunks") + due)
        places, left = at + 1, batch.column("chunks") < self.chunks
        places[due & ~left] = -1
        asked, lean = (due & left).nonzero()[0], {farthest + 1: self.lean}
        by = batch.choose("shuttle", batch.state[0], rows=asked, lean=lean) - farthest
        start[asked] = np.where(by > 0, at[asked], start[asked]) + by
        places[asked] = np.where(by == 0, -1, start[asked])
        batch.note("start", start)
        batch.go(places)

    def lesson(self, trial: Trial, logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        rewards = reward_of(logits, labels, self.task)
        if self.training:
            self.rewards += torch.stack([rewards.mean().double(), rewards.new_ones(()).double()])
        baseline = (self.rewards[0] / self.rewards[1].clamp(min=1)).to(rewards.dtype)
        terms = [-decision.log_p * (rewards[decision.numbers] - baseline) for decision in trial.decisions]
        return torch.cat(terms).mean() if terms else logits.new_zeros(())


class LstmShuttle(JumpingReader):
    """Cross-entropy and REINFORCE with a running mean as baseline, over four drawn paths a text.

    Differences from the authors' notebook: one layer of cells and a linear head, where there are two and a small
    network; four paths, where there are 16; R and K are small as sentences are short, where it has 20 and 40 on IMDB;
    words are embedded by the backbone's table, scaled and trained on, where it keeps spaCy's as they are; the decision
    after the N-th chunk is not made; no dropout. A bias on reading on, the step of 1, is our knob beside N.
    """

    name = "lstm_shuttle"
    family = "skimming"
    title = "LSTM-Shuttle: read a little, then go on or back"
    paper = "Fu and Ma 2018, Speed Reading: Learning to Read ForBackward via Shuttle, https://aclanthology.org/D18-1474"
    summary = (
        "After every few words the network says how far to go on or back in the text, or that it has read enough. "
        "Words passed over are never looked at, those gone back to are paid again. It learns from right answers."
    )
    options = LstmShuttleOptions
    knobs = {
        "chunks": {"type": "int", "low": 1, "help": "chunks a text at most"},
        "lean": {"type": "float", "help": "added to the logit of reading on: high reads all, low shuttles or stops"},
    }
    reader = LstmShuttleNetwork

    def leaning(self, network: Any, lean: float) -> Point:
        """As many chunks as in training, or any number where none is read twice."""
        return {"chunks": UNLIMITED if lean == ALWAYS else network.options.chunks, "lean": lean}

    def candidates(self, network: Any) -> tuple[Sequence[Point], Sequence[Point]]:
        """So many chunks from the start; a chunk alone, the trained setting and all of the text once in any case."""
        always: list[Point] = [{"chunks": 1, "lean": 0.0}, {"chunks": network.options.chunks, "lean": 0.0}]
        return [{"chunks": n, "lean": ALWAYS} for n in BUDGETS[1:]], [*always, {"chunks": UNLIMITED, "lean": ALWAYS}]
