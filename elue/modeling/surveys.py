"""Many operating points from one pass in which samples go as far as any of their rules wants them to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial

import numpy as np

from elue.modeling.ladder import Rule, Way, decided
from elue.modeling.paying import ADVANCE, LOOK, Parts, bill_of
from elue.modeling.ragged import Pack, Request
from elue.modeling.running import RaggedModel, prediction_of
from elue.modeling.signals import CHANNELS, LOGITS, SCORES
from elue.protocol import Prediction, Sample, TaskInfo


@dataclass(slots=True)
class Survey:
    """What was found of one sample: by rule the way out taken, from 1, or 0, and answers that aren't a way's own.

    Of each way out passed there is what it answers, and where in the trace its parts lie.
    """

    taken: np.ndarray
    scores: list[tuple[float, ...]] = field(default_factory=list)
    parts: list[Parts] = field(default_factory=list)
    answers: dict[int, tuple[float, ...]] = field(default_factory=dict)


def surveyed(
    model: RaggedModel, ways: Sequence[Way], samples: Sequence[Sample], rules: Sequence[Rule]
) -> list[Request]:
    """Requests in order, for `taken` and `as_left`, as far as any rule goes."""
    stages = [partial(_pass, model, ways, number, rules) for number in range(1, len(ways) + 1)]
    return sorted(model.run(samples, stages, noted=True), key=lambda request: request.place)


def taken(request: Request, column: int) -> int:
    """The way out, from 1, that a surveyed request took under a rule."""
    return int(_survey(request).taken[column])


def as_left(
    ways: Sequence[Way], request: Request, rule: Rule | None, number: int, task: TaskInfo, column: int
) -> Prediction:
    """The answer of a surveyed request that leaves by a way out, from 1, under the rule in a column of the survey."""
    survey = _survey(request)
    trace = bill_of(ways, rule, task.outputs).left(request.trace, survey.parts, number)
    return prediction_of(survey.answers.get(column, survey.scores[number - 1]), task, trace)


def _survey(request: Request) -> Survey:
    survey: Survey = request.notes["survey"]
    return survey


def _pass(
    model: RaggedModel, ways: Sequence[Way], number: int, rules: Sequence[Rule], pack: Pack
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
    doubtful = np.zeros_like(close)
    for column, rule in enumerate(rules):
        remaining = np.array([survey.taken[column] == 0 for survey in surveys])
        leaves, unsure = (remaining, np.zeros_like(remaining)) if last else decided(rule, number, pack)
        if way.scores_of_logits and not last and SCORES in way.asked(rule, number):
            unsure = unsure | close
        leaves = leaves & remaining
        doubtful = doubtful | (unsure & remaining) | (leaves & close)
        if rule.answers is not None and leaves.any():
            said = rule.answers(logits)
            answers = model.scores(said)
            doubtful = doubtful | (model.close(said) & leaves)
            for place in np.flatnonzero(leaves).tolist():
                surveys[place].answers[column] = answers[place]
        for place in np.flatnonzero(leaves).tolist():
            surveys[place].taken[column] = number
    alone = pack.requests[0].alone
    for place, (request, survey) in enumerate(zip(pack.requests, surveys, strict=True)):
        ends = [mark[place] for mark in marks]
        survey.parts.append(dict(zip((ADVANCE, LOOK, *channels), map(slice, ends, ends[1:]), strict=False)))
        survey.scores.append(scores[place])
        request.doubtful = bool(doubtful[place]) and not alone
    over = np.array([last or bool(survey.taken.all()) for survey in surveys])
    done = over | (doubtful & (not alone))
    stay = np.flatnonzero(~done)
    return (pack.select(stay) if len(stay) else None), [pack.requests[place] for place in np.flatnonzero(done)]


def _marks(pack: Pack) -> list[int]:
    """How long the trace of each sample is."""
    return [len(request.trace) for request in pack.requests]
