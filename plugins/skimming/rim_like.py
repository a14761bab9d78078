"""RIM-like reading: a glance at each sentence says whether it is read, and after one that was, whether that is enough.

After Li X. et al., "Teach Machine How to Read: Reading Behavior Inspired Relevance Estimation", SIGIR 2019, of which we
know the abstract alone: heuristics of human readers, of which selective reading and early stopping are learned by
reinforcement. Of a question q, the second text, and a sentence's words in the mean, u, and the relevance so far, h,
[q ⊙ u; |q - u|; u; h] says whether it is read; a cell goes through its words to s, and h = GRU([q ⊙ s; |q - s|; s], h).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from elue.modeling.options import option
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.bounds import MARKS, pieces
from elue.modeling.reading.chunks import by_length
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.method import ALWAYS, FullReadingFirst, SpeedOptions
from elue.modeling.reading.policy import against_mean, losses_of
from elue.modeling.reading.relevance import Relevance, match
from elue.modeling.reading.trial import Trial
from elue.modeling.reading.units import ReaderUnit, State
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class RimLikeOptions(SpeedOptions):
    TINY: ClassVar[dict[str, Any]] = {**SpeedOptions.TINY, "longest": 4, "relevance": 32}

    longest: int = option(8, "tokens of a sentence at most; it ends at , . ! ? before", 1)
    relevance: int = option(128, "size of the state that takes sentences in", 1)
    reading_cost: float = option(0.2, "what reading all of a text takes from the reward", 0.0)
    policy_weight: float = option(0.1, "weight of the decisions' loss beside the task's", 0.0)


class RimLikeNetwork(TrialNetwork):
    """The cells and two decisions. `read_lean` and `on_lean` are those of the point."""

    copies = 2
    marks: Tensor

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: RimLikeOptions) -> None:
        super().__init__(words, task, options)
        self.options, self.read_lean, self.on_lean, width = options, 0.0, 0.0, words.embedding_dim
        del self.cell
        self.cells = Relevance(options.cell, width, options.size, options.relevance)
        self.select, self.stop = nn.Linear(3 * width + options.relevance, 2), nn.Linear(options.relevance, 2)
        self.head = nn.Linear(options.relevance, task.outputs)
        self.register_buffer("marks", torch.full((len(MARKS),), -1))

    def start(self, count: int) -> State:
        return self.cells.start(count)

    def units(self) -> dict[str, ReaderUnit]:
        """Head, "start", "question", "glance" and "read" on chunks, "select": skip or read, "stop": go on or stop."""
        width, relevance, cells = self.words.embedding_dim, self.options.relevance, self.cells
        runs = by_length(cells.question), cells.sentences
        question, read = (ReaderUnit(run, (width, *cells.widths), chunked=True) for run in runs)
        glance = ReaderUnit(by_length(lambda words: words.mean(1)), (width,), chunked=True)
        selects = lambda glance, asked, known: self.select(torch.cat([match(asked, glance), known], 1))  # noqa: E731
        select = ReaderUnit(selects, (width, width, relevance), listed=True)
        stop, head = (ReaderUnit(run, (relevance,), listed=True) for run in (self.stop, self.answers))
        asked = {"start": ReaderUnit(partial(cells.start, 1), ()), "question": question, "select": select}
        return {**asked, "glance": glance, "read": read, "stop": stop, "head": head}

    def step(self, batch: Batch) -> None:
        """Glance at the next sentence, read it or not, and stop or go on, as long as there is another."""
        batch.question("question")
        for text in (text for text in batch.readings if not text.turns):
            text.notes["pieces"] = pieces(text.ids[: text.second or None], self.marks.tolist(), self.options.longest)
        spans = [text.notes["pieces"].pop(0) for text in batch.readings]
        glances, lean = batch.look("glance", spans), {1: ALWAYS if self.full else self.read_lean}
        reads = batch.choose("select", glances, batch.state[-1], batch.state[0], lean=lean)
        rows = [row for row, read in enumerate(reads) if read]
        batch.take("read", [spans[row] for row in rows], rows)
        places = [text.notes["pieces"][0][0] if text.notes["pieces"] else -1 for text in batch.readings]
        rows, lean = [row for row in rows if places[row] >= 0], {0: ALWAYS if self.full else self.on_lean}
        for row, stop in zip(rows, batch.choose("stop", batch.state[0], rows=rows, lean=lean), strict=True):
            places[row] = -1 if stop else places[row]
        batch.go(places)

    def share(self, trial: Trial, lengths: Tensor) -> Tensor:
        return (trial.counts("read") + trial.counts("question")) / lengths

    def spent(self, trial: Trial, lengths: Tensor) -> Tensor:
        return self.options.reading_cost * self.share(trial, lengths)

    def lesson(self, trial: Trial, logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        losses = losses_of(logits, labels, self.task) + self.spent(trial, lengths)
        return self.options.policy_weight * against_mean(trial, losses)


class RimLike(FullReadingFirst):
    """Published as ours: that reading is selective and stops early is the paper's, equations and training are not.

    A text is cut at punctuation, and after some tokens without. The question, a second text, is read in any case; where
    there is none it is learned. Rewarded are a low loss and a low share of words read, against the mean of two readings
    of a text, after a phase that reads all. Where nothing was read the start answers. Biases of both are our knobs.
    """

    name = "rim_like"
    family = "skimming"
    title = "RIM-like reading: glance, read what is relevant, stop"
    paper = "after Li et al. 2019, Teach Machine How to Read, https://doi.org/10.1145/3331184.3331205"
    summary = (
        "A glance at the next sentence says whether it matters to the question, a second text. Only then it is read, "
        "and after it the reading may stop. A glance costs next to nothing, and words have a price in training."
    )
    options = RimLikeOptions
    knobs = {
        "read_lean": {"type": "float", "help": "added to the logit of reading a sentence: high reads, low skips"},
        "on_lean": {"type": "float", "help": "added to the logit of going on: high never stops early"},
    }
    reader, deciding = RimLikeNetwork, ("select.", "stop.", "cells.asked.1")
