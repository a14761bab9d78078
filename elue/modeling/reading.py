"""The base of methods that read token by token: of a backbone they keep the tokenizer and the word table."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.method import Sweep, TrainedMethod, Training, along
from elue.modeling.recurrent import (
    ReaderModel,
    ReaderNetwork,
    ReaderOptions,
    headless,
    one_thread,
    reading_sweep,
    word_table,
)
from elue.modeling.text import TextEncoder
from elue.protocol import TaskInfo


class TrainedReader(TrainedMethod):
    """A method that reads. Its `thresholds` are what the default sweep is chosen from, at least `apart` a step."""

    options: ClassVar[type[Any] | None] = ReaderOptions
    thresholds: ClassVar[Sequence[float]]
    apart: ClassVar[float] = 0.05
    """Share of all tokens that points of the default sweep lie apart, at least."""

    @abstractmethod
    def reader(self, words: Any, task: TaskInfo, options: Any) -> ReaderNetwork:
        """The network on a word table."""

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> ReaderNetwork:
        return self.reader(word_table(encoder), task, options)

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> ReaderModel:
        return ReaderModel(network, text, task)

    def kept(self, config: EncoderConfig) -> EncoderConfig:
        return headless(config)

    def learn(self, network: Any, training: Training) -> None:
        with one_thread():
            training.fit(network)

    def sweep(self, network: Any, training: Training) -> Sweep:
        with one_thread():
            sweep = reading_sweep(network, training.job, training.text, self.thresholds, self.apart)
        return along("threshold", sweep)
