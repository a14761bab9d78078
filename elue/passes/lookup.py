"""The look-up audit: does a method compute its answers, or does it know the texts?

A stored table of a public test split answers it without a model. Two signs of one: answers that differ although nothing
was computed, and answers that change when only blanks in the text do, which no tokenizer minds but a table misses. A
table that is kept by meaning rather than by letter passes; only a split that is kept back stands against that.
"""

from __future__ import annotations

import random
from dataclasses import asdict, replace

from elue.passes import checks
from elue.passes.context import Context
from elue.plan import PlannedRun
from elue.recording import Answers
from elue.schema import Flag
from elue.worker.session import WorkerFailure

SAMPLES = 16
"""How many samples are asked with other blanks: of a table of two balanced classes all 16 pass once in 65,000 times."""


def audit(context: Context, run: PlannedRun, answers: Answers) -> tuple[Flag, ...]:
    """Ask samples again with other blanks, at the run's point; the worker may be gone afterwards."""
    flags = []
    if not any(answers.flops) and len(set(answers.values)) > 1:
        flags.append(Flag(code="no_compute", detail="Its answers differ, though not one FLOP was counted for any."))
    try:
        asked, changed = _ask(context, run, answers)
    except WorkerFailure as failure:
        return (*flags, Flag(code="looks_up", detail=f"With other blanks in a text it {failure.status}: {failure}."))
    if changed > asked // 8:
        detail = f"{changed} of {asked} answers change when only blanks in the text do: it may look texts up."
        flags.append(Flag(code="looks_up", detail=detail))
    return tuple(flags)


def _ask(context: Context, run: PlannedRun, answers: Answers) -> tuple[int, int]:
    """How many samples were asked again, and how many were answered otherwise."""
    evaluation = context.evaluation
    info, count, changed = evaluation.data.spec.info(), len(evaluation.data.samples), 0
    places = random.Random(f"blanks {run.identity.key}").sample(range(count), min(SAMPLES, count))
    context.configure(run)
    for place in places:
        sample = context.veiled(place)
        sample = replace(sample, text=f" {sample.text.replace(' ', '  ', 1)} ")
        answer = context.worker.call("predict", evaluation.sample_seconds, samples=[asdict(sample)])
        (prediction,) = checks.predictions(answer, [sample.id])
        value = checks.value(prediction.get("value"), info)
        changed += abs(value - answers.values[place]) > 1e-3 * max(1.0, abs(value))
    return len(places), changed
