"""The explanations: what the model did with some samples, kept for people to look at."""

from __future__ import annotations

import random
from typing import Any

from pydantic import ValidationError

from elue.evaluation.passes.context import Context
from elue.evaluation.plan import PlannedRun
from elue.evaluation.recording import Found, Measured
from elue.record.schema import Explained
from elue.worker.failure import WorkerFailure


def measure(context: Context, run: PlannedRun, measured: Measured) -> Found:
    """Ask the model, at the run's point, about a seeded spread of samples; explanations in the task's order."""
    context.configure(run)
    samples, wanted = context.evaluation.data.samples, context.evaluation.explain
    drawn = random.Random(context.evaluation.seed).sample(range(len(samples)), min(wanted, len(samples)))
    found: dict[int, Explained] = {}
    for places, answer in context.batches("explain", drawn):
        sent = answer.get("explained")
        if not isinstance(sent, list) or len(sent) != len(places):
            raise WorkerFailure("invalid", "sent no explanations")
        for place, one in zip(places, sent, strict=True):
            found[place] = _explained(samples[place].id, one)
    return Found({"explained": tuple(found[place] for place in sorted(found))})


def _explained(sample: str, sent: Any) -> Explained:
    try:
        return Explained.model_validate({**sent, "id": sample})
    except (ValidationError, TypeError) as error:
        where = error.errors()[0]["loc"] if isinstance(error, ValidationError) else type(sent).__name__
        raise WorkerFailure("invalid", f"sent an explanation that is none ({where})") from None
