"""What a conformance check is, and what it is given: a loaded method and some real inputs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

from elue.meter import profile as profiles
from elue.meter.counts import Counts
from elue.meter.profile import Profile
from elue.protocol import Method, Point, Prediction, Sample, Step, TaskInfo
from elue.record.trace import fault, step_text
from elue.tasks.kinds import KINDS

TOLERANCE = 1e-4
"""How far class probabilities may move between two orders, batches or passes: float32 adds up in another order."""

SAMPLES = 12
"""Real inputs that a suite runs on."""


class Failed(AssertionError):
    """The method does not conform; the message says how."""


class Warned(Exception):
    """The method conforms, but something is to be looked at; the message says what."""


class Skipped(Exception):
    """The check does not apply to this method; the message says why."""


@dataclass(frozen=True, slots=True)
class Result:
    """How one check ended. `detail` says what is wrong, why it was skipped, or what was measured."""

    name: str
    reason: str
    outcome: Literal["pass", "warn", "fail", "skip"]
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Check:
    """One property of every method. `function` returns a detail worth telling, or raises Failed, Warned or Skipped."""

    name: str
    reason: str
    function: Callable[[Subject], str | None]


@dataclass(frozen=True, slots=True)
class Answer:
    """A prediction, and the FLOPs it took where they were counted."""

    prediction: Prediction
    flops: int | None = None


@dataclass
class Subject:
    """The method under examination. `samples` are real inputs of the task; nothing here holds a label.

    `loaded` is its model where it is loaded already; `elsewhere` are answers of another loading of it, to compare with
    (see `elue.conformance.afresh`), where there are some.
    """

    method: Method
    task: TaskInfo
    samples: tuple[Sample, ...]
    weights: Path | None = None
    seed: int = 0
    profile: Profile = field(default_factory=lambda: profiles.load("elue-1"))
    loaded: Any = None
    elsewhere: Sequence[Sequence[Answer]] | None = None

    @cached_property
    def model(self) -> Any:
        """The loaded model, loaded on first use."""
        import torch

        if self.loaded is not None:
            return self.loaded
        torch.manual_seed(self.seed)
        return self.method.load(self.task, self.weights, self.seed)

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """The default sweep."""
        return tuple(self.method.points(self.task, self.weights))

    @property
    def few_points(self) -> tuple[Point, ...]:
        """The first, the middle and the last point of the sweep, each once."""
        count = len(self.points)
        return tuple(self.points[i] for i in sorted({0, count // 2, count - 1} if count else ()))

    def afresh(self) -> Subject:
        """The same with its model loaded anew: it has been asked nothing yet."""
        return replace(self, loaded=None, elsewhere=None)

    def configure(self, point: Point) -> None:
        """Set the operating point as an evaluation does."""
        import torch

        torch.manual_seed(self.seed)
        self.model.configure(dict(point))

    def answer(self, samples: Sequence[Sample]) -> list[Prediction]:
        """The model's predictions for these samples, together. Raises Failed unless there is a sound one for each."""
        predictions = self.model.predict(list(samples))
        sound(predictions, samples, self.task)
        return list(predictions)

    def alone(self, samples: Sequence[Sample]) -> list[Prediction]:
        """The predictions for these samples, each asked on its own."""
        return [self.answer([sample])[0] for sample in samples]

    def metered(self, sample: Sample) -> tuple[Prediction, Any]:
        """One prediction at batch 1, and the Meter that watched it."""
        from elue.meter import Meter
        from elue.worker.inside.parameters import modules_of

        with Meter(profile=self.profile, modules=modules_of(self.model)) as meter:
            predictions = self.model.predict([sample])
        sound(predictions, [sample], self.task)
        return predictions[0], meter

    @cached_property
    def pricer(self) -> Any:
        """What prices traces in an evaluation, too."""
        from elue.worker.inside.pricing import Pricer

        return Pricer(self.profile)

    def price(self, trace: Sequence[Step]) -> Counts:
        """What a trace takes, its steps rehearsed under the Meter."""
        from elue.worker.inside.answers import Invalid
        from elue.worker.inside.parameters import modules_of

        try:
            counts: Counts
            counts, _ = self.pricer.price(self.model, modules_of(self.model), trace)
        except Invalid as error:
            raise Failed(str(error)) from None
        return counts


def subject(
    method: str | Path | Method | type[Method],
    task: str | Path = "diagnostic",
    weights: Path | None = None,
    *,
    data: Path | None = None,
    split: str = "validation",
    seed: int = 0,
) -> Subject:
    """A method to check in this very process: a plugin file, an installed name, a class or an instance.

    Its inputs are some samples of a split of the task. Raises ElueError where method or task are not to be had.
    """
    from elue import tasks
    from elue.methods import registry
    from elue.worker.inside.plugin import load_method

    if isinstance(method, type):
        made = method()
    elif isinstance(method, Method):
        made = method
    else:
        made = load_method(registry.find(str(method)).address)
    loaded = tasks.load(tasks.get(task), split, data, SAMPLES)
    samples = tuple(Sample(f"sample-{i}", s.text, s.pair) for i, s in enumerate(loaded.samples))
    return Subject(made, loaded.spec.info(), samples, weights, seed)


def sound(predictions: Any, samples: Sequence[Sample], task: TaskInfo) -> None:
    """Raise Failed unless there is one well-formed prediction for each sample."""
    from elue.worker.inside import answers

    try:
        for prediction in answers.predictions(predictions, len(samples)):
            answers.number(prediction.value, task)
    except answers.Invalid as error:
        raise Failed(str(error)) from None
    for prediction in predictions:
        wrong = _flaw(prediction, task)
        if wrong:
            raise Failed(wrong)


def _flaw(prediction: Prediction, task: TaskInfo) -> str | None:
    scores = prediction.scores
    if scores and not KINDS[task.kind].numbers:
        if len(scores) != task.outputs:
            return f"a prediction has {len(scores)} scores for {task.outputs} classes"
        if not all(-TOLERANCE <= score <= 1 + TOLERANCE for score in scores) or abs(sum(scores) - 1) > 1e-3:
            return f"a prediction's scores {tuple(round(s, 4) for s in scores)} are no probabilities"
    for step in prediction.trace:
        if wrong := fault(step):
            return wrong
    claimed = prediction.claimed
    if claimed is not None and (isinstance(claimed, bool) or not isinstance(claimed, int) or claimed < 0):
        return f"a prediction claims {claimed!r} FLOPs, not a whole number"
    return None


def difference(first: Prediction, second: Prediction, task: TaskInfo) -> str | None:
    """What differs between two predictions that should be the same, in words; None for nothing that matters."""
    if not KINDS[task.kind].same(first.value, second.value, task.high - task.low):
        return f"the answer is {first.value:g} and then {second.value:g}"
    if len(first.scores) != len(second.scores):
        return f"there are {len(first.scores)} scores and then {len(second.scores)}"
    gap = max((abs(a - b) for a, b in zip(first.scores, second.scores, strict=True)), default=0.0)
    if gap > TOLERANCE:
        return f"scores move by {gap:.2g}, more than {TOLERANCE:g}"
    if tuple(first.trace) != tuple(second.trace):
        return f"the trace is {steps(first.trace)} and then {steps(second.trace)}"
    return None


def steps(trace: Sequence[Step]) -> str:
    """A trace in few words."""
    words = list(map(step_text, trace))
    return ", ".join(words[:4]) + (f" … ({len(words)} steps)" if len(words) > 4 else "") or "empty"


def same(firsts: Sequence[Prediction], seconds: Sequence[Prediction], subject: Subject, when: str) -> None:
    """Raise Failed, naming the first sample that differs, unless both are the same predictions."""
    for number, (first, second) in enumerate(zip(firsts, seconds, strict=True)):
        differs = difference(first, second, subject.task)
        if differs:
            raise Failed(f"{when}: sample {number}: {differs}")
