"""What a run's own page shows: everything its record says, and the conditions and prices it was measured under."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from elue import profile

from .boards import Board, Run, Task
from .provenance import flat

if TYPE_CHECKING:
    from .build import Site


def contents(site: Site, task: Task, board: Board | None, run: Run) -> dict[str, Any]:
    """What the template needs."""
    summary = run.summary
    weights = summary["weights"] or {}
    return {
        "run": run,
        "task": task,
        "board": board,
        "detail": site.details.get(run.key),
        "sure": site.score_of(board).likely.get(run.key) if board else None,
        "profile": shipped(summary["profile"]),
        "sections": [
            ("Times", flat(summary["times"])),
            ("Environment", flat(summary["environment"])),
            ("Training", flat(weights.get("training") or {})),
        ],
        "record": json.dumps(dict(summary), sort_keys=True, indent=1, ensure_ascii=False),
    }


def shipped(reference: Any) -> profile.Profile | None:
    """The profile a run names, if this version ships it under the same digest."""
    if reference["name"] not in profile.names():
        return None
    found = profile.load(reference["name"])
    return found if found.digest == reference["digest"] else None
