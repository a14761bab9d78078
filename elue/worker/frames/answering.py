"""Calls that have samples answered and counted, or their traces priced."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Annotated

from annotated_types import MaxLen

from elue.meter.counts import Count, Counts
from elue.protocol import Explanation, Sample
from elue.record.trace import LONGEST
from elue.worker.decoding import Sound
from elue.worker.frames.words import Call, CallKinds, Shape, Short, Step, UnitName, others, sized


@dataclass(frozen=True, slots=True)
class News:
    """Steps and traces that were not told before; a trace is the numbers of its steps."""

    steps: tuple[Step, ...]
    traces: tuple[Annotated[tuple[Count, ...], MaxLen(LONGEST)], ...]


@dataclass(frozen=True, slots=True)
class AnswerColumns:
    """What samples are answered, an entry a sample: value, number of the trace, claimed FLOPs.

    `ties` has the samples whose best classes are tied: where each stands, and these classes.
    """

    values: tuple[float, ...]
    traces: tuple[Count, ...]
    claimed: tuple[Count | None, ...]
    ties: tuple[tuple[Count, frozenset[Count]], ...]

    def fault(self, size: int) -> str:
        """Why these are not the answers to so many samples."""
        for name in ("values", "traces", "claimed"):
            if wrong := sized(name, getattr(self, name), size, "samples"):
                return wrong
        return "" if all(place < size for place, _ in self.ties) else "a tie of no sample"


@dataclass(frozen=True, slots=True)
class Predicted:
    """Answers to samples, and what all of them together took under the Meter."""

    ids: tuple[Short, ...]
    answers: AnswerColumns
    took: Counts
    calls: Count
    news: News
    kinds: CallKinds
    """The calls by what they cost."""


@dataclass(frozen=True, slots=True)
class Predict(Call[Predicted]):
    """Answer samples under the Meter."""

    samples: tuple[Sample, ...]

    def fault(self, answer: Predicted) -> str:
        """There is an answer to each sample."""
        return others(answer.ids, self.samples) or answer.answers.fault(len(self.samples))


@dataclass(frozen=True, slots=True)
class Swept:
    """What samples are answered at every point, and where they are asked for by every way out.

    `took` and `kinds` are what all of it took, where that was counted.
    """

    ids: tuple[Short, ...]
    points: tuple[AnswerColumns, ...]
    ways: tuple[AnswerColumns, ...]
    news: News
    took: Counts = field(default_factory=Counts)
    kinds: CallKinds = field(default_factory=CallKinds)


@dataclass(frozen=True, slots=True)
class PredictMany(Call[Swept]):
    """Answer samples together, unmetered, with traces to be priced."""

    samples: tuple[Sample, ...]

    def fault(self, answer: Swept) -> str:
        """There is an answer to each sample."""
        return _swept(answer, self.samples, 1, False)


@dataclass(frozen=True, slots=True)
class PredictSweep(Call[Swept]):
    """The same at all of so many points that were configured, from one pass."""

    samples: tuple[Sample, ...]
    points: Count

    def fault(self, answer: Swept) -> str:
        """There is an answer to each sample at each point."""
        return _swept(answer, self.samples, self.points, False)


@dataclass(frozen=True, slots=True)
class Survey(Call[Swept]):
    """The same, and what every way out would answer at the first of the points."""

    samples: tuple[Sample, ...]
    points: Count

    def fault(self, answer: Swept) -> str:
        """There is an answer to each sample at each point and by each way out."""
        return _swept(answer, self.samples, self.points, True)


@dataclass(frozen=True, slots=True)
class ClimbLadder(Call[Swept]):
    """What every way out would answer samples at the point, counted."""

    samples: tuple[Sample, ...]

    def fault(self, answer: Swept) -> str:
        """There is an answer to each sample by each way out."""
        return _swept(answer, self.samples, 0, True)


@dataclass(frozen=True, slots=True)
class Priced:
    """What traces take, and the FLOPs of units and shapes that were run for the first time to tell.

    `calls` are those of operators that each trace takes.
    """

    prices: tuple[Counts, ...]
    rehearsed: tuple[tuple[UnitName, Shape, Count], ...]
    calls: tuple[CallKinds, ...]


@dataclass(frozen=True, slots=True)
class PriceTraces(Call[Priced]):
    """Price traces by their numbers."""

    traces: tuple[Count, ...]

    def fault(self, answer: Priced) -> str:
        """There is a price a trace."""
        size = len(self.traces)
        return sized("prices", answer.prices, size, "traces") or sized("calls", answer.calls, size, "traces")


MOST_TOLD = 30_000
"""Numbers and letters that an explanation may hold."""


def _too_much(explanation: Explanation) -> str:
    lists = (*explanation.kept, *explanation.exits, *explanation.experts.values())
    told = sum(map(len, explanation.tokens)) + sum(map(len, lists)) + len(lists) + len(explanation.tokens)
    return f"{told} long, more than {MOST_TOLD}" if told > MOST_TOLD else ""


@dataclass(frozen=True, slots=True)
class Told:
    """What the model did with samples, and what telling it took under the Meter."""

    ids: tuple[Short, ...]
    explained: tuple[Annotated[Explanation, Sound(_too_much)], ...]
    took: Counts
    kinds: CallKinds


@dataclass(frozen=True, slots=True)
class Explain(Call[Told]):
    """Ask what the model does with samples at the point."""

    samples: tuple[Sample, ...]

    def fault(self, answer: Told) -> str:
        """There is an explanation a sample."""
        return others(answer.ids, self.samples) or sized("explained", answer.explained, len(self.samples), "samples")


def _swept(answer: Swept, samples: Sequence[Sample], points: int, ways: bool) -> str:
    if wrong := others(answer.ids, samples) or sized("points", answer.points, points, "points"):
        return wrong
    if bool(answer.ways) != ways:
        return f"ways: {len(answer.ways)}, where {'at least one belongs' if ways else 'none was asked for'}"
    return next((wrong for columns in (*answer.points, *answer.ways) if (wrong := columns.fault(len(samples)))), "")
