"""The explanations: what the model did with some samples, kept for people to look at."""

from __future__ import annotations

import random
from dataclasses import fields

from elue.evaluation.passes.context import Context
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Measured, PassResult
from elue.evaluation.work import Work, of_samples
from elue.protocol import Explanation
from elue.record.schema import Explained
from elue.worker.frames import Explain

_PARTS = tuple(entry.name for entry in fields(Explanation))


def measure(context: Context, run: PlannedRun, measured: Measured) -> PassResult:
    """Ask the model, at the run's point, about a seeded spread of samples; explanations in the task's order."""
    context.configure(run)
    samples, wanted = context.evaluation.data.samples, context.evaluation.explain
    drawn = random.Random(context.evaluation.seed).sample(range(len(samples)), min(wanted, len(samples)))
    explained: dict[int, Explained] = {}
    work, before = Work(), context.worker.usage().cpu_seconds
    for places, answer in context.batches(Explain, drawn):
        work += of_samples(len(places), answer.took, answer.kinds)
        for place, explanation in zip(places, answer.explained, strict=True):
            explained[place] = Explained(id=samples[place].id, **{name: getattr(explanation, name) for name in _PARTS})
    context.spend(work, before)
    return PassResult({"explained": tuple(explained[place] for place in sorted(explained))})
