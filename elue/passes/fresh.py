"""The fresh audit: a few samples of a sweep's last run are asked again of a new worker, set to that point alone.

What a model remembers of earlier points, or of the samples it was asked before, the new worker does not know: it must
come to the same answer at the same cost. So a curve can't be bought by computing at one point what others recall.
"""

from __future__ import annotations

import random
from dataclasses import asdict

from elue.passes import checks
from elue.passes.context import Context
from elue.plan import PlannedRun
from elue.recording import Answers
from elue.schema import Flag
from elue.worker.session import START_SECONDS, WorkerFailure

SAMPLES = 6
"""How many samples are asked again: one in a hundred remembered would go unseen, one in two is seen 98 times of 100."""


def audit(context: Context, run: PlannedRun, answers: Answers) -> tuple[Flag, ...]:
    """Ask again in a new worker. One flag where an answer or a cost differs, or the new worker fails."""
    evaluation = context.evaluation
    count = len(evaluation.data.samples)
    places = random.Random(run.identity.key).sample(range(count), min(SAMPLES, count))
    try:
        differing = [place for place, same in _ask(context, run, answers, places) if not same]
    except WorkerFailure as failure:
        return (Flag(code="fresh_worker_failed", detail=f"A new worker at this point {failure.status}: {failure}."),)
    if not differing:
        return ()
    detail = (
        f"A new worker answers otherwise, or at another cost, for {len(differing)} of {len(places)} samples: "
        "the model remembers earlier points or samples, or is not deterministic."
    )
    return (Flag(code="remembers", detail=detail),)


def _ask(context: Context, run: PlannedRun, answers: Answers, places: list[int]) -> list[tuple[int, bool]]:
    """For each place, whether a new worker's answer and FLOPs are the ones measured."""
    evaluation, found = context.evaluation, []
    info, seconds = evaluation.data.spec.info(), evaluation.sample_seconds
    with evaluation.worker() as worker:
        evaluation.open(worker)
        weights = None if evaluation.weights is None else str(evaluation.weights.resolve())
        worker.call("load", START_SECONDS, weights=weights, seed=evaluation.seed)
        worker.call("configure", seconds, point=dict(run.identity.point), seed=evaluation.seed)
        for place in places:
            sample = context.veiled(place)
            answer = worker.call("predict", seconds, samples=[asdict(sample)])
            (prediction,) = checks.predictions(answer, [sample.id])
            value = checks.value(prediction.get("value"), info)
            near = abs(value - answers.values[place]) <= 1e-4 * max(1.0, abs(value))
            found.append((place, near and checks.count(answer, "flops") == answers.flops[place]))
    return found
