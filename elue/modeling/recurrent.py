"""What reading methods are built of: a word table, a recurrent cell, a head, and the model that reads with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from elue.errors import ElueError, unknown
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.gates import gated, tokens
from elue.modeling.heads import task_loss
from elue.modeling.options import CommonOptions, option
from elue.modeling.reader import BATCH_SIZE, Batch, Ending, ReaderUnit, State, read
from elue.modeling.text import TextEncoder
from elue.protocol import DynamicModel, Explanation, Point, Prediction, Sample, TaskInfo

CELLS: dict[str, Callable[[int, int], nn.Module]] = {"lstm": nn.LSTMCell, "gru": nn.GRUCell, "rnn": nn.RNNCell}
TRAINED_THRESHOLD = 0.5
"""The threshold at which a decision between two is even, and which training uses."""
TOKENIZER_BATCH = 256
"""Samples of a stream tokenised at a time."""


@dataclass(frozen=True, kw_only=True)
class ReaderOptions(CommonOptions):
    """Options of all reading methods. Of the backbone they take the tokenizer and the word table.

    All but the table is made from scratch, hence rate and epochs of their own, tuned on validation data.
    """

    TINY: ClassVar[dict[str, Any]] = {**CommonOptions.TINY, "epochs": 8.0, "learning_rate": 5e-3, "size": 64}

    epochs: float = option(5.0, "passes over the training data", 0.0)
    learning_rate: float = option(1e-3, "peak learning rate of AdamW, decaying linearly to 0", 0.0)
    cell: str = option("lstm", "kind of the recurrent cell", choices=tuple(CELLS))
    size: int = option(256, "size of the recurrent state", 1)


class Cell(nn.Module):
    """An LSTM, GRU or plain tanh cell; its state is a tuple of tensors (batch, size), the output first."""

    def __init__(self, kind: str, width: int, size: int) -> None:
        super().__init__()
        if kind not in CELLS:
            raise unknown("cell", kind, CELLS)
        self.kind, self.width, self.size = kind, width, size
        self.cell = CELLS[kind](width, size)
        self._open_gates()

    def _open_gates(self) -> None:
        """Start the gates that keep memory open, at a bias of 1, as the released code of the reading methods does.

        An LSTM's forget gate, a GRU's reset and update gates; else a fresh cell forgets within a few tokens.
        """
        gates = {"lstm": slice(self.size, 2 * self.size), "gru": slice(2 * self.size)}.get(self.kind)
        if gates is not None:
            self.cell.get_parameter("bias_ih").data[gates] = 1.0
            self.cell.get_parameter("bias_hh").data[gates] = 0.0

    @property
    def parts(self) -> int:
        """Number of tensors in the state."""
        return 2 if self.kind == "lstm" else 1

    def start(self, count: int) -> State:
        """The state before the first token: zeros."""
        parameter = next(self.parameters())
        return tuple(parameter.new_zeros(count, self.size) for _ in range(self.parts))

    def forward(self, inputs: Tensor, *state: Tensor) -> State:
        """The state (batch, size) after one more token (batch, width)."""
        if self.kind == "lstm":
            output, memory = self.cell(inputs, state)
            return output, memory
        return (self.cell(inputs, *state),)

    def unit(self) -> ReaderUnit:
        """The cell as a unit: `(inputs, *state) -> state`."""
        return ReaderUnit(self, (self.width, *[self.size] * self.parts))


class PartialCell(Cell):
    """A cell that updates the first `part` of the `size` dimensions of a state, from a token and all of the output."""

    def __init__(self, kind: str, width: int, size: int, part: int) -> None:
        super().__init__(kind, width + size - part, part)

    def update(self, inputs: Tensor, *state: Tensor) -> State:
        """The part of the next state, (batch, part)."""
        rest = state[0][:, self.size :]
        return self(torch.cat([inputs, rest], 1), *(tensor[:, : self.size] for tensor in state))

    def whole(self, inputs: Tensor, *state: Tensor) -> State:
        """The next state, (batch, size): the part updated and the rest copied."""
        updated = zip(self.update(inputs, *state), state, strict=True)
        return tuple(torch.cat([new, old[:, self.size :]], 1) for new, old in updated)


def word_table(encoder: Encoder) -> nn.Embedding:
    """A copy of an encoder's word embeddings, scaled to variance 1, which recurrent cells start well from."""
    table = nn.Embedding(encoder.config.vocabulary, encoder.config.embedding)
    with torch.no_grad():
        words = encoder.embed.word.weight
        table.weight.copy_((words - words.mean()) / words.std())
    return table


class ReaderNetwork(nn.Module):
    """Word table, cell and head. As it stands it reads every token, for nothing.

    A method overrides `learnable`, which training goes through, and `step`, the same on its way through one text, and
    adds `units`. `threshold` is for its decisions.
    """

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: ReaderOptions) -> None:
        super().__init__()
        self.task = task
        self.words = words
        self.cell = Cell(options.cell, words.embedding_dim, options.size)
        self.head = nn.Linear(options.size, task.outputs)
        self.threshold = TRAINED_THRESHOLD

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits, of each text the share of its tokens read and its price, (batch,), and, given labels, the loss.

        That is the task's and the mean price.
        """
        state, read, price = self.learnable(self.words(batch["ids"]), batch["mask"])
        outputs = {"logits": self.head(self.final(state)), "read": read / batch["mask"].sum(1), "price": price}
        if "labels" in batch:
            outputs["loss"] = task_loss(outputs["logits"], batch["labels"], self.task) + price.mean()
        return outputs

    def learnable(self, inputs: Tensor, mask: Tensor) -> tuple[State, Tensor, Tensor]:
        """Go through padded texts (batch, tokens, width), whose mask is (batch, tokens), in a way to learn from.

        The final state, how many tokens were read, and the price of that, whose mean is added to the loss: (batch,).
        """
        state = self.start(len(inputs))
        for token, real in tokens(inputs, mask):
            state = gated(real, self.cell(token, *state), state)
        return state, mask.sum(1), inputs.new_zeros(len(inputs))

    def answers(self, final: Tensor) -> Tensor:
        """Class probabilities, or the number in the task's range, (batch, outputs), of final outputs (batch, size)."""
        logits = self.head(final)
        if self.task.kind == "classification":
            return logits.softmax(-1)
        return self.task.low + (self.task.high - self.task.low) * logits

    def units(self) -> dict[str, ReaderUnit]:
        """The units by name: "cell" and "head"; a method adds its own."""
        return {"cell": self.cell.unit(), "head": ReaderUnit(self.answers, (self.cell.size,), listed=True)}

    def start(self, count: int) -> State:
        """The state of `count` samples that have read nothing."""
        return self.cell.start(count)

    def final(self, state: State) -> Tensor:
        """What the head looks at: the cell's output."""
        return state[0]

    def step(self, batch: Batch) -> None:
        """Read the current token and go on to the next."""
        batch.update("cell")
        batch.move(1)


class ReaderModel(DynamicModel):
    """A dynamic model that reads. Its one knob is the network's `threshold`; a method with others has its `configure`.

    `predict` answers up to `batch_size` samples side by side, one sample alone as in any company.
    """

    def __init__(self, network: ReaderNetwork, text: TextEncoder, task: TaskInfo, batch_size: int = BATCH_SIZE) -> None:
        self.network, self.text, self.task, self.batch_size = network, text, task, batch_size

    def configure(self, point: Point) -> None:
        """Set the threshold. Raises ElueError for what is no number of 0 or more."""
        value = point.get("threshold", TRAINED_THRESHOLD)
        if isinstance(value, str) or not value >= 0:
            raise ElueError("bad_point", f"threshold can't be {value}.", "Give a number of 0 or more.")
        self.network.threshold = float(value)

    def predict(self, samples: Sequence[Sample]) -> Sequence[Prediction]:
        """Answer each sample, in order, with its trace."""
        predictions = dict(self.stream(samples))
        return [predictions[number] for number in range(len(samples))]

    def stream(self, samples: Iterable[Sample]) -> Iterator[tuple[int, Prediction]]:
        """Answer samples as they come, each with its number, in the order in which they end. Memory stays flat."""
        for ending in read(self.network, self._encoded(samples), self.batch_size):
            yield ending.number, self._prediction(ending)

    def rehearse(self, unit: str, shape: tuple[int, ...]) -> None:
        """Run one traced unit once: `embed (tokens, distinct tokens)`, else a unit on (rows, sizes…)."""
        units = self.network.units()
        with torch.inference_mode():
            if unit == "embed":
                looked, distinct = shape
                self.network.words(torch.tensor([place % distinct for place in range(looked)]))
            elif unit in units:
                rows, *sizes = shape
                units[unit](*(torch.zeros(rows, width) for width in units[unit].widths), sizes=sizes)
            else:
                raise unknown("unit", unit, ["embed", *units])

    def explain(self, samples: Sequence[Sample]) -> Sequence[Explanation]:
        """The tokens of each sample, and the places of those that were read."""
        texts = [encoding.ids for encoding in self.text.encode_all(samples)]
        places_read = {ending.number: set(ending.read) for ending in read(self.network, texts, self.batch_size)}
        words = self.text.tokenizer.id_to_token
        return [
            Explanation(tokens=tuple(str(words(token)) for token in ids), kept=(tuple(sorted(places_read[number])),))
            for number, ids in enumerate(texts)
        ]

    def modules(self) -> Iterable[nn.Module]:
        """The network, whose parameters are the model's."""
        return [self.network]

    def _encoded(self, samples: Iterable[Sample]) -> Iterator[Sequence[int]]:
        coming = iter(samples)
        while chunk := list(islice(coming, TOKENIZER_BATCH)):
            yield from (encoding.ids for encoding in self.text.encode_all(chunk))

    def _prediction(self, ending: Ending) -> Prediction:
        if self.task.kind == "regression":
            return Prediction(ending.outputs[0], trace=ending.trace)
        scores = ending.outputs
        return Prediction(scores.index(max(scores)), tuple(scores), ending.trace)


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
