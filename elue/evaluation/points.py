"""Which operating points an evaluation measures: those given, those of rules asked for, or the method's own sweep."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from typing import Any

from elue.errors import ElueError
from elue.evaluation.known import known
from elue.evaluation.passes.context import folder, open_method
from elue.evaluation.plan import weights_digest
from elue.evaluation.request import Evaluation
from elue.methods import knobs, saved
from elue.methods.crossings import ALL, RULE, check_rules, own_rules
from elue.protocol import Knob, Point
from elue.worker import frames
from elue.worker.failure import WorkerFailure
from elue.worker.session import START_SECONDS

Settled = dict[str, Knob]


def points_of(evaluation: Evaluation) -> list[Settled]:
    """The points, as the method declares its knobs, each once: those given first, then rule by rule.

    Raises ElueError for what the method does not declare, cannot serve, or has no sweep of.
    """
    given = [knobs.settled(evaluation.method.knobs, point) for point in evaluation.points]
    if evaluation.rules:
        given += _of_rules(evaluation)
    elif not evaluation.points:
        return _default(evaluation)
    return _once(given)


def _once(points: Iterable[Settled]) -> list[Settled]:
    kept: list[Settled] = []
    for point in points:
        if point not in kept:
            kept.append(point)
    return kept


def _default(evaluation: Evaluation) -> list[Settled]:
    """The method's own sweep: as it was saved beside weights, else as the method offers it."""
    if evaluation.weights and (sweep := saved.points(evaluation.method, evaluation.weights)):
        return list(_settled(evaluation, sweep))
    offered = _offered(evaluation)
    if not offered.points:
        name, task = evaluation.method.name, evaluation.data.spec.name
        hint = "Give --point KNOB=VALUE." if evaluation.method.knobs else "A method without knobs returns [{}]."
        raise ElueError("no_points", f"'{name}' offers no operating points for '{task}'.", hint)
    return list(_settled(evaluation, offered.points))


def _of_rules(evaluation: Evaluation) -> list[Settled]:
    """The points of the rules asked for: the method's own first, as its sweep has them, then every other's."""
    weights = evaluation.weights
    own = own_rules(evaluation.method, evaluation.data.spec.kind)
    check_rules(evaluation.method, evaluation.rules)
    offered, crossed = _told(evaluation, crossings=True)
    if not crossed.sweeps:
        message = f"'{weights}' has no sweeps of rules: it was trained before there were any."
        raise ElueError("no_sweeps", message, "Train again, or give --point rule=RULE,KNOB=VALUE for each setting.")
    asked = list(crossed.sweeps) if ALL in evaluation.rules else list(dict.fromkeys(evaluation.rules))
    for rule in asked:
        if rule not in crossed.sweeps:
            why = crossed.missing.get(rule, f"These weights have no sweep of the {rule} rule.")
            raise ElueError("rule_not_served", why, f"Those with a sweep are {', '.join(crossed.sweeps)}.")
    first = [point for point in offered.points if point.get(RULE) in asked]
    asked.sort(key=lambda rule: rule not in own)
    return list(_settled(evaluation, [*first, *(point for rule in asked for point in crossed.sweeps[rule])]))


def _offered(evaluation: Evaluation) -> frames.Offered:
    """What the method offers for a task, as it said before where nothing has changed since."""
    task = asdict(evaluation.data.spec.info())
    profile, seed = evaluation.profile.digest, evaluation.seed
    question: dict[str, Any] = {"task": task, "weights": evaluation.weights and weights_digest(evaluation.weights)}
    question |= {"profile": profile, "seed": seed}
    return known(frames.Offered, evaluation.method, question, lambda: _told(evaluation, crossings=False)[0])


def _told(evaluation: Evaluation, crossings: bool) -> tuple[frames.Offered, frames.Crossed]:
    """What the method offers, asked in a worker, with its sweeps of all rules where they are wanted."""
    name, task = evaluation.method.name, evaluation.data.spec.name
    crossed = frames.Crossed({}, {})
    try:
        with evaluation.worker() as worker:
            open_method(worker, evaluation)
            offered = worker.call(frames.Points(folder(evaluation.weights)), START_SECONDS)
            if crossings and not offered.unsupported:
                crossed = worker.call(frames.Crossings(folder(evaluation.weights)), START_SECONDS)
    except WorkerFailure as failure:
        message = f"Method '{name}' {failure.status} before its first run: {failure.reason}."
        raise ElueError("method_failed", message, f"Its log is {evaluation.log}.") from None
    if offered.unsupported:
        raise ElueError("unsupported", f"'{name}' does not serve '{task}': {offered.unsupported}")
    return offered, crossed


def _settled(evaluation: Evaluation, points: Sequence[Point]) -> Iterator[Settled]:
    try:
        yield from (knobs.settled(evaluation.method.knobs, point) for point in points)
    except ElueError as error:
        message = f"Method '{evaluation.method.name}' breaks its own declaration of knobs: {error}"
        raise ElueError("broken_method", message, "Mend its knobs, or its points.") from None
