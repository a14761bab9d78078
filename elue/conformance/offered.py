"""Checks of the optional members: ladder, explain, predict_sweep, survey. Skipped where a model does not have them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from elue.conformance.check import Failed, Skipped, Subject, same, sound
from elue.protocol import Explanation, Prediction, Sample
from elue.tasks.kinds import KINDS


def _offered(subject: Subject, name: str) -> Any:
    member = getattr(subject.model, name, None)
    if not callable(member):
        raise Skipped(f"the model has no {name}")
    return member


def _one_each(answer: Any, count: int, name: str, what: str) -> Sequence[Any]:
    if isinstance(answer, str) or not isinstance(answer, Sequence) or len(answer) != count:
        got = f"{len(answer)} entries" if isinstance(answer, Sequence) else type(answer).__name__
        raise Failed(f"{name} gives {got} for {count} {what}")
    return answer


def predict_sweep(subject: Subject) -> None:
    """Many points from one pass give what each point gives on its own."""
    sweep = _offered(subject, "predict_sweep")
    _same_as_each(sweep(list(subject.samples), list(subject.points)), subject, "predict_sweep")


def survey(subject: Subject) -> None:
    """One pass gives what each point gives on its own, and what the ladder gives at the first of them."""
    take, climb = _offered(subject, "survey"), _offered(subject, "ladder")
    swept, ladders = _one_each(take(list(subject.samples), list(subject.points)), 2, "survey", "parts")
    _same_as_each(swept, subject, "survey")
    subject.configure(subject.points[0])
    count = len(subject.samples)
    alone = _one_each(climb(list(subject.samples)), count, "ladder", "samples")
    for own, rungs, sample in zip(alone, _one_each(ladders, count, "survey", "samples"), subject.samples, strict=True):
        rungs = _one_each(rungs, len(own), "survey", "ways out")
        sound(rungs, [sample] * len(own), subject.task)
        same(own, rungs, subject, "ladder and then survey")


def _same_as_each(swept: Any, subject: Subject, name: str) -> None:
    answers = _one_each(swept, len(subject.points), name, "points")
    for point, predictions in zip(subject.points, answers, strict=True):
        sound(predictions, subject.samples, subject.task)
        subject.configure(point)
        same(subject.answer(subject.samples), predictions, subject, f"predict and then {name} at {dict(point)}")


def ladder(subject: Subject) -> str:
    """Every way out, the cheapest first, the same number for every sample; the model's own answers are among them."""
    climb = _offered(subject, "ladder")
    subject.configure(subject.points[0])
    ladders = _one_each(climb(list(subject.samples)), len(subject.samples), "ladder", "samples")
    heights = {len(_rungs(rungs, sample, subject)) for rungs, sample in zip(ladders, subject.samples, strict=True)}
    if len(heights) != 1 or heights == {0}:
        raise Failed(f"samples have {', '.join(map(str, sorted(heights)))} ways out; all have the same, at least one")
    kind, span = KINDS[subject.task.kind], subject.task.high - subject.task.low
    for point in subject.few_points:
        subject.configure(point)
        for number, (rungs, own) in enumerate(zip(ladders, subject.answer(subject.samples), strict=True)):
            left = [rung for rung in rungs if rung.trace == own.trace]
            if own.trace and left and not any(kind.same(rung.value, own.value, span) for rung in left):
                raise Failed(f"at {dict(point)}: sample {number} leaves the ladder by a trace with another answer")
    return f"{heights.pop()} ways out"


def _rungs(rungs: Any, sample: Sample, subject: Subject) -> Sequence[Prediction]:
    if isinstance(rungs, str) or not isinstance(rungs, Sequence):
        raise Failed(f"ladder gives {type(rungs).__name__} for a sample, not a sequence of Prediction")
    sound(rungs, [sample] * len(rungs), subject.task)
    if hasattr(subject.model, "rehearse"):
        costs = [subject.price(rung.trace).flops for rung in rungs]
        if costs != sorted(costs):
            raise Failed(
                f"a ladder's ways out cost {', '.join(f'{c:,}' for c in costs)} FLOPs: the cheapest comes first"
            )
    return rungs


def explain(subject: Subject) -> None:
    """Explanations hold together: kept positions are tokens, experts have an entry a token, numbers are finite."""
    tell = _offered(subject, "explain")
    for point in subject.few_points:
        subject.configure(point)
        told = _one_each(tell(list(subject.samples)), len(subject.samples), "explain", "samples")
        for number, explanation in enumerate(told):
            wrong = _flaw(explanation)
            if wrong:
                raise Failed(f"at {dict(point)}: sample {number}: {wrong}")


def _flaw(explanation: Any) -> str | None:
    if not isinstance(explanation, Explanation):
        return f"explain gives {type(explanation).__name__}, not Explanation"
    count = len(explanation.tokens)
    if not all(isinstance(token, str) for token in explanation.tokens):
        return "a token is not text"
    for layer, kept in enumerate(explanation.kept, 1):
        if list(kept) != sorted(set(kept)) or not all(0 <= position < count for position in kept):
            return f"after layer {layer} it keeps positions that are not rising positions of its {count} tokens"
    if not all(math.isfinite(number) for scores in explanation.exits for number in scores):
        return "an exit's scores are not finite"
    for layer_name, chosen in explanation.experts.items():
        if len(chosen) != count:
            return f"{layer_name} names {len(chosen)} experts for {count} tokens"
    if explanation.stage is not None and explanation.stage < 0:
        return f"the stage is {explanation.stage}"
    return None
