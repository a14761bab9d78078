"""A text read sentence by sentence beside a question, and how relevant to it all that was read is."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from elue.modeling.reading.cells import Cell
from elue.modeling.reading.chunks import Chunks, in_turn
from elue.modeling.reading.units import State


def match(question: Tensor, other: Tensor) -> Tensor:
    """What two vectors, (batch, width), have in common and what not, and the other one: (batch, 3 width)."""
    return torch.cat([question * other, (question - other).abs(), other], 1)


class Relevance(nn.Module):
    """A cell that goes through words, and a GRU that takes in how its output at a sentence's end matches the question.

    A state is the GRU's, the cell's, the question by the cell and by its words in the mean: (batch, relevance),
    (batch, size), once more for an LSTM, (batch, size) and (batch, width).
    """

    def __init__(self, kind: str, width: int, size: int, relevance: int) -> None:
        super().__init__()
        self.cell, self.relevance = Cell(kind, width, size), Cell("gru", 3 * size, relevance)
        self.asked = nn.ParameterList([torch.randn(n) / n**0.5 for n in (size, width)])
        self.widths = (relevance, *[size] * self.cell.parts, size, width)

    def start(self, count: int) -> State:
        """The states at the start: nothing is relevant yet, and the question is one that is learned."""
        asked = (part.expand(count, -1).clone() for part in self.asked)
        return (*self.relevance.start(count), *self.cell.start(count), *asked)

    def question(self, words: Tensor, *state: Tensor) -> State:
        """The states where the question is a second text, (texts, tokens, width)."""
        output, *_ = self.cell.through(words, *self.cell.start(len(words)))
        return (*state[:-2], output, words.mean(1))

    def sentences(self, chunks: Chunks, *state: Tensor) -> State:
        """The states after sentences, (tokens, width) each, were read."""
        relevance, *before, question, asked = state
        output, *rest = in_turn(self.cell, chunks, before)
        return (*self.relevance(match(question, output), relevance), output, *rest, question, asked)
