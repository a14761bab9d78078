"""What papers claim of their methods, from a file of claims; and what records say of each."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from elue.errors import ElueError
from elue.record.schema import Record
from elue.scores.edition import Edition
from elue.scores.headlines import STATIC, Headline, headlines
from elue.scores.intervals import Estimate
from elue.scores.kept import Outcome
from elue.scores.paper_counts import PADDED

FILE = "claims.toml"
Way = Literal["flops", "layers", "tokens", "padded"]
"""How a paper counts, as `elue.scores.paper_counts` can."""
WAYS: dict[Way, str] = {
    "flops": "FLOPs at true length",
    "layers": "layers",
    "tokens": "tokens kept",
    "padded": f"a full model padded to {PADDED}",
}


class Claim(BaseModel):
    """A claim of a paper: of which method, in words, on what and how counted, and where it stands.

    `compute` is the part of the full model's compute that it is about, `loss` the most points below the full model that
    it allows there, `way` the way of counting here that is nearest to the paper's; None where it does not name them.
    The full model is a board's, or where the claim is `beside` the method "itself" its own dearest point.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    method: str
    says: str
    on: str
    counted: str
    source: str
    compute: float | None = Field(default=None, gt=0)
    loss: float | None = Field(default=None, ge=0)
    way: Way | None = None
    beside: Literal["full model", "itself"] = "full model"

    @property
    def speedup(self) -> float | None:
        """How many times less compute the claim is about."""
        return None if self.compute is None else 1 / self.compute

    def as_counted(self, headline: Headline) -> float | None:
        """The speed-up of a headline as the paper counts; None where that is not known."""
        return getattr(headline.papers, self.way) if self.way and headline.papers else None


@dataclass(frozen=True, slots=True)
class CameOut:
    """What a board's records say of a claim: the difference to the full model at its compute, and whether it holds.

    There is no outcome where the claim names no loss or no point is that cheap, which `reaches` says. Of so many
    `trainings` of the method and `full` of the full model; with one on either side it is told for these weights.
    """

    claim: Claim
    difference: Estimate
    outcome: Outcome | None
    trainings: int
    full: int
    reaches: bool


def read(text: str) -> list[Claim]:
    """The claims that a TOML text holds. Raises ElueError `bad_claims`, naming the first thing that is wrong."""
    try:
        return [Claim.model_validate(entry) for entry in tomllib.loads(text).get("claim", [])]
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = f"A claim's {'.'.join(map(str, first['loc']))} is wrong: {first['msg']}."
        raise ElueError("bad_claims", message, "The head of the file says what a claim has.") from None
    except (tomllib.TOMLDecodeError, AttributeError, TypeError) as error:
        raise ElueError("bad_claims", f"The claims are no TOML of [[claim]] tables: {error}.") from None


@cache
def shipped() -> Sequence[Claim]:
    """The claims that come with ELUE."""
    return tuple(read(resources.files(__package__).joinpath(FILE).read_text("utf-8")))


def held() -> frozenset[str]:
    """The methods whose records tell what came out of claims: those that one is about, and the full model's."""
    return frozenset(claim.method for claim in shipped()) | {STATIC}


def beside_themselves() -> frozenset[str]:
    """The methods whose claims are about what they compute themselves where nothing is skipped."""
    return frozenset(claim.method for claim in shipped() if claim.beside == "itself")


def measured(edition: Edition, records: Iterable[Record]) -> list[Headline]:
    """The headlines of an edition's methods that a claim is about; whole records may come one by one."""
    return headlines(edition, records, held() - {STATIC}, beside_themselves())
