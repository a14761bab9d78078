"""Focused hierarchical RNN: a gate lets only some tokens through to an upper cell, whose states are attended to.

Ke et al., "Focused Hierarchical RNNs for Conditional Sequence Processing", ICML 2018, arXiv 1806.04342. A lower LSTM
reads every token; b_t ~ Bernoulli(σ(w·φ(W [q ⊙ h; h; q]))) says whether the upper one takes its output in. Attention by
the question q over upper states answers. Its reward is log-likelihood less a cost times ReLU(Σ_t b_t / T - γ).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from elue.modeling.options import option
from elue.modeling.reading.agents import layers
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.cells import Cell
from elue.modeling.reading.chunks import by_length
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.memory import empty, kept, recalled
from elue.modeling.reading.method import ALWAYS, FullReadingFirst, SpeedOptions
from elue.modeling.reading.policy import against_mean, losses_of
from elue.modeling.reading.trial import Trial
from elue.modeling.reading.units import ReaderUnit, State
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class FocusedOptions(SpeedOptions):
    inner: int = option(64, "inner width of the gate", 1)
    let: float = option(0.3, "γ, share of the tokens that may pass for nothing", 0.0)
    excess_cost: float = option(0.5, "what passing all of a text beyond that takes from the reward", 0.0)
    gate_weight: float = option(0.1, "weight of the gate's loss beside the task's", 0.0)


class FocusedNetwork(TrialNetwork):
    """Both cells and the gate. A state is those of both cells, the sums of the attention, and the question."""

    copies = 2

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: FocusedOptions) -> None:
        super().__init__(words, task, options)
        self.options, self.lean, size = options, 0.0, options.size
        self.upper, self.gate = Cell(options.cell, size, size), layers(3 * size, options.inner, 2)
        self.question = nn.Parameter(torch.randn(size) / size**0.5)

    def start(self, count: int) -> State:
        lower, upper = self.cell.start(count), self.upper.start(count)
        return (*lower, *upper, *empty(upper[0]), self.question.expand(count, -1).clone())

    def asked(self, words: Tensor, *state: Tensor) -> State:
        """The state where the question is a second text, (texts, tokens, width): what the lower cell makes of it."""
        return (*state[:-1], self.cell.through(words, *self.cell.start(len(words)))[0])

    def below(self, word: Tensor, *state: Tensor) -> State:
        return (*self.cell(word, *state[: self.cell.parts]), *state[self.cell.parts :])

    def above(self, lower: Tensor, *upper: Tensor) -> State:
        """The upper state and sums after the upper cell took in the lower output, attended to by the question."""
        made = self.upper(lower, *upper[: self.cell.parts])
        return (*made, *kept(upper[self.cell.parts : -1], made[0], (made[0] * upper[-1]).sum(1, keepdim=True)))

    def final(self, state: State) -> Tensor:
        return torch.cat([state[0], *state[-3:-1]], 1)

    def logits(self, final: Tensor) -> Tensor:
        """Of what is attended to; of the lower output where nothing passed."""
        lower, weight, total = final.split([self.cell.size, 1, self.cell.size], 1)
        return self.head(recalled(weight, total, lower))

    def units(self) -> dict[str, ReaderUnit]:
        """Head, "lower" and "upper" cells, and "gate": logits of leaving the upper state and of taking a token in."""
        size, widths = self.cell.size, (self.words.embedding_dim, *(part.shape[1] for part in self.start(1)))
        taken = (0, *(made := range(self.cell.parts, len(widths) - 2)), len(widths) - 2)
        upper = ReaderUnit(self.above, tuple(widths[1 + place] for place in taken), takes=taken, makes=made)
        passes = lambda output, question: self.gate(torch.cat([question * output, output, question], 1))  # noqa: E731
        head, gate = ReaderUnit(self.answers, (2 * size + 1,), True), ReaderUnit(passes, (size, size), True)
        start, asked = ReaderUnit(partial(self.start, 1), ()), ReaderUnit(by_length(self.asked), widths, chunked=True)
        cells = {"lower": ReaderUnit(self.below, widths), "upper": upper}
        return {"start": start, "question": asked, "head": head, **cells, "gate": gate}

    def step(self, batch: Batch) -> None:
        """Read a token, pass it on or not, and go on to the next; a question is read before."""
        batch.question("question")
        batch.update("lower")
        passed = batch.choose("gate", batch.state[0], batch.state[-1], lean={1: ALWAYS if self.full else self.lean})
        batch.update("upper", passed.nonzero()[0])
        batch.move(1 - (batch.column("at") + 1 == batch.column("second")))

    def share(self, trial: Trial, lengths: Tensor) -> Tensor:
        return trial.counts("upper") / trial.counts("lower")

    def spent(self, trial: Trial, lengths: Tensor) -> Tensor:
        return self.options.excess_cost * (self.share(trial, lengths) - self.options.let).clamp(min=0)

    def lesson(self, trial: Trial, logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        losses = losses_of(logits, labels, self.task) + self.spent(trial, lengths)
        return self.options.gate_weight * against_mean(trial, losses)


class Focused(FullReadingFirst):
    """After the paper: its structure; formulas of gate, baseline and sparsity are ours, as no code is known.

    A pair's second text is the question, else one is learned; two readings of a text are each other's baseline, after a
    phase that passes all; where nothing passes the last lower state answers. The lower cell, which reads all, is paid.
    """

    name = "focused"
    family = "skimming"
    title = "Focused hierarchical RNN"
    paper = "Ke et al. 2018, Focused Hierarchical RNNs, https://arxiv.org/abs/1806.04342"
    summary = (
        "A lower cell reads every word, and a gate says which of them an upper cell takes in. Attention over the "
        "upper states answers. The gate learns from right answers and from what passes beyond a share."
    )
    options = FocusedOptions
    knobs = {"lean": {"type": "float", "help": "added to the logit of passing on: high passes all, low nothing"}}
    reader, shares, deciding = FocusedNetwork, ("let",), ("gate.",)
