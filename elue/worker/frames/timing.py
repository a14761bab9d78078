"""Calls that have both sides of a comparison answer: counted, or timed in turn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from elue.meter.counts import Calls, Count
from elue.protocol import Sample
from elue.worker.frames.words import Call, Seconds, Short, others, sized


@dataclass(frozen=True, slots=True)
class Counted:
    """Answers in packs, and the FLOPs of both models."""

    ids: tuple[Short, ...]
    values: tuple[float, ...]
    flops: Count
    static_flops: Count
    unknown: Calls


@dataclass(frozen=True, slots=True)
class CountPacks(Call[Counted]):
    """Answer samples in packs by the model and by the static one, under the Meter."""

    samples: tuple[Sample, ...]

    def fault(self, answer: Counted) -> str:
        """There is an answer to each sample."""
        return others(answer.ids, self.samples) or sized("values", answer.values, len(self.samples), "samples")


@dataclass(frozen=True, slots=True)
class Timed:
    """Answers, and the seconds of the model and of the other side, an entry a round."""

    ids: tuple[Short, ...]
    values: tuple[float, ...]
    seconds: tuple[Seconds, ...]
    reference: tuple[Seconds, ...]


@dataclass(frozen=True, slots=True)
class TimePacks(Call[Timed]):
    """Answer samples in packs by the model and, first or second, by the static one, without a Meter."""

    samples: tuple[Sample, ...]
    model_first: bool

    def fault(self, answer: Timed) -> str:
        """There is an answer to each sample and one time a side."""
        return _timed(answer, self.samples, 1)


@dataclass(frozen=True, slots=True)
class TimeSample(Call[Timed]):
    """Time a sample and the reference encoder on so many tokens, in turn, without a Meter."""

    sample: Sample
    rounds: Count
    tokens: Count
    model_first: bool

    def fault(self, answer: Timed) -> str:
        """There is an answer, and a time a round for both sides."""
        return _timed(answer, (self.sample,), self.rounds)


def _timed(answer: Timed, samples: Sequence[Sample], rounds: int) -> str:
    return (
        others(answer.ids, samples)
        or sized("values", answer.values, len(samples), "samples")
        or sized("seconds", answer.seconds, rounds, "rounds")
        or sized("reference", answer.reference, rounds, "rounds")
    )
