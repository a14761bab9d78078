"""What reading methods are built of: a word table, a recurrent cell and a head, and the options of all of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.kinds import kind_of
from elue.modeling.options import CommonOptions, option
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.cells import Cell
from elue.modeling.reading.gates import straight_through
from elue.modeling.reading.units import ReaderUnit, State
from elue.protocol import TaskInfo

TRAINED_THRESHOLD = 0.5
"""The threshold at which a decision between two is even, and which training uses."""

STEPS_A_TOKEN = 8
"""Steps that a reading may take for each token, unless its method says otherwise, so that every one ends."""


@dataclass(frozen=True, kw_only=True)
class ReaderOptions(CommonOptions):
    """Options of all reading methods. Of the backbone they take the tokenizer and the word table.

    All but the table is made from scratch, hence rate and epochs of their own, tuned on validation data. A table, the
    backbone's or other vectors for its pieces, is looked up: that costs no FLOPs, but the bytes of a row for each token
    read, and its parameters. Narrower vectors make each step of a cell cheaper.
    """

    TINY: ClassVar[dict[str, Any]] = {**CommonOptions.TINY, "epochs": 8.0, "learning_rate": 5e-3, "size": 64}

    epochs: float = option(5.0, "passes over the training data", 0.0)
    learning_rate: float = option(1e-3, "peak learning rate of AdamW, decaying linearly to 0", 0.0)
    cell: str = option("lstm", "kind of the recurrent cell", choices=("lstm", "gru", "rnn"))
    size: int = option(256, "size of the recurrent state", 1)
    words: str = option("", "word vectors, a folder or a text file such as GloVe's, in place of the backbone's table")


def word_table(encoder: Encoder) -> nn.Embedding:
    """A copy of an encoder's word embeddings, scaled to variance 1, which recurrent cells start well from."""
    table = nn.Embedding(encoder.config.vocabulary, encoder.config.embedding)
    with torch.no_grad():
        words = encoder.embed.word.weight
        table.weight.copy_((words - words.mean()) / words.std())
    return table


def with_words(encoder: Encoder, table: Tensor) -> Encoder:
    """An encoder without layers, whose word embeddings are a table (words, width); rows that it lacks are zeros."""
    width = table.shape[1]
    made = Encoder(replace(headless(encoder.config), hidden=width, embedding=width))
    with torch.no_grad():
        made.embed.word.weight.zero_()
        made.embed.word.weight[: len(table)] = table[: encoder.config.vocabulary]
    return made


class ReaderNetwork(nn.Module):
    """Word table, cell and head. As it stands it reads every token, for nothing.

    A method overrides `step` and adds `units`. `threshold` is for its decisions.
    """

    ahead: Sequence[str] = ()
    answer_unit = "head"

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: ReaderOptions) -> None:
        super().__init__()
        self.task = task
        self.words = words
        self.cell = Cell(options.cell, words.embedding_dim, options.size)
        self.head: nn.Module = nn.Linear(options.size, task.outputs)
        self.threshold = TRAINED_THRESHOLD

    def logits(self, final: Tensor) -> Tensor:
        """What is answered, (batch, outputs), of final outputs (batch, size)."""
        answered: Tensor = self.head(final)
        return answered

    def answers(self, final: Tensor) -> Tensor:
        """Class probabilities, or the number in the task's range, (batch, outputs), of final outputs (batch, size)."""
        kind = kind_of(self.task)
        answered: Tensor = kind.ranged(kind.scores(self.logits(final)), self.task)
        return answered

    def units(self) -> dict[str, ReaderUnit]:
        """The units by name: "cell" and "head"; a method adds its own."""
        return {"cell": self.cell.unit(), "head": ReaderUnit(self.answers, (self.cell.size,), listed=True)}

    def start(self, count: int) -> State:
        """The state of `count` samples that have read nothing."""
        return self.cell.start(count)

    def final(self, state: State) -> Tensor:
        """What the head looks at: the cell's output."""
        return state[0]

    def relaxed(self, unit: str, leaning: Tensor) -> Tensor:
        """What a gate with logits (rows,) lets through in training, shares (rows,): 0 or 1, backwards a sigmoid."""
        return straight_through(leaning.sigmoid())

    def bound(self, tokens: int) -> int:
        """After how many steps a reading of so many tokens ends at the latest: `STEPS_A_TOKEN` times as many."""
        return STEPS_A_TOKEN * tokens

    def step(self, batch: Batch) -> None:
        """Read the current token and go on to the next."""
        batch.update("cell")
        batch.move(1)


@contextmanager
def one_thread() -> Iterator[None]:
    """One thread inside: steps of a recurrent cell are too small to share, and waiting for each other costs more."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def headless(config: EncoderConfig) -> EncoderConfig:
    """The encoder's shape without its layers: what a reading method keeps of a backbone."""
    return replace(config, layers=0)
