"""What one run says of itself: why it is not ranked, where its page is, and which curve and track it is in."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import Any

from elue import tasks
from elue.leaderboard.text import digest_of, short, slug
from elue.record.board import CurveKey, uncounted
from elue.record.index import SET_ASIDE
from elue.record.labels import told_parts
from elue.record.schema import Record, TaskRef
from elue.scores.tracks import PARAMETER_TRACKS


def why_not(record: Record) -> str:
    """Why a run is not ranked, in one line."""
    if reason := set_aside(record):
        return f"Set aside: {reason}"
    if record.reason:
        return record.reason
    if record.crossing:
        own = ", ".join(record.crossing.own)
        return f"A crossing: asked by the {record.crossing.rule} rule, where the method's own are {own}."
    if reason := uncounted(record):
        return f"Not all of its work was counted: {reason}"
    if record.unknown:
        named = ", ".join(f"{name} ({calls}x)" for name, calls in sorted(record.unknown.items()))
        return f"Operators without a cost rule: {named}"
    return "The count is incomplete." if record.status == "ok" else "No reason was recorded."


def set_aside(record: Record) -> str:
    """Why the rules keep a run from ranks, or nothing."""
    return next((flag.detail for flag in record.flags if flag.code == SET_ASIDE), "")


def is_published(record: Record) -> bool:
    """Whether a run's numbers are published ones that nobody measured here."""
    return record.measure == "published"


def task_title(task: TaskRef) -> str:
    """What a task is called on the pages: one that comes with ELUE as ELUE calls it now, another as its record does."""
    return _shipped_titles().get(task.name, task.title)


@cache
def _shipped_titles() -> dict[str, str]:
    specs = (tasks.get(name) for name in tasks.names())
    return {spec.name: spec.short or spec.title for spec in specs}


def latest(records: Iterable[Record]) -> Record:
    """The run that was started last; one that is set aside only where all are."""
    return max(records, key=lambda record: (not set_aside(record), record.times.started, record.key))


def training_of(record: Record) -> dict[str, Any]:
    """What is known of the training of a run's weights."""
    return (record.weights.training if record.weights else None) or {}


def run_page(record: Record) -> str:
    """The path of a run's own page."""
    return f"runs/{slug(short(record.key, 16))}.html"


def track_of(record: Record) -> str:
    """The smallest of the tracks of 2022, by parameters in all, that a run fits into; empty if they are unknown."""
    if not record.params:
        return ""
    total = record.params.total
    caps = [track.cap for track in PARAMETER_TRACKS]
    return next((f"{cap / 1e6:g}M" for cap in caps if total <= cap), f"over {caps[-1] / 1e6:g}M")


def curve_id(curve: CurveKey) -> str:
    """A curve's id on the pages, the same on every board."""
    return "c" + digest_of([curve.method, told_parts(curve)])
