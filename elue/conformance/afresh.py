"""Answers of a model loaded anew, for checks to compare with: there it has been asked nothing before.

In one process the model is loaded a second time; what a module keeps to itself survives that. `elue check` asks in
another process, so that nothing does.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from elue.conformance.check import Answer, Failed, Subject
from elue.protocol import Prediction


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
    answered = ask(name, subject.afresh()) if subject.elsewhere is None else subject.elsewhere
    if [len(answers) for answers in answered] != [len(subject.samples)] * len(subject.few_points):
        raise Failed("loaded anew, the method has another sweep, or does not answer every sample")
    return answered


def to_plain(answer: Answer) -> Answer:
    """The same answer with numbers of Python's own, to go from one process to another."""
    told = answer.prediction
    scores = tuple(float(score) for score in told.scores)
    return Answer(Prediction(float(told.value), scores, tuple(told.trace)), answer.flops)
