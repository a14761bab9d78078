"""What a board is, and what a curve on it: the runs that compare, and the points that belong together."""

from __future__ import annotations

from typing import Any, NamedTuple

from elue.record.index import SET_ASIDE
from elue.record.schema import RETRACTED, Record

MEASURED, PUBLISHED = "measured", "published"
UNCOUNTED = ("cpu_unexplained", "nothing_counted", "no_compute")
"""Flags that say that a run did what its FLOPs leave out."""


class BoardKey(NamedTuple):
    """What runs have in common that compare. `measure` keeps numbers of a paper apart from those measured here."""

    task: str
    split: str
    revision: str
    limit: int | None
    profile_digest: str
    measure: str = MEASURED


class CurveKey(NamedTuple):
    """Whose points a curve joins."""

    method: str
    source_digest: str
    weights_digest: str | None
    seed: int


def board_of(record: Record) -> BoardKey:
    """The board a run belongs to."""
    task = record.task
    return BoardKey(task.name, task.split, task.revision, task.limit, record.profile.digest, measure_of(record))


def measure_of(record: Record) -> str:
    """`MEASURED`, however a run's compute was measured, or `PUBLISHED`."""
    return PUBLISHED if record.measure == PUBLISHED else MEASURED


def curve_of(record: Record) -> CurveKey:
    """The curve a run belongs to."""
    weights = record.weights.digest if record.weights else None
    return CurveKey(record.method.name, record.method.source_digest, weights, record.seed)


RANKED = "Ranked runs have status ok and a complete count, no flag of uncounted work."
"""What users are told who have none."""


def is_ranked(record: Record) -> bool:
    """Whether a run can be ranked: it counts, and it is under a rule of its method's own."""
    return counts(record) and record.crossing is None


def counts(record: Record) -> bool:
    """Whether a run counts: it ended well, all its work was counted as far as audits see, nobody withdrew it."""
    withdrawn = any(flag.code in (RETRACTED, SET_ASIDE) for flag in record.flags)
    sound = record.status == "ok" and record.complete and not withdrawn and not uncounted(record)
    return sound and record.score is not None and record.flops is not None


def uncounted(record: Record) -> str:
    """What an audit found of work that the run's FLOPs leave out, so that its place on a front means nothing."""
    return next((flag.detail for flag in record.flags if flag.code in UNCOUNTED), "")


def taken_back(record: Record) -> bool:
    """Whether a run was retracted by the submission that it came with."""
    codes = {flag.code for flag in record.flags}
    return RETRACTED in codes and SET_ASIDE not in codes


def published_reference(environment: dict[str, Any]) -> str | None:
    """The reference that a published record names for its board."""
    published = environment.get("declared")
    name = published.get("reference") if isinstance(published, dict) else None
    return name if isinstance(name, str) else None
