"""Dynamic models that run many samples at once: packed, each leaving as soon as it is done, each with its trace.

A sample's answer and trace do not depend on the samples beside it. In company it runs through faster kernels, which
round otherwise than the plain operators, so a decision closer to its threshold than float noise could turn. Such a
sample is taken out and run again by itself, by plain operators: what it does alone is what counts.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elue.modeling import kernels
from elue.modeling.flow import TOKEN_BUDGET, Stage, flow
from elue.modeling.heads import EncoderWithHead
from elue.modeling.kinds import kind_of
from elue.modeling.memory import keep_memory
from elue.modeling.ragged import Pack, Request
from elue.modeling.text import TextEncoder
from elue.modeling.tracing import Units, encoder_units, head_unit, note, state_unit
from elue.protocol import DynamicModel, Point, Prediction, Sample, Step, TaskInfo

DECISION_TOLERANCE = 1e-4
"""A decision on logits or probabilities nearer than this to its threshold is left to the sample alone."""
LOOKAHEAD = 1024
"""Samples that are read ahead, tokenized and sorted by length."""


class RaggedModel(DynamicModel):
    """A dynamic model made of stages that run on packs. A method adds `configure`, its units and its stages."""

    budget = TOKEN_BUDGET
    again = 0
    """Samples that were run once more by themselves so far."""

    def __init__(self, network: Any, text: TextEncoder, task: TaskInfo) -> None:
        keep_memory()
        self.network, self.text, self.task = network, text, task
        self.units = Units({"answer": state_unit(self.scores)})

    def stages(self) -> Sequence[Stage]:
        """What samples go through at the current point. The last stage answers all that reach it."""
        raise NotImplementedError

    def configure(self, point: Point) -> None:
        """Set the operating point."""

    def predict(self, samples: Sequence[Sample]) -> list[Prediction]:
        """Answer all samples, in order, each as if it were alone."""
        answers = dict(self.stream(samples))
        return [answers[place] for place in range(len(samples))]

    def stream(self, samples: Iterable[Sample]) -> Iterator[tuple[int, Prediction]]:
        """Positions and answers of any number of samples, as they are done, in bounded memory."""
        for request in self.run(samples):
            yield request.place, prediction_of(request.scores, self.task, request.trace)

    def rehearse(self, unit: str, shape: tuple[int, ...]) -> None:
        """Run one traced unit on one sample of a shape, for pricing."""
        with torch.inference_mode():
            self.units.rehearse(unit, tuple(shape))

    def modules(self) -> Iterable[nn.Module]:
        """The network, whose parameters are the model's."""
        return [self.network]

    def run(
        self, samples: Iterable[Sample], stages: Sequence[Stage] | None = None, noted: bool = False
    ) -> Iterator[Request]:
        """The requests of all samples, as they are done. With `noted`, they gather notes on the way."""
        chosen = self.stages() if stages is None else stages
        source = iter(enumerate(samples))
        requests = _read(source, self.text, noted)
        first = list(islice(requests, 2))
        if len(first) == 1:
            first[0].alone = noted or not kernels.available()
        done = flow(chosen, _chain(first, requests), self.budget)
        while True:
            with torch.inference_mode():
                with kernels.fast():
                    request = next(done, None)
                if request is not None and request.doubtful:
                    request = self.by_itself(request, chosen)
            if request is None:
                return
            yield request

    def by_itself(self, request: Request, stages: Sequence[Stage]) -> Request:
        """The request of the same sample, once more through these stages, alone."""
        self.again += 1
        (done,) = flow(stages, [Request(request.place, request.encoded, True, noted=request.noted)], self.budget)
        return done

    def answer(self, requests: Sequence[Request], logits: Tensor) -> Sequence[Request]:
        """Let samples leave with these logits (samples, outputs)."""
        note("answer", (logits.shape[1],), requests)
        for request, scores in zip(requests, self.scores(logits), strict=True):
            request.scores = scores
        if not requests[0].alone:
            doubt(requests, self.close(logits))
        return requests

    def scores(self, logits: Tensor) -> list[tuple[float, ...]]:
        """Probabilities of the classes, or the number as it is, of logits (samples, outputs)."""
        return [tuple(row) for row in kind_of(self.task).scores(logits).tolist()]

    def close(self, logits: Tensor) -> np.ndarray:
        """Where the two best classes lie so close that noise could turn the answer, (samples,)."""
        return is_close(kind_of(self.task).margins(logits))


class WholeModel(RaggedModel):
    """A plain network that every sample runs through to its end, in `network`: an encoder with one head."""

    def __init__(self, network: EncoderWithHead, text: TextEncoder, task: TaskInfo) -> None:
        super().__init__(network, text, task)
        self.use(network)

    def use(self, network: EncoderWithHead) -> None:
        """Let this network answer. Units of a deeper one used before can still be rehearsed."""
        self.network = network
        self.units.units |= encoder_units(network.encoder) | {"head": head_unit(network.head)}

    def stages(self) -> Sequence[Stage]:
        return [self._whole]

    def _whole(self, pack: Pack) -> tuple[None, Sequence[Request]]:
        pack = run_encoder(self.units, pack, len(self.network.encoder.layers))
        return None, self.answer(pack.requests, self.units.run("head", pack))


def prediction_of(scores: tuple[float, ...], task: TaskInfo, trace: Iterable[Step]) -> Prediction:
    """The answer that a sample's probabilities, or a regression's output, stand for.

    A number is mapped back from 0..1 to the task's range.
    """
    kind = kind_of(task)
    value, probabilities = kind.told(scores)
    return Prediction(kind.ranged(value, task), probabilities, tuple(trace))


def is_close(margins: np.ndarray, tolerance: float = DECISION_TOLERANCE) -> np.ndarray:
    """Where a margin is so small that float noise could have turned a decision."""
    return np.abs(margins) < tolerance


def doubt(requests: Sequence[Request], close: np.ndarray) -> None:
    """Mark the samples for which something was close, (samples,), unless they run alone."""
    for place in np.flatnonzero(close).tolist():
        requests[place].doubtful = not requests[place].alone


def run_encoder(units: Units, pack: Pack, layers: int, prefix: str = "") -> Pack:
    """Embed a fresh pack and run that many layers."""
    pack = pack.with_rows(units.run(f"{prefix}embed", pack))
    for number in range(1, layers + 1):
        pack = run_layer(units, pack, number, prefix)
    return pack


def run_layer(units: Units, pack: Pack, number: int, prefix: str = "") -> Pack:
    """Run one layer, both halves."""
    pack = pack.with_rows(units.run(f"{prefix}attention.{number}", pack))
    return pack.with_rows(units.run(f"{prefix}ffn.{number}", pack))


def _read(source: Iterator[tuple[int, Sample]], text: TextEncoder, noted: bool) -> Iterator[Request]:
    while window := list(islice(source, LOOKAHEAD)):
        encoded = text.encode_all([sample for _, sample in window])
        requests = [Request(place, text_ids, noted=noted) for (place, _), text_ids in zip(window, encoded, strict=True)]
        yield from sorted(requests, key=lambda request: request.tokens)


def _chain(first: Iterable[Request], rest: Iterator[Request]) -> Iterator[Request]:
    yield from first
    yield from rest
