"""Published blocks: where numbers of papers have their place, apart from all that is measured."""

from __future__ import annotations

from elue.record.schema import Record
from elue.submissions.published import PROFILE

BLOCKS = {"leaderboard-2022": "elue-2022"}
"""By the label that a block's rows have as their data's revision, the submission which holds them."""


def misplaced(record: Record, slug: str) -> str:
    """Why a published row of a submission is in no published block; empty where it is, and for measured ones."""
    if record.measure != "published":
        return ""
    block = record.task.revision
    owner = BLOCKS.get(block)
    if owner is None:
        return f"published numbers under '{block[:80]}', which is no published block ({', '.join(BLOCKS)})"
    if owner != slug:
        return f"published numbers in the block '{block}', which is that of the submission {owner}"
    if record.profile.name != PROFILE:
        return f"published numbers under the profile '{record.profile.name[:80]}'; a block is under {PROFILE}"
    if record.samples is not None or record.weights is not None:
        return "published numbers with samples or weights, as if they were measured"
    return ""
