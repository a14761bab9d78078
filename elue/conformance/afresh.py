"""Answers of a model loaded anew, for checks to compare with: there it has been asked nothing before.

In one process the model is loaded a second time; what a module keeps to itself survives that. `elue check` asks in
another process, so that nothing does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from elue.conformance.check import Answer, Failed, Subject
from elue.protocol import Prediction, Step


def _backwards(subject: Subject) -> list[Answer]:
    asked = [subject.metered(sample) for sample in reversed(subject.samples)]
    return [Answer(prediction, meter.flops) for prediction, meter in reversed(asked)]


def _together(subject: Subject) -> list[Answer]:
    return [Answer(prediction) for prediction in subject.answer(subject.samples)]


PASSES: dict[str, Callable[[Subject], list[Answer]]] = {"order": _backwards, "company": _together}
"""What is asked of the other model at an operating point, by the check that compares with it."""


def ask(name: str, subject: Subject) -> list[list[Answer]]:
    """The pass of a check over a subject: for each of its few points an answer to each sample, in their order."""
    answers = []
    for point in subject.few_points:
        subject.configure(point)
        answers.append(PASSES[name](subject))
    return answers


def elsewhere(name: str, subject: Subject) -> Sequence[Sequence[Answer]]:
    """The same by a model loaded anew. Raises Failed unless it has as many points, and answers to all samples."""
    found = ask(name, subject.afresh()) if subject.elsewhere is None else subject.elsewhere
    if [len(answers) for answers in found] != [len(subject.samples)] * len(subject.few_points):
        raise Failed("loaded anew, the method has another sweep, or does not answer every sample")
    return found


def to_plain(answers: Sequence[Sequence[Answer]]) -> list[list[dict[str, Any]]]:
    """Answers as plain data, to go from one process to another."""
    return [[_plain(answer.prediction) | {"flops": answer.flops} for answer in row] for row in answers]


def from_plain(plain: Sequence[Sequence[dict[str, Any]]]) -> list[list[Answer]]:
    """Answers from plain data. Raises KeyError or TypeError for anything else."""
    return [[_answer(**entry) for entry in row] for row in plain]


def _plain(prediction: Prediction) -> dict[str, Any]:
    return {
        "value": float(prediction.value),
        "scores": [float(score) for score in prediction.scores],
        "trace": [[step.unit, list(step.shape), step.times] for step in prediction.trace],
    }


def _answer(value: float, scores: list[float], trace: list[list[Any]], flops: int | None) -> Answer:
    steps = tuple(Step(unit, tuple(shape), times) for unit, shape, times in trace)
    return Answer(Prediction(value, tuple(scores), steps), flops)
