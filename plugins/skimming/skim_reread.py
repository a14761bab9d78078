"""Skim, re-read and stop early: after each chunk of a text, stop, read it again, read on, or skip ahead.

Yu K., Liu, Schwing and Peng, "Fast and Accurate Text Classification: Skimming, Rereading and Early Stopping", ICLR 2018
workshop. A convolution and an LSTM read a chunk; a policy stops or goes on, and where it goes on another says by how
many chunks, 0 to K: 0 reads the same again, 1 reads on. Rewards are -α · F for what a chunk cost and at the end minus
the loss of the answer; a critic tells what is still to come of both.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling.options import option
from elue.modeling.reading.agents import layers
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.cells import Cell
from elue.modeling.reading.chunks import by_length
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.method import ALWAYS, FullReadingFirst, SpeedOptions
from elue.modeling.reading.policy import losses_of, of_critics, priced
from elue.modeling.reading.trial import Trial
from elue.modeling.reading.units import ReaderUnit, State
from elue.protocol import TaskInfo

AGAIN = 2  # how many times a text's chunks may be read


@dataclass(frozen=True, kw_only=True)
class SkimRereadOptions(SpeedOptions):
    TINY: ClassVar[dict[str, Any]] = {**SpeedOptions.TINY, "chunk": 3, "filters": 32, "inner": 32}

    chunk: int = option(8, "tokens of a chunk", 1)
    span: int = option(3, "tokens that the convolution sees at once", 1)
    filters: int = option(128, "filters of the convolution", 1)
    inner: int = option(128, "width of the policies' layers", 1)
    farthest: int = option(3, "K, how many chunks on at most", 1)
    reading_cost: float = option(0.2, "α, what reading all of a text once takes from the reward", 0.0)
    policy_weight: float = option(0.1, "weight of the policies' loss beside cross-entropy", 0.0)


class SkimRereadNetwork(TrialNetwork):
    """Convolution, cell, the policies and the critic. `on_lean` and `next_lean` are those of the point."""

    work = "chunk"

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: SkimRereadOptions) -> None:
        super().__init__(words, task, options)
        size, inner = options.size, options.inner
        self.options, self.on_lean, self.next_lean, self.fee = options, 0.0, 0.0, options.reading_cost
        self.convolution = nn.Conv1d(words.embedding_dim, options.filters, options.span)
        self.cell = Cell(options.cell, options.filters, size)
        self.stop, self.next = (layers(size, inner, inner, inner, n) for n in (2, options.farthest + 1))
        self.head, self.critic = layers(size, inner, task.outputs), layers(size, inner, inner, 1)

    def chunk(self, words: Tensor, *state: Tensor) -> State:
        """The states after chunks (texts, tokens, width); those shorter than the convolution get zeros at their end."""
        filled = F.pad(words.transpose(1, 2), (0, max(0, self.options.span - words.shape[1])))
        return self.cell.through(F.relu(self.convolution(filled)).transpose(1, 2), *state)

    def units(self) -> dict[str, ReaderUnit]:
        """Head, "chunk", "stop": logits of going on and of stopping, and "next": of 0 to K chunks on."""
        size = (self.cell.size,)
        chunk = ReaderUnit(by_length(self.chunk), (self.words.embedding_dim, *size * self.cell.parts), chunked=True)
        stop, on = (ReaderUnit(policy, size, listed=True) for policy in (self.stop, self.next))
        return {"head": super().units()["head"], "chunk": chunk, "stop": stop, "next": on}

    def step(self, batch: Batch) -> None:
        """Read a chunk; stop, or go on, as long as there may be more chunks."""
        chunk = self.options.chunk
        at = batch.column("at")
        batch.take("chunk", np.stack([at, np.minimum(at + chunk, batch.column("length"))], 1).tolist())
        batch.pay(1 / -(-batch.column("length") // chunk))
        rows = (batch.column("turns") + 1 < batch.column("bound")).nonzero()[0]
        lean = {0: ALWAYS if self.full else self.on_lean}
        rows = rows[batch.choose("stop", batch.state[0], rows=rows, lean=lean) == 0]
        lean, places = {1: ALWAYS if self.full else self.next_lean}, np.full(len(batch), -1)
        by = batch.choose("next", batch.state[0], rows=rows, lean=lean)
        places[rows] = batch.column("at")[rows] + by * chunk
        batch.go(places)

    def bound(self, tokens: int) -> int:
        return AGAIN * -(-tokens // self.options.chunk)

    def lesson(self, trial: Trial, logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        if self.full:
            return super().lesson(trial, logits, labels, lengths)
        rewards = -losses_of(logits, labels, self.task)
        decisions, costs = priced(trial, self.options.reading_cost * rewards.new_ones(len(rewards)))
        policy, critic = of_critics(decisions, rewards, lambda _, state: self.critic(state).squeeze(-1), costs)
        return self.options.policy_weight * policy + critic


class SkimReread(FullReadingFirst):
    """After the paper: three decisions in two policies, and a price on chunks.

    Chunks are small as sentences are short, where the paper has 20 words, and so is the convolution, 3 wide for 5; F is
    a share of reading all once, as α has no effect on costs that are normalised in an episode; rewards aren't
    discounted; cross-entropy trains the head, after a phase that reads all; at most twice a text's chunks are read.
    Biases of both policies are our knobs.
    """

    name = "skim_reread"
    family = "skimming"
    title = "Skimming, re-reading and early stopping"
    paper = "Yu et al. 2018, Skimming, Rereading and Early Stopping, https://openreview.net/forum?id=ryZ8sz-Ab"
    summary = (
        "A text is read in chunks, and after each policies stop, read it again, read on or skip some. Skipped chunks "
        "are never looked at, and those read again are paid again. They learn from the answer's loss and a price."
    )
    options = SkimRereadOptions
    knobs = {
        "on_lean": {"type": "float", "help": "added to the logit of going on: high reads on, low stops"},
        "next_lean": {"type": "float", "help": "added to the logit of the next chunk: high never skips or reads again"},
    }
    reader = SkimRereadNetwork
