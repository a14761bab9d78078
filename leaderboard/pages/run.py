"""What a run's own page shows: everything its record says, and the conditions and prices it was measured under."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from markupsafe import Markup

from elue.leaderboard.boards import Board, ShownRun, Task
from elue.leaderboard.pages.provenance import flat
from elue.leaderboard.summaries import is_published, training_of
from elue.leaderboard.text import canonical, clean
from elue.meter import profile
from elue.meter.table import operator_table
from elue.record import files as records
from elue.record.formulas import unproved
from elue.record.schema import ProfileRef, Record

if TYPE_CHECKING:
    from elue.leaderboard.site import Site


CLAIMS = {
    "times": "times",
    "latency": "latency",
    "batch": "throughput in packs",
    "environment": "environment",
    "units": "FLOPs by unit",
    "traffic": "traffic",
    "controls": "controls",
    "measurements": "further measurements",
    "explained": "explanations",
    "claimed": "FLOPs that its author believes",
}
"""Parts of a record that are its author's word unless a sign-off names them, and how they are called."""


def contents(site: Site, task: Task, board: Board | None, run: ShownRun) -> dict[str, Any]:
    """What the template needs."""
    record = run.record
    return {
        "run": run,
        "task": task,
        "board": board,
        "detail": site.details.get(run.key),
        "claims": claims(record),
        "unproved": unproved(record),
        "sure": site.score_of(board).likely.get(run.key) if board else None,
        "profile": shipped(record.profile),
        "operators": operator_table().version,
        "sections": Markup("").join(
            _section(heading, canonical(content))
            for heading, content in (
                ("Times", {} if is_published(record) else record.times.model_dump(mode="json")),
                ("Environment", {} if is_published(record) else record.environment),
                ("Training", training_of(record)),
            )
        ),
        "record": _lines(records.summary(record)),
    }


def claims(record: Record) -> list[str]:
    """What a run of a submission has that nobody measured again, in words."""
    measured = record.signed.measured if record.signed else ()
    parts = CLAIMS.items() if record.submission else ()
    return [words for name, words in parts if getattr(record, name) and name not in measured]


@lru_cache(maxsize=4096)
def _section(heading: str, content: str) -> Markup:
    """A heading with names and values below it; most runs share these with many others."""
    pairs = flat(json.loads(content))
    if not pairs:
        return Markup("")
    row = Markup("<dt><bdi>{}</bdi></dt><dd><bdi>{}</bdi></dd>\n")
    rows = Markup("").join(row.format(clean(name), clean(value)) for name, value in pairs)
    name = heading.lower()
    return Markup(
        '<section aria-labelledby="{0}-title">\n<h2 id="{0}-title">{1}</h2>\n<dl class="pairs">\n{2}</dl>\n</section>\n'
    ).format(name, heading, rows)


def _lines(summary: Mapping[str, Any]) -> str:
    """The record as JSON, a field a line."""
    fields = (f"{_encoded(name)}: {_encoded(summary[name])}" for name in sorted(summary))
    return "{\n " + ",\n ".join(fields) + "\n}"


_encoded = json.JSONEncoder(sort_keys=True).encode


@lru_cache(maxsize=64)
def shipped(reference: ProfileRef) -> profile.Profile | None:
    """The profile a run names, if ELUE ships it under the same digest, or did under an earlier operator table."""
    return profile.shipped_as(reference.name, reference.digest)
