"""Many operating points from one pass over ways out.

Samples go as far as any rule wants them to; what each rule would have answered, and at what cost, is told afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from elue.modeling.ladder import Rule, Way, decided, steps_of
from elue.modeling.ragged import Pack, Request
from elue.modeling.running import RaggedModel, prediction_of
from elue.modeling.signals import CHANNELS, LOGITS, SCORES
from elue.modeling.tracing import step
from elue.protocol import Prediction, Sample, Step, TaskInfo

LOOK = "look"


@dataclass(frozen=True, slots=True)
class Passed:
    """A way out that a sample passed: what it answered there, and where in its trace the parts of this way lie.

    `scores` are the way's own; `by_rule` those under the survey's first rule, where that answers otherwise.
    """

    scores: tuple[float, ...]
    by_rule: tuple[float, ...] | None
    advance: slice
    parts: dict[str, slice]


@dataclass(slots=True)
class Survey:
    """What was found of one sample: by rule the way out taken, from 1, or 0, and answers that aren't a way's own."""

    taken: np.ndarray
    passed: list[Passed] = field(default_factory=list)
    answers: dict[int, tuple[float, ...]] = field(default_factory=dict)


def surveyed(
    model: RaggedModel, ways: Sequence[Way], samples: Sequence[Sample], rules: Sequence[Rule], whole: bool
) -> list[Request]:
    """Requests in order, for `taken` and `as_left`: with all ways out if `whole`, else as far as any rule goes."""
    stages = [partial(_pass, model, ways, number, rules, whole) for number in range(1, len(ways) + 1)]
    return sorted(model.run(samples, stages, noted=True), key=lambda request: request.place)


def taken(request: Request, column: int) -> int:
    """The way out, from 1, that a surveyed request took under a rule."""
    return int(_survey(request).taken[column])


def as_left(
    ways: Sequence[Way], request: Request, rule: Rule | None, number: int, task: TaskInfo, column: int | None = None
) -> Prediction:
    """The answer of a surveyed request that leaves by a way out, from 1, as it would be under a rule.

    `column` is the rule's place in the survey; without it the rule is the survey's first.
    """
    survey, trace = _survey(request), list[Step]()
    for here, (way, passed) in enumerate(zip(ways, survey.passed[:number], strict=False), start=1):
        asked = [] if rule is None or here == len(ways) else way.asked(rule, here)
        trace += request.trace[passed.advance]
        if asked or here == number:
            trace += request.trace[passed.parts[LOOK]]
        for channel in asked:
            trace += request.trace[passed.parts[channel]]
        if rule is not None and here < len(ways):
            trace += steps_of(rule, here, task.outputs)
        if here == number and LOGITS not in asked:
            trace += request.trace[passed.parts[LOGITS]]
    if rule is not None and rule.answers is not None:
        trace.append(step(rule.answer_unit, (number, task.outputs)))
    trace.append(step("answer", (task.outputs,)))
    passed = survey.passed[number - 1]
    scores = passed.by_rule or passed.scores if column is None else survey.answers.get(column, passed.scores)
    return prediction_of(scores, task, trace)


def _survey(request: Request) -> Survey:
    survey: Survey = request.notes["survey"]
    return survey


def _pass(
    model: RaggedModel, ways: Sequence[Way], number: int, rules: Sequence[Rule], whole: bool, pack: Pack
) -> tuple[Pack | None, Sequence[Request]]:
    """The stage of a way out, from 1, in a survey."""
    way, last = ways[number - 1], number == len(ways)
    marks = [_marks(pack)]
    pack = way.advance(pack)
    marks.append(_marks(pack))
    pack = way.look(pack)
    marks.append(_marks(pack))
    wanted = not last and any(SCORES in way.asked(rule, number) for rule in rules)
    channels = CHANNELS if wanted else (LOGITS,)
    for channel in channels:
        pack = way.tell(pack, [channel], way.memory(rules))
        marks.append(_marks(pack))
    logits = pack.memory[LOGITS]
    scores, close = model.scores(logits[:, -1]), model.close(logits[:, -1])
    surveys: list[Survey] = []
    for request in pack.requests:
        surveys.append(request.notes.setdefault("survey", Survey(np.zeros(len(rules), dtype=np.int64))))
    by_rule: list[tuple[float, ...]] | None = None
    doubtful = close & whole
    for column, rule in enumerate(rules):
        remaining = np.array([survey.taken[column] == 0 for survey in surveys])
        leaves, unsure = (remaining, np.zeros_like(remaining)) if last else decided(rule, number, pack)
        if way.scores_of_logits and not last and SCORES in way.asked(rule, number):
            unsure = unsure | close
        leaves = leaves & remaining
        doubtful = doubtful | (unsure & remaining) | (leaves & close)
        first = whole and column == 0
        if rule.answers is not None and (first or leaves.any()):
            said = rule.answers(logits)
            answers = model.scores(said)
            by_rule = answers if first else by_rule
            doubtful = doubtful | (model.close(said) & (leaves | first))
            for place in np.flatnonzero(leaves).tolist():
                surveys[place].answers[column] = answers[place]
        for place in np.flatnonzero(leaves).tolist():
            surveys[place].taken[column] = number
    alone = pack.requests[0].alone
    for place, (request, survey) in enumerate(zip(pack.requests, surveys, strict=True)):
        begin, advanced, *ends = (mark[place] for mark in marks)
        parts = dict(zip((LOOK, *channels), map(slice, (advanced, *ends), ends), strict=False))
        own = None if by_rule is None else by_rule[place]
        survey.passed.append(Passed(scores[place], own, slice(begin, advanced), parts))
        request.doubtful = bool(doubtful[place]) and not alone
    over = np.array([last or (not whole and bool(survey.taken.all())) for survey in surveys])
    done = over | (doubtful & (not alone))
    stay = np.flatnonzero(~done)
    return (pack.select(stay) if len(stay) else None), [pack.requests[place] for place in np.flatnonzero(done)]


def _marks(pack: Pack) -> list[int]:
    """How long the trace of each sample is."""
    return [len(request.trace) for request in pack.requests]
