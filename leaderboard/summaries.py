"""What one summary says: whether its run ranks, where its page is, and which curve, division and track it is in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from elue.leaderboard.text import digest_of, short, slug
from elue.scores.tracks import PARAMETER_TRACKS

Summary = Mapping[str, Any]


def ranked(summary: Summary) -> bool:
    """Whether a run can be ranked: it ended well and every operator had a price."""
    return (
        summary["status"] == "ok"
        and bool(summary["complete"])
        and summary["score"] is not None
        and summary["flops"] is not None
    )


def why_not(summary: Summary) -> str:
    """Why a run is not ranked, in one line."""
    if summary["reason"]:
        return str(summary["reason"])
    if summary["unknown"]:
        named = ", ".join(f"{name} ({calls}x)" for name, calls in sorted(summary["unknown"].items()))
        return f"Operators without a cost rule: {named}"
    return "The count is incomplete." if summary["status"] == "ok" else "No reason was recorded."


def declared(summary: Summary) -> bool:
    """Whether a run's numbers are published ones that nobody measured here."""
    return bool(summary["measure"] == "declared")


def run_page(summary: Summary) -> str:
    """The path of a run's own page."""
    return f"runs/{slug(short(str(summary['key']), 16))}.html"


def division_of(summary: Summary) -> str:
    """The division a run is in: open where a formula of the plugin's own priced an operator."""
    return "open" if summary.get("registered") else "closed"


def track_of(summary: Summary) -> str:
    """The smallest of the tracks of 2022, by parameters in all, that a run fits into; empty if they are unknown."""
    if not summary["params"]:
        return ""
    total = summary["params"]["total"]
    caps = [track.cap for track in PARAMETER_TRACKS]
    return next((f"{cap / 1e6:g}M" for cap in caps if total <= cap), f"over {caps[-1] / 1e6:g}M")


def curve_id(summary: Summary) -> str:
    """The identity of the curve a run belongs to, on any board: the method's code, weights and seed."""
    return "c" + digest_of([summary["method"]["name"], told_parts(summary)])


def told_parts(summary: Summary) -> dict[str, str]:
    """What tells curves of one method apart, in words."""
    weights = summary["weights"]
    return {
        "seed": str(summary["seed"]),
        "weights": weights["digest"] if weights else "none",
        "code": summary["method"]["source_digest"],
    }
