"""ReasoNet: turn by turn a controller attends to what it remembers of the text, until a gate says that it is enough.

Shen, Huang, Gao and Chen, "ReasoNet: Learning to Stop Reading in Machine Comprehension", KDD 2017, arXiv 1609.05284. A
bidirectional GRU makes the memory m. Turn t: x_t = Σ softmax(10 cos(W_1 s_{t-1}, W_2 m)) m, s_t = GRU(x_t, s_{t-1}),
and a gate without bias stops with g_t = σ(w·s_t). Training enumerates all turns and raises a contrastive reward.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from elue.modeling.options import option
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.cells import Cell
from elue.modeling.reading.chunks import Chunks, by_length, packed
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.method import ALWAYS, JumpingReader
from elue.modeling.reading.network import ReaderOptions
from elue.modeling.reading.policy import mixture
from elue.modeling.reading.trial import Trial
from elue.modeling.reading.units import ReaderUnit, State
from elue.protocol import TaskInfo

SHARP = 10.0  # what cosines are multiplied by


@dataclass(frozen=True, kw_only=True)
class ReasoNetOptions(ReaderOptions):
    cell: str = option("gru", "kind of the controller and the encoder", choices=("gru",))
    keys: int = option(384, "width in which controller and memory are compared", 1)
    turns: int = option(5, "turns at most", 1)


class ReasoNetNetwork(TrialNetwork):
    """Encoder, controller and gate. `stop_lean` is the point's."""

    ahead = ("encode",)

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: ReasoNetOptions) -> None:
        super().__init__(words, task, options)
        self.options, self.stop_lean, self.side = options, 0.0, options.size // 2
        size = 2 * self.side
        self.encoder = nn.GRU(words.embedding_dim, self.side, bidirectional=True)
        self.query, self.key = nn.Linear(size, options.keys, bias=False), nn.Linear(size, options.keys, bias=False)
        self.cell, self.head = Cell(options.cell, size, size), nn.Linear(size, task.outputs)
        self.gate = nn.Linear(size, 1, bias=False)

    def encode(self, texts: Chunks) -> list[Tensor]:
        """Of each token its memory and the key to it, (tokens, size + keys), of (tokens, width)."""
        memory = torch.cat(packed(self.encoder, texts))
        seen = torch.cat([memory, nn.functional.normalize(self.key(memory), dim=1)], 1)
        return list(seen.split([len(words) for words in texts]))

    def turn(self, seen: Tensor, state: Tensor) -> State:
        """The states (texts, size) after a look at all that is remembered, (texts, tokens, size + keys)."""
        memory, keys = seen.split([2 * self.side, self.options.keys], 2)
        alike = nn.functional.normalize(self.query(state), dim=1)[:, None] @ keys.transpose(1, 2)
        return self.cell(((SHARP * alike).softmax(2) @ memory)[:, 0], state)

    def units(self) -> dict[str, ReaderUnit]:
        """Head, "encode" on whole texts, "turn" on what they left, "stop": logits of stopping and of going on, 0."""
        size = 2 * self.side
        turn = ReaderUnit(by_length(self.turn), (size + self.options.keys, size), chunked=True)
        stop = ReaderUnit(lambda state: nn.functional.pad(self.gate(state), (0, 1)), (size,), listed=True)
        encode = ReaderUnit(self.encode, (self.words.embedding_dim,), chunked=True)
        return {"encode": encode, "turn": turn, "stop": stop, "head": super().units()["head"]}

    def step(self, batch: Batch) -> None:
        """Take a turn, the first from the ends of both directions, and stop or take another, if there may be one."""
        states, half = list(batch.state[0]), self.side
        for row, text in enumerate(batch.readings):
            if not text.turns and text.seen is not None:
                states[row] = torch.cat([text.seen[-1, :half], text.seen[0, half : 2 * half]]).to(states[row])
        batch.state = (torch.stack(states),)
        batch.recall("turn")
        rows = [row for row, text in enumerate(batch.readings) if text.turns + 1 < self.options.turns]
        options = batch.choose(
            "stop", batch.state[0], rows=rows, lean={0: -ALWAYS if self.training else self.stop_lean}
        )
        batch.go([dict(zip(rows, options, strict=True)).get(row, 0) - 1 for row in range(len(batch))])

    def bound(self, tokens: int) -> int:
        return self.options.turns

    def share(self, trial: Trial, lengths: Tensor) -> Tensor:
        """The share of its turns that a text takes: the encoder reads it all in any case."""
        return torch.tensor([own.turns for own in trial.all], device=lengths.device) / self.options.turns

    def lesson(self, trial: Trial, logits: Tensor, labels: Tensor, lengths: Tensor) -> Tensor:
        """What the mixture of all turns loses, of the states at which training never stopped, and the last logits."""
        if not self.training:
            return super().lesson(trial, logits, labels, lengths)
        states = [made.inputs[0][made.numbers.argsort()] for made in trial.decisions]
        says = torch.stack([*(self.logits(state) for state in states), logits])
        return mixture([self.gate(state).squeeze(1) for state in states], says, labels, self.task)


class ReasoNet(JumpingReader):
    """After ReasoNet: its memory, turns, gate and reward, for texts without a question.

    Differences: the controller starts from the ends of the text's own encoder, as there is no query (a pair is read as
    one text); classes stand for candidates; the first turn in which stopping is likelier answers, where the code takes
    all turns and answers by the mixture; the task's loss of the last turn is added. The gate's bias is our knob.
    """

    name = "reasonet"
    family = "skimming"
    title = "ReasoNet: learning to stop reasoning"
    paper = "Shen et al. 2017, ReasoNet, https://arxiv.org/abs/1609.05284"
    summary = (
        "An encoder reads the whole text, and a controller looks back at it turn by turn. A gate stops as soon as it "
        "knows enough. Turns alone are saved, as every word is read."
    )
    options = ReasoNetOptions
    knobs = {"stop_lean": {"type": "float", "help": "added to the logit of stopping: low takes all turns, high one"}}
    reader = ReasoNetNetwork
