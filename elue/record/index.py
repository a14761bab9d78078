"""What a record is given in the index only: its submission, who ran it again, and why the rules keep it from ranks."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

SET_ASIDE = "set_aside"
"""Code of the flag that a run carries in the index which the rules of submissions keep from any rank."""


class SubmissionRef(BaseModel):
    """The submission a run came with, and how many trainings of each method it announced."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    slug: str
    seeds: int


class SignedOff(BaseModel):
    """Who ran a run again, on how many samples of it, and which parts of its record came out the same."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    by: str
    when: str
    samples: int
    measured: tuple[str, ...]
