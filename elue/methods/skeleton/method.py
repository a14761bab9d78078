"""skeleton: an early exit over hashed words. Small, but all of it works; put your own idea in its place.

What ELUE asks of a method is in `elue.protocol`: a `Method` loads a model, the model takes an operating point and
answers samples. Everything else is optional. This file may import torch, transformers, `elue.protocol` and the kit
`elue.modeling` (encoders that run layer by layer, exits, pruning, experts, training).
"""

from __future__ import annotations

import random
import zlib
from collections.abc import Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from elue.protocol import Example, Method, Point, Prediction, Sample, Step, TaskInfo, TrainingJob

BUCKETS, HIDDEN, LAYERS = 4096, 32, 3
WEIGHTS = "model.safetensors"


def ids_of(sample: Sample) -> Tensor:
    """A bucket for each word, (words,). Not by `hash`, which differs from process to process."""
    words = f"{sample.text} {sample.pair or ''}".lower().split() or [""]
    return torch.tensor([zlib.crc32(word.encode()) % BUCKETS for word in words])


class Network(nn.Module):
    """Word vectors, layers, and after each layer an exit."""

    def __init__(self, outputs: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(BUCKETS, HIDDEN)
        self.layers = nn.ModuleList(nn.Linear(HIDDEN, HIDDEN) for _ in range(LAYERS))
        self.exits = nn.ModuleList(nn.Linear(HIDDEN, outputs) for _ in range(LAYERS))

    def layer(self, index: int, hidden: Tensor) -> Tensor:
        """One layer on (words, hidden)."""
        return hidden + torch.relu(self.layers[index](hidden))

    def leave(self, index: int, hidden: Tensor) -> Tensor:
        """Logits (outputs,) of the exit after a layer."""
        logits: Tensor = self.exits[index](hidden.mean(0))
        return logits

    def scores(self, index: int, hidden: Tensor) -> list[float]:
        """Class probabilities of the exit after a layer."""
        probabilities: list[float] = self.leave(index, hidden).softmax(-1).tolist()
        return probabilities


class Model:
    """What `load` returns: ready to predict at any operating point."""

    def __init__(self, network: Network) -> None:
        self.network = network
        self.threshold = 1.0

    def configure(self, point: Point) -> None:
        """Set the operating point. It is called once a point, on one set of weights, so keep it cheap."""
        self.threshold = float(point["threshold"])

    def predict(self, samples: Sequence[Sample]) -> list[Prediction]:
        """Answer each sample, in order. What is not needed is not computed: that is what gets counted."""
        return [next(rung for rung in self._rungs(sample) if self._enough(rung)) for sample in samples]

    def _enough(self, rung: Prediction) -> bool:
        """The decision rule: leave when the exit is sure enough, or was the last."""
        return max(rung.scores) >= self.threshold or rung.trace[-1].unit == f"exit.{LAYERS}"

    def _rungs(self, sample: Sample):  # type: ignore[no-untyped-def] # a generator: layers run when asked for
        with torch.inference_mode():
            ids = ids_of(sample)
            words, different = len(ids), len(set(ids.tolist()))  # so many vectors are read
            hidden, trace = self.network.embedding(ids), [Step("embed", (words, different))]
            for index in range(LAYERS):
                hidden = self.network.layer(index, hidden)
                scores = self.network.scores(index, hidden)
                trace.append(Step(f"layer.{index + 1}", (words,)))
                leaving = (*trace, Step(f"exit.{index + 1}", (words,)))
                yield Prediction(scores.index(max(scores)), tuple(scores), leaving)
                trace.append(leaving[-1])

    # Optional from here on. What you leave out is measured all the same.

    def modules(self) -> list[nn.Module]:
        """The networks in force at this point; their parameters are the run's total."""
        return [self.network]

    def rehearse(self, unit: str, shape: tuple[int, ...]) -> None:
        """Run one step of a trace once, so that it can be priced. With it, every prediction brings its trace."""
        kind, _, number = unit.partition(".")
        hidden = torch.zeros(shape[0], HIDDEN)
        with torch.inference_mode():
            if kind == "embed":
                self.network.embedding(torch.tensor([place % shape[1] for place in range(shape[0])]))
            elif kind == "layer":
                self.network.layer(int(number) - 1, hidden)
            else:
                self.network.scores(int(number) - 1, hidden)

    def ladder(self, samples: Sequence[Sample]) -> list[list[Prediction]]:
        """Every way out of every sample, the cheapest first: from these come the controls (random exit, oracle)."""
        return [list(self._rungs(sample)) for sample in samples]


class Skeleton(Method):
    """The plugin. These are plain literals: they are read without running this file."""

    name = "skeleton"
    family = "early_exit"
    title = "Early exit over hashed words"
    paper = ""
    summary = ""  # three sentences for the site
    knobs = {"threshold": {"type": "float", "low": 0, "help": "probability at which an exit is sure; above 1: never"}}

    def supports(self, task: TaskInfo) -> str | None:
        """None, or why this method can't serve a task."""
        return None if task.kind == "classification" else "its rule needs class probabilities"

    def load(self, task: TaskInfo, weights: Path | None, seed: int) -> Model:
        """Load the model, in eval mode. Without weights (`weights` is None) this one answers at random."""
        network = Network(task.outputs)
        if weights is not None:
            network.load_state_dict(load_file(weights / WEIGHTS))
        return Model(network.eval().requires_grad_(False))

    def points(self, task: TaskInfo, weights: Path | None) -> Sequence[Point]:
        """The default sweep, cheap to dear. Choose it on validation data, never on the test split."""
        return [{"threshold": threshold} for threshold in (0.5, 0.6, 0.75, 1.01)]

    def train(self, job: TrainingJob) -> None:
        """Learn, and write everything `load` needs into `job.out`. Leave this out if you train elsewhere."""
        torch.manual_seed(job.seed)
        torch.set_num_threads(1)  # so small a network gains nothing from more
        network, draw = Network(job.task.outputs), random.Random(job.seed)
        optimizer = torch.optim.AdamW(network.parameters(), lr=5e-3)
        examples = list(job.train)
        for _ in range(2):
            draw.shuffle(examples)
            for start in range(0, len(examples), 32):
                optimizer.zero_grad()
                loss(network, examples[start : start + 32]).backward()
                optimizer.step()
        job.out.mkdir(parents=True, exist_ok=True)
        save_file(network.state_dict(), job.out / WEIGHTS)


def loss(network: Network, batch: Sequence[Example]) -> Tensor:
    """The sum of the losses of all exits, over a padded batch."""
    ids = nn.utils.rnn.pad_sequence([ids_of(e.sample) for e in batch], batch_first=True, padding_value=-1)
    mask = (ids >= 0).unsqueeze(-1)
    labels = torch.tensor([int(e.label) for e in batch])
    hidden, losses = network.embedding(ids.clamp(min=0)), []
    for index in range(LAYERS):
        hidden = network.layer(index, hidden)
        pooled = (hidden * mask).sum(1) / mask.sum(1)
        losses.append(nn.functional.cross_entropy(network.exits[index](pooled), labels))
    return torch.stack(losses).sum()
