"""Leap-LSTM: a small network decides for each word whether to skip it, by what precedes, the word, and what follows.

Huang, Shen and Deng, "Long Text Classification via Leap-LSTM", IJCAI 2019, arXiv 1905.11558. What follows is told by a
tiny reverse LSTM over the whole text, at the word after, and by convolutions of widths 3, 4 and 5 around the word.
Training mixes the old and the new state by a Gumbel-softmax at a temperature of 0.1, end to end, and adds
λ · (r - target)², r being the share of words skipped in the whole batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling.options import option
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.chunks import around, backwards
from elue.modeling.reading.gates import drawn_share, logit
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.method import TrainedReader
from elue.modeling.reading.network import ReaderOptions
from elue.modeling.reading.trial import Trial
from elue.modeling.reading.units import ReaderUnit
from elue.modeling.sweep import even_odds
from elue.protocol import TaskInfo

TEMPERATURE, WIDTHS = 0.1, (3, 4, 5)


@dataclass(frozen=True, kw_only=True)
class LeapLstmOptions(ReaderOptions):
    TINY: ClassVar[dict[str, Any]] = {**ReaderOptions.TINY, "filters": 8, "hidden": 16, "reverse": 4}

    filters: int = option(60, "filters of each convolution", 1)
    reverse: int = option(10, "size of the reverse LSTM", 1)
    hidden: int = option(100, "inner width of the decision", 1)
    skipped: float = option(0.6, "share of words that training aims to skip", 0.0)
    rate_weight: float = option(1.0, "λ, weight of the squared distance from that share", 0.0)


class LeapLstmNetwork(TrialNetwork):
    """The cell, what looks ahead, and the decision. `threshold` is what the chance to skip has to exceed."""

    ahead = ("reverse", "context")

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: LeapLstmOptions) -> None:
        super().__init__(words, task, options)
        self.options, width = options, words.embedding_dim
        self.reverse = nn.LSTM(width, options.reverse)
        self.context = nn.ModuleList(nn.Conv1d(width, options.filters, span, padding="same") for span in WIDTHS)
        self.seen = options.reverse + len(WIDTHS) * options.filters
        self.inner = nn.Linear(options.size + width + self.seen, options.hidden)
        self.outer = nn.Linear(options.hidden, 2)  # to keep, to skip

    def leaning(self, output: Tensor, word: Tensor, seen: Tensor) -> Tensor:
        """The logit of skipping, (batch,), by the output before, the word and what follows."""
        logits = self.outer(F.relu(self.inner(torch.cat([output, word, seen], 1))))
        return logits[:, 1] - logits[:, 0]

    def units(self) -> dict[str, ReaderUnit]:
        """Cell and head, "reverse" and "context" on whole texts, and "decide": the logit of skipping."""
        size, width = self.cell.size, self.words.embedding_dim
        decide = ReaderUnit(self.leaning, (size, width, self.seen), listed=True)
        looks = partial(backwards, self.reverse), partial(around, self.context)
        reverse, context = (ReaderUnit(look, (width,), chunked=True) for look in looks)
        return {**super().units(), "reverse": reverse, "context": context, "decide": decide}

    def relaxed(self, unit: str, leaning: Tensor) -> Tensor:
        return drawn_share(leaning, TEMPERATURE)

    def step(self, batch: Batch) -> None:
        """Decide, read the current word or leave the state, and go on to the next."""
        skips = batch.gate("decide", batch.state[0], batch.inputs, batch.ahead, bar=logit(self.threshold))
        batch.blend(skips, on=None, off="cell")
        batch.move(1)

    def lesson(self, trial: Trial, logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        skipped, _ = trial.totals("decide")
        return self.common_price({"read": 1 - skipped / lengths, "tokens": lengths})

    def common_price(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """What the share of words skipped in all texts together costs."""
        skipped = 1 - (outputs["read"] * outputs["tokens"]).sum() / outputs["tokens"].sum()
        return self.options.rate_weight * (skipped - self.options.skipped) ** 2


class LeapLstm(TrainedReader):
    """Soft decisions in training, hard ones at inference.

    Differences: the release draws and mixes softly at inference as well; one linear map is the head, where there are
    two; dropout on outputs is left out; words are embedded by the backbone's table, scaled and trained on. Thresholds
    other than 0.5 are our knob. What looks ahead and decides runs for every word: with the sizes of the paper that is
    43 % of a step, which no skip saves.
    """

    name = "leap_lstm"
    family = "skimming"
    title = "Leap-LSTM: skip words, told by what follows"
    paper = "Huang et al. 2019, Long Text Classification via Leap-LSTM, https://arxiv.org/abs/1905.11558"
    summary = (
        "For each word a small network decides whether the large cell reads it, from the text before, the word and a "
        "glance at what follows. Skipped words leave the state as it is. The glance is paid for every word."
    )
    options = LeapLstmOptions
    knobs = {
        "threshold": {"type": "float", "low": 0, "high": 1, "help": "chance to skip that must be exceeded: 1 reads all"}
    }
    reader, shares = LeapLstmNetwork, ("skipped",)
    thresholds = (0.0, 0.1, 0.5, 0.9, 1.0)

    def halfway(self, low: float, high: float) -> float | None:
        return even_odds(low, high)
