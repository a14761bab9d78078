"""Workers that are timed by the parent's clock, one at a time: the model's own, and others that hold no plugin.

What is timed has to be worked out then. So the model's worker is one that has answered nothing else, it reads no text
twice, which texts it will read is drawn anew, and it warms up on texts that are none of the task's. The reference
encoder and the static model run in processes of their own, confined as the model is and on as many threads, in turn
with it, so that noise is shared; whoever's turn it is not is stopped.
"""

from __future__ import annotations

import random
import secrets
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from elue.errors import ElueError
from elue.evaluation.passes.context import folder, start
from elue.evaluation.plan import PlannedRun
from elue.evaluation.request import Evaluation
from elue.methods import registry
from elue.protocol import Point, Sample
from elue.worker import frames
from elue.worker.session import START_SECONDS, Worker

Answer = TypeVar("Answer")
STATIC = "static"
"""The method whose full model throughput is compared with."""
WARM_UP = 5
"""Samples that a model answers before it is timed."""
EMPTY = 9
"""Calls that do nothing, to see what a call by itself takes at least: what others on a machine add to them, they need
not add to the next one, and to take that off would make a model look faster than it can be."""
LONG = 256
"""Tokens that keep a processor busy."""
RESAMPLES = 2000
"""Bootstrap resamples behind an interval of times."""
_LEAST = 1e-7


def drawn_times(count: int) -> NDArray[np.int64]:
    """Places of times, drawn anew for a percentile bootstrap, (resamples, count); the same for as many."""
    return np.random.default_rng(0).integers(count, size=(RESAMPLES, count))


class Turns:
    """Workers of which only the one that is called runs."""

    def __init__(self, workers: Iterable[Worker]) -> None:
        self._workers = tuple(workers)
        self.overhead = 0.0

    def call(self, worker: Worker, asked: frames.Call[Answer], seconds: float) -> tuple[Answer, float]:
        """What a worker answers, and the seconds it takes, without what a call that does nothing takes."""
        worker.resume()
        try:
            answer, took = worker.timed(asked, seconds)
        finally:
            worker.pause()
        return answer, max(_LEAST, took - self.overhead)

    def pause(self) -> None:
        """Stop all."""
        for worker in self._workers:
            worker.pause()

    def resume(self) -> None:
        """Let all go on."""
        for worker in self._workers:
            worker.resume()


class Stopwatch:
    """The timed workers of a share, each started when it is first wanted."""

    def __init__(self, evaluation: Evaluation) -> None:
        self._evaluation = evaluation
        self._model: Worker | None = None
        self._reference: Worker | None = None
        self._static: Worker | None = None
        self._read: set[str] = set()
        self._rate: float | None = None
        self.static_point: Point = {}
        self.static_flops: int | None = None

    def model(self, run: PlannedRun, most: int) -> tuple[Worker, list[int]]:
        """The model at a run's point, and places of at most so many samples whose texts its worker has not read.

        Where too few are left it is a fresh worker. No text comes twice. Raises WorkerFailure.
        """
        evaluation = self._evaluation
        places = {_both(sample): place for place, sample in enumerate(evaluation.data.samples)}
        wanted = min(most, len(places))
        if self._model is not None and len(places.keys() - self._read) < wanted:
            self.rest()
        if self._model is None:
            self._model = start(evaluation).worker
            self._read.clear()
        unread = [text for text in places if text not in self._read]
        chosen = random.SystemRandom().sample(unread, wanted)
        self._read.update(chosen)
        self._model.call(frames.Configure((run.identity.point,), evaluation.seed), evaluation.sample_seconds)
        return self._model, [places[text] for text in chosen]

    def reference(self) -> Worker:
        """A worker for the reference encoder."""
        if self._reference is None:
            evaluation = self._evaluation
            threads, limits = evaluation.profile.conditions.threads, evaluation.limits
            self._reference = Worker(evaluation.log, threads, limits, hides=[evaluation.runs], own=True)
            self._reference.call(frames.RunReference(evaluation.profile, 8), START_SECONDS)
        return self._reference

    def rate(self, turns: Turns) -> float:
        """FLOPs a second of the reference encoder on a long text, the fastest of some: they fill this machine well."""
        if self._rate is None:
            reference, profile = self.reference(), self._evaluation.profile
            flops = turns.call(reference, frames.RunReference(profile, LONG, counted=True), START_SECONDS)[0].flops
            asked = frames.RunReference(profile, LONG)
            self._rate = flops / min(turns.call(reference, asked, START_SECONDS)[1] for _ in range(3))
        return self._rate

    def static(self) -> Worker:
        """A worker with the static model to compare with, at the last of its points: full depth."""
        if self._static is None:
            evaluation = replace(
                self._evaluation, method=registry.find(STATIC), weights=self._evaluation.against, against=None
            )
            worker = self._static = start(evaluation).worker
            offered = worker.call(frames.Points(folder(evaluation.weights)), START_SECONDS)
            if offered.unsupported:
                message = f"'{STATIC}' does not serve '{evaluation.data.spec.name}': {offered.unsupported}"
                raise ElueError("unsupported", message)
            self.static_point = offered.points[-1]
            worker.call(frames.Configure((self.static_point,), evaluation.seed), START_SECONDS)
        return self._static

    @contextmanager
    def turns(self) -> Iterator[Turns]:
        """Stop every timed worker; they go on when they are called here, and all of them afterwards."""
        others = self._model, self.reference(), self._static
        turns = Turns(worker for worker in others if worker is not None)
        turns.pause()
        try:
            nothing = frames.RunReference(self._evaluation.profile, 0)
            took = [turns.call(self.reference(), nothing, START_SECONDS)[1] for _ in range(EMPTY)]
            turns.overhead = min(took)
            yield turns
        finally:
            turns.resume()

    def rest(self) -> None:
        """End the worker that holds the plugin."""
        if self._model is not None:
            self._model.close()
        self._model = None

    def close(self) -> None:
        """End the workers."""
        for worker in (self._model, self._reference, self._static):
            if worker is not None:
                worker.close()
        self._model = self._reference = self._static = None


def warm_up_samples(samples: Sequence[Sample], count: int) -> tuple[Sample, ...]:
    """Samples as long as those of a task, of its words thrown together: none of them has a text of the task's."""
    draw = random.SystemRandom()
    words = [word for sample in samples for text in (sample.text, sample.pair or "") for word in text.split()]
    known = {_letters(sample.text) for sample in samples}
    made: list[Sample] = []
    while len(made) < count:
        like = draw.choice(samples)
        text, pair = (
            None if text is None else " ".join(draw.choices(words, k=len(text.split())))
            for text in (like.text, like.pair)
        )
        sample = Sample(secrets.token_hex(8), text or words[0], pair)
        while _letters(sample.text) in known:
            sample = replace(sample, text=f"{sample.text} {draw.choice(words)}")
        made.append(sample)
    return tuple(made)


def _letters(text: str) -> str:
    """What a cache could know a text by, however its blanks and capitals are written."""
    return "".join(text.split()).casefold()


def _both(sample: Sample) -> str:
    """The same of a sample, its second text on a line of its own."""
    return f"{_letters(sample.text)}\n{_letters(sample.pair or '')}"
