"""Jumper: read piece by piece, and jump once, from not knowing to a class.

Liu X. et al., "Jumper: Learning When to Make Classification Decisions in Reading", IJCAI 2018, arXiv 1807.02314. A
convolution with max-pooling tells each sentence, a recurrent controller takes it in, and a policy over {none, class
1..C} says whether the answer is known. The first class it says is the answer, and nothing after it is read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling.kinds import kind_of
from elue.modeling.options import option
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.bounds import MARKS, pieces
from elue.modeling.reading.cells import Cell
from elue.modeling.reading.chunks import by_length
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.method import ALWAYS, FullReadingFirst, SpeedOptions
from elue.modeling.reading.policy import of_critics, priced
from elue.modeling.reading.trial import Trial
from elue.modeling.reading.units import ReaderUnit
from elue.protocol import TaskInfo

SPAN = 3  # tokens that the convolution sees at once


@dataclass(frozen=True, kw_only=True)
class JumperOptions(SpeedOptions):
    TINY: ClassVar[dict[str, Any]] = {**SpeedOptions.TINY, "filters": 32, "longest": 4}

    cell: str = option("gru", "kind of the controller", choices=("lstm", "gru", "rnn"))
    filters: int = option(200, "filters of the convolution", 1)
    longest: int = option(8, "tokens of a piece at most; it ends at , . ! ? before", 1)
    reading_cost: float = option(0.05, "what a piece read takes from the reward", 0.0)
    policy_weight: float = option(0.1, "weight of the policy's loss beside cross-entropy", 0.0)


class JumperNetwork(TrialNetwork):
    """The convolution, the controller as cell, and the policy, whose classes are the head. `lean` is the point's."""

    work = "sentence"
    marks: Tensor

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: JumperOptions) -> None:
        super().__init__(words, task, options)
        self.options, self.lean, self.fee = options, 0.0, options.reading_cost / 2  # of a reward of -1 to 1
        self.convolution = nn.Conv1d(words.embedding_dim, options.filters, SPAN, padding="same")
        self.cell = Cell(options.cell, options.filters, options.size)
        self.head, self.baseline = nn.Linear(options.size, task.outputs + 1), nn.Linear(options.size, 1)
        self.register_buffer("marks", torch.full((len(MARKS),), -1))

    def logits(self, final: Tensor) -> Tensor:
        """Those of the classes alone: none is no answer."""
        return self.head(final)[:, 1:]

    def sentence(self, words: Tensor) -> Tensor:
        """What pieces (texts, tokens, width) say, (texts, filters)."""
        return F.relu(self.convolution(words.transpose(1, 2))).amax(2)

    def units(self) -> dict[str, ReaderUnit]:
        """Cell and head, "sentence" on the tokens of a piece, and "policy": the logits of none and the classes."""
        sentence = ReaderUnit(by_length(self.sentence), (self.words.embedding_dim,), chunked=True)
        policy = ReaderUnit(self.head, (self.cell.size,), listed=True)
        return {**super().units(), "sentence": sentence, "policy": policy}

    def step(self, batch: Batch) -> None:
        """Read a piece; go on to the next, if there is one and the answer isn't known."""
        for reading in batch.readings:
            if "pieces" not in reading.notes:
                reading.notes["pieces"] = pieces(reading.ids, self.marks.tolist(), self.options.longest)
        spans = [reading.notes["pieces"].pop(0) for reading in batch.readings]
        batch.update("cell", inputs=batch.look("sentence", spans))
        batch.pay([1.0] * len(batch))
        places, rows = [-1] * len(batch), [row for row, text in enumerate(batch.readings) if text.notes["pieces"]]
        lean = {0: ALWAYS if self.full else self.lean}
        for row, action in zip(rows, batch.choose("policy", batch.state[0], rows=rows, lean=lean), strict=True):
            batch.readings[row].notes["says"] = action - 1
            places[row] = -1 if action else batch.readings[row].notes["pieces"][0][0]
        batch.go(places)

    def lesson(self, trial: Trial, logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        if self.full:
            return super().lesson(trial, logits, labels, lengths)
        said = torch.tensor([reading.notes.get("says", -1) for reading in trial.all], device=logits.device)
        answers = torch.where(said < 0, logits.argmax(-1), said)
        decisions, costs = priced(trial, self.options.reading_cost * torch.ones_like(logits[:, 0]))
        rewards = 2.0 * (answers == labels) - 1
        policy, baseline = of_critics(decisions, rewards, lambda _, state: self.baseline(state).squeeze(-1), costs)
        return self.options.policy_weight * policy + baseline


class Jumper(FullReadingFirst):
    """After Jumper: its rule; sizes, reward and pieces are ours, as no code is known.

    The reward is 1 for the right class and -1 for another, less a cost for each piece read, by REINFORCE with a linear
    baseline beside cross-entropy, after a phase that reads all. Texts are cut at punctuation and after some tokens, as
    sentence tasks have one sentence. At the end no decision is made: the likeliest class answers. A bias is our knob.
    """

    name = "jumper"
    family = "skimming"
    title = "Jumper: one jump from not knowing to a class"
    paper = "Liu et al. 2018, Jumper, https://arxiv.org/abs/1807.02314"
    summary = (
        "A text is read piece by piece, and after each a policy says that it does not know yet, or names a class. The "
        "first class it names is the answer. Nothing after that is read."
    )
    options = JumperOptions
    knobs = {"lean": {"type": "float", "help": "added to the logit of not knowing yet: high reads all, low a piece"}}
    reader = JumperNetwork

    def supports(self, task: TaskInfo) -> str | None:
        return "it jumps to a class, and a regression has none" if kind_of(task).numbers else None
