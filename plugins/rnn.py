"""The static reference of reading methods: a recurrent network that reads every token, in several sizes.

Reading methods are measured against this curve: what a plain network of the same kind reaches with a smaller state.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from elue.errors import unknown
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.method import Sweep, Training, along
from elue.modeling.options import option
from elue.modeling.reading.batch import Batch
from elue.modeling.reading.learning import TrialNetwork
from elue.modeling.reading.method import TrainedReader
from elue.modeling.reading.model import ReaderModel
from elue.modeling.reading.network import ReaderOptions, one_thread, word_table
from elue.modeling.reading.units import ReaderUnit
from elue.modeling.text import TextEncoder
from elue.protocol import Point, TaskInfo


@dataclass(frozen=True, kw_only=True)
class RnnOptions(ReaderOptions):
    sizes: tuple[int, ...] = option((), "sizes of the state to train; an eighth, a quarter, half and all of size", 1)


class SizedNetwork(TrialNetwork):
    """Reads every token. Its units are called by the size of its state, as in `cell.64`."""

    def __init__(self, words: nn.Embedding, task: TaskInfo, options: ReaderOptions) -> None:
        super().__init__(words, task, options)
        self.work, self.answer_unit = f"cell.{options.size}", f"head.{options.size}"

    def units(self) -> dict[str, ReaderUnit]:
        units = super().units()
        return {self.work: units["cell"], self.answer_unit: units["head"]}

    def step(self, batch: Batch) -> None:
        batch.update(self.work)
        batch.move(1)


class RnnModel(ReaderModel):
    """Answers with the network of the size that the point names; the largest until it is set."""

    def __init__(self, networks: Any, text: TextEncoder, task: TaskInfo) -> None:
        super().__init__(list(networks.values())[-1], text, task)
        self.networks = networks

    def configure(self, point: Point) -> None:
        size = str(point.get("size", ""))
        if size not in self.networks:
            raise unknown("value of size", size, self.networks, code="bad_point")
        self.network = self.networks[size]

    def rehearse(self, unit: str, shape: tuple[int, ...]) -> None:
        size = unit.rpartition(".")[2]
        sized = self.networks[size] if size in self.networks.keys() else self.network  # noqa: SIM118
        ReaderModel(sized, self.text, self.task).rehearse(unit, shape)


class Rnn(TrainedReader):
    """One network a size, each trained by itself, each with a copy of the backbone's word table that it trains on.

    No decision is made at inference time. First weights of all sizes are drawn in one row, so that a size alone starts
    from others than among several.
    """

    name = "rnn"
    family = "static"
    title = "Plain recurrent network, in several sizes"
    paper = "Hochreiter and Schmidhuber 1997, Long Short-Term Memory, https://doi.org/10.1162/neco.1997.9.8.1735"
    summary = (
        "A recurrent network reads every word of a text, one after the other. Its state is made smaller and the whole "
        "trained anew for each point. Its sizes make the reference curve of the methods that read."
    )
    options = RnnOptions
    knobs = {
        "size": {"type": "int", "low": 1, "help": "size of the state of the network that answers, one of those trained"}
    }

    def settled(self, options: RnnOptions, config: EncoderConfig) -> RnnOptions:
        sizes: Sequence[int] = options.sizes or [max(1, options.size // share) for share in (8, 4, 2, 1)]
        return replace(options, sizes=tuple(sorted(set(sizes))))

    def network(self, encoder: Encoder, task: TaskInfo, options: RnnOptions) -> Any:
        sized = (replace(options, size=size) for size in options.sizes)
        return nn.ModuleDict({str(own.size): SizedNetwork(word_table(encoder), task, own) for own in sized})

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> RnnModel:
        return RnnModel(network, text, task)

    def learn(self, network: Any, training: Training) -> None:
        with one_thread():
            for size, sized in network.items():
                torch.manual_seed(training.job.seed)
                training.fit(sized, phase=f"size-{size}")

    def sweep(self, network: Any, training: Training) -> Sweep:
        with one_thread():
            scores = {int(size): training.quality(training.logits(sized)) for size, sized in network.items()}
        return along("size", scores)
