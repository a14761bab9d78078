"""Editions: which tasks, profile, yardsticks and rules a rank is about, frozen under a digest.

An edition is a TOML file in `editions/`, or a user's own. Nobody can move what it fixes by submitting: a yardstick is
known by the contents of its runs, never by a name. One that is still being made leaves its yardsticks empty.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from elue import tasks
from elue.errors import ElueError, unknown
from elue.meter import profile
from elue.record import files as records
from elue.record.board import BoardKey
from elue.record.schema import Record
from elue.scores.resampling import column_of
from elue.scores.spread import MOST, Known

FOLDER = Path(__file__).parent / "editions"

Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Budget = Annotated[float, Field(gt=0, allow_inf_nan=False)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Yardstick(_Part):
    """The static curve of a task: whose it is, digests of its runs' contents, and the range in FLOPs.

    `runs` is empty, and `range` None, where there is none yet.
    """

    submission: str = ""
    method: str = "static"
    runs: tuple[Digest, ...] = ()
    range: tuple[Budget, Budget] | None = None

    @model_validator(mode="after")
    def _whole(self) -> Yardstick:
        if (self.range is None) != (not self.runs) or bool(self.runs) != bool(self.submission):
            raise ValueError("a yardstick has 'submission', 'runs' and 'range', or none of them")
        if self.range is not None and self.range[0] >= self.range[1]:
            raise ValueError("'range' is the lower budget, then the upper one")
        if len(set(self.runs)) < len(self.runs):
            raise ValueError("'runs' names one run twice")
        return self


class Trainings(_Part):
    """How far trainings of one method lie apart on a task, in points, as the house's had shown when it was frozen.

    `spread` is over the whole range, then at each budget of `elue.scores.leads.SHARES`.
    """

    spread: tuple[Budget, Budget, Budget, Budget]
    degrees: int = Field(ge=1, le=MOST)

    @property
    def known(self) -> tuple[Known, ...]:
        """The same for each of these budgets."""
        return tuple(Known(spread, self.degrees) for spread in self.spread)


class EditionTask(_Part):
    """A task of an edition: which data, the score of the best constant answer there, and the yardstick.

    `validation` is the revision of the validation split, whose runs choose corners; without it none do. `clusters` has
    for each sample the number of its cluster, those that belong together (pairs that share a text), numbered as they
    come up; it is empty where each is for itself. Without `trainings` a method's own have to show how far they lie
    apart.
    """

    revision: Digest
    validation: Digest | None = None
    samples: int = Field(ge=1)
    floor: float
    clusters: tuple[Annotated[int, Field(ge=0)], ...] = ()
    yardstick: Yardstick = Yardstick()
    trainings: Trainings | None = None

    @model_validator(mode="after")
    def _add_up(self) -> EditionTask:
        if self.clusters and len(self.clusters) != self.samples:
            raise ValueError(f"'clusters' hold {len(self.clusters)} samples, 'samples' says {self.samples}")
        if list(dict.fromkeys(self.clusters)) != list(range(len(set(self.clusters)))):
            raise ValueError("'clusters' are numbered from 0 on, as they come up")
        return self


class Edition(_Part):
    """The rules of an edition.

    While it is not frozen it may leave `profile_digest` out: then it is that of the profile as it is now.
    A rank needs at least `seeds` trainings of the method and of the yardstick, at least `samples` samples, and no more
    than `points` operating points a training. One half of the level of its tests is parted evenly among `methods` of
    the submissions that its yardsticks are of, the other half among `places` other submissions
    (`elue.scores.families`). `digest` is there where the edition is frozen.
    """

    name: str
    title: str
    score: Literal["elue-2"]
    profile: str
    profile_digest: Digest
    split: Literal["train", "validation", "test"]
    seeds: int = Field(ge=2)
    samples: int = Field(ge=30)
    points: int = Field(ge=1)
    methods: int = Field(default=35, ge=1)
    places: int = Field(default=25, ge=1)
    tasks: dict[str, EditionTask] = Field(min_length=1)
    digest: Digest | None = None

    @model_validator(mode="after")
    def _of_real_data(self) -> Edition:
        if made := [name for name in self.tasks if tasks.is_generated(name)]:
            raise ValueError(f"'{made[0]}' is generated: its labels can be made again, so it is in no edition")
        return self

    @property
    def frozen(self) -> bool:
        """Whether its rules are fixed."""
        return self.digest is not None

    @property
    def house(self) -> frozenset[str]:
        """The submissions its yardsticks are of."""
        return frozenset(task.yardstick.submission for task in self.tasks.values()) - {""}

    @cached_property
    def rules(self) -> str:
        """The digest of all it fixes, which every score carries; comments and layout of the file have no part in it."""
        document = self.model_dump(mode="json", exclude={"digest"})
        return hashlib.sha256(records.canonical(document).encode()).hexdigest()


def names() -> list[str]:
    """The editions that come with the standard, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.toml"))


def load(edition: str | Path) -> Edition:
    """The edition of this name, or of a user's file (a path that ends in .toml).

    Raises ElueError `unknown_edition`, `unreadable_edition`, `invalid_edition`, and `changed_edition` where a frozen
    one is no longer what it was.
    """
    if not str(edition).endswith(".toml"):
        if edition not in names():
            raise unknown("edition", str(edition), names())
        edition = FOLDER / f"{edition}.toml"
    path = Path(edition)
    try:
        entries = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else " ".join(str(error).split())
        raise ElueError("unreadable_edition", f"Cannot read the edition {path}: {reason}.") from None
    if "digest" not in entries and isinstance(entries.get("profile"), str):
        entries.setdefault("profile_digest", profile.load(entries["profile"]).digest)
    try:
        read = Edition.model_validate({"name": path.stem, **entries})
    except ValidationError as errors:
        first = errors.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise ElueError("invalid_edition", f"{path}: '{where}': {first['msg']}.") from None
    if read.frozen and read.digest != read.rules:
        message = f"{path} is frozen as {str(read.digest)[:12]}, but its rules are {read.rules[:12]}."
        raise ElueError("changed_edition", message, "A frozen edition never changes: make another one.")
    return read


def clusters_at(board: BoardKey, editions: Iterable[Edition] = ()) -> tuple[int, ...]:
    """The clusters of a board's samples, as one of these editions or of those that come with the standard knows them.

    Empty where none knows any: for samples that are each for themselves, data of no edition, and parts of a split.
    """
    for edition in (*editions, *_shipped()):
        task = edition.tasks.get(board.task)
        if task and board.limit is None and (board.split, board.revision) == (edition.split, task.revision):
            return task.clusters
    return ()


@cache
def _shipped() -> tuple[Edition, ...]:
    return tuple(load(name) for name in names())


def content_of(record: Record) -> str:
    """A digest of all that scoring reads of a run: its identity, samples, answers, errors and FLOPs.

    Raises ElueError `no_samples`.
    """
    column = column_of(record)
    digest = hashlib.sha256(f"{records.identity(record).key} {column.ids}".encode())
    for numbers in (column.value, column.error, column.flops):
        digest.update(numbers.astype("<f8").tobytes())
    return digest.hexdigest()
