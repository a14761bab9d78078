"""The look-up audit: does a method compute its answers, or does it know the texts?

A stored table of a public test split answers it without a model. Two signs of one: answers that differ although nothing
was computed, and answers that change when only blanks in the text do, which no tokenizer minds but a table misses. A
table that is kept by meaning rather than by letter passes; only a split that is kept back stands against that.
"""

from __future__ import annotations

import random
from dataclasses import replace

from elue.evaluation.passes.context import Context
from elue.evaluation.passes.observed import observe
from elue.evaluation.passes.values import close
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Answers, Measured, PassResult, Ties
from elue.record.schema import Flag

SAMPLES = 16
"""How many samples are asked with other blanks: of a table of two balanced classes all 16 pass once in 65,000 times."""


def measure(context: Context, run: PlannedRun, measured: Measured) -> PassResult:
    """Ask samples again with other blanks, at the run's point. Raises WorkerFailure where it does not answer."""
    answers, flags = measured.answers, []
    if not answers.total.flops and len(set(answers.values)) > 1:
        flags.append(Flag(code="no_compute", detail="Its answers differ, though not one FLOP was counted for any."))
    asked, changed = _ask(context, run, answers, measured.ties)
    if changed > asked // 8:
        detail = f"{changed} of {asked} answers change when only blanks in the text do: it may look texts up."
        flags.append(Flag(code="looks_up", detail=detail))
    return PassResult(flags=tuple(flags))


def _ask(context: Context, run: PlannedRun, answers: Answers, ties: Ties) -> tuple[int, int]:
    """How many samples were asked again, and how many were answered otherwise, ties apart."""
    evaluation = context.evaluation
    seconds, info, size, changed = evaluation.sample_seconds, evaluation.data.spec.info(), len(answers.values), 0
    places = random.Random(f"blanks {run.identity.key}").sample(range(size), min(SAMPLES, size))
    context.configure(run)
    for place in places:
        context.go_on()
        sample = context.anonymised(place)
        sample = replace(sample, text=f" {sample.text.replace(' ', '  ', 1)} ")
        now, was = observe(context.worker, sample, seconds, info, context.traces), answers.values[place]
        tied = {was, now.value} <= ties.get(place, frozenset())
        changed += not close(was, now.value) and not tied
    return len(places), changed
