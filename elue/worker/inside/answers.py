"""What a plugin answers, looked at and made small: values, ties, and traces that cross to the parent once."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import groupby
from typing import Any

from elue.protocol import Explanation, Prediction, Step, TaskInfo, Trace
from elue.record.trace import LONGEST, fault
from elue.tasks.kinds import KINDS
from elue.worker.frames import AnswerColumns, News

TIE = 1e-4
"""Classes whose scores differ by no more than this are tied: float noise may turn one into the other."""


class Invalid(Exception):
    """The plugin answered, but not with what the protocol asks for."""


def predictions(answered: Any, count: int, call: str = "predict") -> Sequence[Prediction]:
    """The predictions, if that is what they are. Raises Invalid for anything but one Prediction a sample."""
    rows = sequence(answered, count, call, "predictions for {} samples")
    for prediction in rows:
        if not isinstance(prediction, Prediction):
            raise Invalid(f"{call} returned {type(prediction).__name__} where a Prediction belongs")
    return rows


def sequence(answered: Any, count: int, call: str, what: str) -> Sequence[Any]:
    """What a plugin returned, if it is a sequence of that many. Raises Invalid, saying `what`, for anything else."""
    if isinstance(answered, str | Mapping) or not isinstance(answered, Sequence):
        raise Invalid(f"{call} returned {type(answered).__name__}, not a sequence")
    if len(answered) != count:
        raise Invalid(f"{call} returned {len(answered)} {what.format(count)}")
    return answered


def number(value: Any, task: TaskInfo) -> float:
    """A predicted value as a plain number. Raises Invalid for NaN, a wrong type, or a label that does not exist."""
    if isinstance(value, bool | str) or not hasattr(value, "__float__"):
        raise Invalid(f"a prediction's value is {value!r}, not a number")
    plain = float(value)
    kind = KINDS[task.kind]
    if not kind.is_value(plain, task.outputs):
        raise Invalid(f"a prediction's value is {plain}, not {kind.value(task.outputs)}")
    return plain


def ties(scores: Iterable[float]) -> list[int]:
    """The classes tied for the best score; empty where one stands alone. Raises Invalid for scores not finite."""
    plain = [float(score) for score in scores]
    if not all(map(math.isfinite, plain)):
        raise Invalid("a prediction's scores are not finite")
    best = max(plain, default=0.0)
    tied = [place for place, score in enumerate(plain) if best - score <= TIE]
    return tied if len(tied) > 1 else []


def claimed(prediction: Prediction) -> int | None:
    """The FLOPs a plugin claims for a sample. Raises Invalid for anything but a count."""
    claim = prediction.claimed
    if claim is not None and (isinstance(claim, bool) or not isinstance(claim, int) or not 0 <= claim < 2**63):
        raise Invalid(f"a prediction's claimed FLOPs are {claim!r}, not a count")
    return claim


def columns(answered: Any, count: int, task: TaskInfo, traces: TraceNumbers, call: str = "predict") -> AnswerColumns:
    """What a plugin answered so many samples, its traces numbered. Raises Invalid for anything that is no answer."""
    rows = predictions(answered, count, call)
    tied = ((place, ties(prediction.scores)) for place, prediction in enumerate(rows))
    return AnswerColumns(
        values=tuple(number(prediction.value, task) for prediction in rows),
        traces=tuple(traces.number(prediction.trace) for prediction in rows),
        claimed=tuple(map(claimed, rows)),
        ties=tuple((place, frozenset(classes)) for place, classes in tied if classes),
    )


class TraceNumbers:
    """Numbers distinct steps and distinct traces in the order they come, and tells each to the parent once.

    Steps of the same unit and shape one after the other are one step, `times` added up. A trace that comes again before
    the next `news`, the very same tuple, is not looked at again: of many points of a survey most share theirs.
    """

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.traces: list[tuple[int, ...]] = []
        self._steps: dict[Step, int] = {}
        self._traces: dict[tuple[int, ...], int] = {}
        self._seen: dict[Trace, int] = {}
        self._here: dict[int, tuple[Trace, int]] = {}
        self._told = 0, 0

    def number(self, trace: Iterable[Step]) -> int:
        """The number of a trace. Raises Invalid for one that is no sequence of steps."""
        raw = tuple(trace)
        if (same := self._here.get(id(raw))) is not None:
            return same[1]
        try:
            number = self._seen.get(raw)
        except TypeError:
            raise Invalid("a step's shape is not a tuple of whole numbers") from None
        if number is None:
            numbers = tuple(map(self._step, _merged(raw)))
            number = self._traces.setdefault(numbers, len(self.traces))
            if number == len(self.traces):
                self.traces.append(numbers)
            self._seen[raw] = number
        self._here[id(raw)] = raw, number
        return number

    def news(self) -> News:
        """Steps and traces numbered since this was last asked."""
        self._here = {}
        steps, traces = self._told
        self._told = len(self.steps), len(self.traces)
        return News(tuple(self.steps[steps:]), tuple(self.traces[traces:]))

    def steps_of(self, number: int) -> Trace:
        """The steps of a trace, by its number."""
        return tuple(self.steps[step] for step in self.traces[number])

    def _step(self, step: Step) -> int:
        number = self._steps.setdefault(step, len(self.steps))
        if number == len(self.steps):
            self.steps.append(step)
        return number


def _merged(trace: Trace) -> list[Step]:
    if len(trace) > LONGEST:
        raise Invalid(f"a trace has {len(trace)} steps, more than the {LONGEST} allowed")
    for step in trace:
        if wrong := fault(step):
            raise Invalid(wrong)
    groups = groupby(trace, key=lambda step: (step.unit, step.shape))
    merged = [Step(unit, shape, sum(step.times for step in steps)) for (unit, shape), steps in groups]
    if wrong := next(filter(None, map(fault, merged)), ""):
        raise Invalid(wrong)
    return merged


def explanation(explained: Any) -> Explanation:
    """An explanation of plain numbers and texts. Raises Invalid for anything else."""
    if not isinstance(explained, Explanation):
        raise Invalid(f"explain returned {type(explained).__name__} where an Explanation belongs")
    try:
        return Explanation(
            tokens=tuple(str(token) for token in explained.tokens),
            kept=tuple(tuple(int(place) for place in layer) for layer in explained.kept),
            exits=tuple(tuple(float(score) for score in scores) for scores in explained.exits),
            experts={str(k): tuple(int(expert) for expert in experts) for k, experts in explained.experts.items()},
            stage=None if explained.stage is None else int(explained.stage),
        )
    except (TypeError, ValueError, AttributeError) as error:
        raise Invalid(f"explain returned an Explanation that is none: {error}") from None
