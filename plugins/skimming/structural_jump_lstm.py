"""Structural-Jump-LSTM: an agent skips words, another jumps to the next clause, sentence or the end of the text.

Hansen et al., "Neural Speed Reading with Structural-Jump-LSTM", ICLR 2019, arXiv 1904.00761. Before the cell an agent
says whether the word is read or skipped; after a word that was read, another says to go on with the next word, after
the next comma, with the next sentence, or to end. Training reads in full first, then by drawn actions: cross-entropy,
and actor-critic with a reward of max(1[right], p(y)) less w times the share that was read, a skip counting half a read.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from elue.modeling.options import option
from elue.modeling.reading.agents import Agent, Agents, one_hot
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.bounds import MARKS, survey, walk
from elue.modeling.reading.cells import Cell
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.method import ALWAYS, FullReadingFirst, SpeedOptions
from elue.modeling.reading.policy import of_critics, priced, truth_of
from elue.modeling.reading.trial import Trial
from elue.modeling.reading.units import ReaderUnit
from elue.protocol import TaskInfo

COUNTS, SKIP_COST = (2, 4), 0.5
"""Actions of both agents; what a skip costs, in reads."""


@dataclass(frozen=True, kw_only=True)
class StructuralJumpOptions(SpeedOptions):
    inner: int = option(25, "inner width of the agents", 1)
    reading_cost: float = option(0.1, "w, what reading all of a text takes from the reward", 0.0)
    actor_weight: float = option(1.0, "weight of the actors' loss in the second phase", 0.0)


class StructuralJumpNetwork(TrialNetwork):
    """The cell, which is told the last actions, and two agents. `read_lean` and `next_lean` are those of the point."""

    marks: Tensor

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: StructuralJumpOptions) -> None:
        super().__init__(words, task, options)
        self.options, size, width = options, options.size, words.embedding_dim
        self.read_lean, self.next_lean = 0.0, 0.0
        self.cell = Cell(options.cell, width + sum(COUNTS), size)
        skip = Agent(size + width + sum(COUNTS), options.inner, 2)
        self.agents = Agents({"skip": skip, "jump": Agent(size, options.inner, 4)})
        self.register_buffer("marks", torch.full((len(MARKS),), -1))

    def units(self) -> dict[str, ReaderUnit]:
        """Cell and head, "skip": logits of skipping and reading, "jump": of next word, clause, sentence and the end."""
        size, width = self.cell.size, self.words.embedding_dim
        skip = ReaderUnit(self.agents["skip"], (size, width, sum(COUNTS)), listed=True)
        jump = ReaderUnit(self.agents["jump"], (size,), listed=True)
        told = lambda word, actions, *state: self.cell(torch.cat([word, actions], 1), *state)  # noqa: E731
        cell = ReaderUnit(told, (width, sum(COUNTS), *[size] * self.cell.parts))
        return {**super().units(), "cell": cell, "skip": skip, "jump": jump}

    def step(self, batch: Batch) -> None:
        """Skip or read the current word; one that was read may be the last of its clause, sentence or text."""
        fresh = (batch.column("turns") == 0).nonzero()[0]
        for reading in (batch.readings[row] for row in fresh):
            survey(batch.book, reading.line, reading.ids, self.marks.tolist())
        skipped, jumped = batch.column("skipped"), batch.column("jumped")
        actions = one_hot(np.stack([1 - skipped, jumped], 1), COUNTS, batch.device)
        lean = {1: ALWAYS if self.full else self.read_lean}
        reads = batch.choose("skip", batch.state[0], batch.inputs, actions, lean=lean)
        rows, jumps = reads.nonzero()[0], np.zeros_like(reads)
        batch.update("cell", rows, extra=(actions,))
        batch.pay(SKIP_COST + (1 - SKIP_COST) * reads)
        lean = {0: ALWAYS if self.full else self.next_lean}
        jumps[rows] = batch.choose("jump", batch.state[0], rows=rows, lean=lean)
        batch.note("skipped", 1 - reads)
        batch.note("jumped", jumps)
        batch.go(walk(batch.book, batch.lines, jumps))

    def share(self, trial: Trial, lengths: Tensor) -> Tensor:
        skip, cell = (sum(p.numel() for p in part.parameters()) for part in (self.agents["skip"], self.cell))
        return (cell * trial.counts("cell") + skip * trial.counts("skip")) / ((cell + skip) * lengths)

    def spent(self, trial: Trial, lengths: Tensor) -> Tensor:
        return self.options.reading_cost * torch.tensor(trial.paid, device=lengths.device) / lengths

    def lesson(self, trial: Trial, logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        if self.full:
            return 0.1 * self.agents.pushed(trial.decisions, {"skip": [0.0, 1.0], "jump": [1.0, 0.0, 0.0, 0.0]})
        decisions, costs = priced(trial, self.options.reading_cost / lengths)
        actor, critic = of_critics(decisions, truth_of(logits, labels, self.task), self.agents.expected, costs)
        evenly: float = max(0.005, 0.1 - 2 * 0.095 * self.progress)
        even = evenly * self.agents.pushed(trial.decisions, {"skip": [0.5] * 2, "jump": [0.25] * 4})
        return self.options.actor_weight * actor + critic + even


class StructuralJumpLstm(FullReadingFirst):
    """Two agents, trained after the network has learned to read in full.

    Differences: punctuation is a token here, stepped over for nothing, and the ids of , . ! ? tell clauses and
    sentences, where spaCy's splitter does; actors and critics both learn from the reward less the cost still to come,
    where the release's actors take that of the whole, and weigh ten times as much; the network that learns draws; one
    linear head. The backbone's table embeds; no dropout. Costs are per token, also of marks. Both biases are our knobs.
    """

    name = "structural_jump_lstm"
    family = "skimming"
    title = "Structural-Jump-LSTM: skip words, jump by punctuation"
    paper = "Hansen et al. 2019, Neural Speed Reading with Structural-Jump-LSTM, https://arxiv.org/abs/1904.00761"
    summary = (
        "One small agent skips words, another jumps to the next clause, the next sentence or the end of the text. A "
        "skipped word costs the agent alone, a jumped one nothing. They learn from right answers and from the price."
    )
    options = StructuralJumpOptions
    knobs = {
        "read_lean": {"type": "float", "help": "added to the logit of reading a word: high reads, low skips"},
        "next_lean": {"type": "float", "help": "added to the logit of going on with the next word: high never jumps"},
    }
    reader = StructuralJumpNetwork
