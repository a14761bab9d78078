"""What is known of prices that formulas of a plugin's own gave: whether what they price was counted, too."""

from __future__ import annotations

from elue.record.schema import Record

NAME = "formulas"
"""The measurement of how many `calls` were so priced, of how many the body was `counted`, of how many that took more
than their formula said: `underpriced`. A call that was not counted is its author's word."""


def unproved(record: Record) -> str:
    """In words, how many calls of operators of its own had a body that nobody could count; empty where none had."""
    calls, formulas = sum(record.registered.values()), record.measurements.get(NAME)
    counted = int(formulas.get("counted", 0)) if isinstance(formulas, dict) else 0
    if counted >= calls:
        return ""
    return f"the author's word in {calls - counted:,} of {calls:,} calls, whose body could not be counted"
