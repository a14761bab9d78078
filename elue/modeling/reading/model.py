"""The dynamic model that reads."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

import torch
from torch import nn

from elue.errors import ElueError, unknown
from elue.modeling.kinds import kind_of
from elue.modeling.memory import keep_memory
from elue.modeling.reading.loop import BATCH_SIZE, read
from elue.modeling.reading.network import TRAINED_THRESHOLD, ReaderNetwork
from elue.modeling.reading.units import Ending
from elue.modeling.text import Encoded, TextEncoder
from elue.protocol import DynamicModel, Explanation, Point, Prediction, Sample, TaskInfo

TOKENIZER_BATCH = 256
"""Samples of a stream tokenised at a time."""


class ReaderModel(DynamicModel):
    """A dynamic model that reads. Its one knob is the network's `threshold`; a method with others has its `configure`.

    `predict` answers up to `batch_size` samples side by side, one sample alone as in any company.
    """

    def __init__(self, network: ReaderNetwork, text: TextEncoder, task: TaskInfo, batch_size: int = BATCH_SIZE) -> None:
        keep_memory()
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
                units[unit].rehearse(rows, sizes)
            else:
                raise unknown("unit", unit, ["embed", *units])

    def explain(self, samples: Sequence[Sample]) -> Sequence[Explanation]:
        """The tokens of each sample, and the places of those that were looked at, were it to decide to skip them."""
        texts = self.text.encode_all(samples)
        places_read = {ending.number: set(ending.read) for ending in read(self.network, texts, self.batch_size)}
        words = self.text.tokenizer.id_to_token
        return [
            Explanation(
                tokens=tuple(str(words(token)) for token in text.ids), kept=(tuple(sorted(places_read[number])),)
            )
            for number, text in enumerate(texts)
        ]

    def modules(self) -> Iterable[nn.Module]:
        """The network, whose parameters are the model's."""
        return [self.network]

    def _encoded(self, samples: Iterable[Sample]) -> Iterator[Encoded]:
        coming = iter(samples)
        while chunk := list(islice(coming, TOKENIZER_BATCH)):
            yield from self.text.encode_all(chunk)

    def _prediction(self, ending: Ending) -> Prediction:
        value, probabilities = kind_of(self.task).told(tuple(ending.outputs))
        return Prediction(value, probabilities, ending.trace)


class SettingModel(ReaderModel):
    """A model whose knobs are attributes of its network, by name; what a point leaves out is as it was trained."""

    def __init__(self, network: ReaderNetwork, text: TextEncoder, task: TaskInfo, knobs: Sequence[str]) -> None:
        super().__init__(network, text, task)
        self.trained = {knob: getattr(network, knob) for knob in knobs}

    def configure(self, point: Point) -> None:
        for knob, value in {**self.trained, **point}.items():
            if knob not in self.trained:
                raise unknown("knob", knob, self.trained, code="bad_point")
            setattr(self.network, knob, float(value) if isinstance(value, str) else value)
