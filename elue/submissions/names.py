"""Whose a method's name is: that of the submission which had it first. `static` is the house's.

Who was first is told by git: by the first commit of the main line that brought records of a method so called. What is
not committed comes after all that is. Where nothing tells, a submission of the house goes before others, and two others
both have no right to the name. Names that differ only in case, or in '-', '_' and '.', are one name.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from elue.record.index import SubmissionRef
from elue.scores import edition as editions
from elue.submissions import manifest as manifests
from elue.submissions.git import told, unlinked
from elue.submissions.manifest import Manifest

RESERVED = ("static",)
"""Names that only the house may use."""
HOUSE = ("baselines", "2026-preview")
"""Submissions of the standard itself; so are those that an edition takes its yardsticks from."""

Spelled = Mapping[str, str]
"""By the slug of each submission that has a method of a name, how it spells it."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a submission may not use a name, and how to mend that."""

    what: str
    mend: str


@cache
def house() -> frozenset[str]:
    """The slugs of the house's submissions."""
    entries = [task for name in editions.names() for task in editions.load(name).tasks.values()]
    return frozenset({*HOUSE, *(entry.yardstick.submission for entry in entries)} - {""})


def plain(name: str) -> str:
    """What a name has in common with those that count as the same."""
    return re.sub(r"[-_.]", "", name).lower()


@dataclass(frozen=True)
class Neighbours:
    """Submissions side by side in a folder, at a git revision of it or, without one, as they lie there now."""

    folder: Path
    revision: str | None = None

    @cached_property
    def manifests(self) -> dict[str, Manifest]:
        """The sound manifests, by the names of their folders."""
        if self.revision is None:
            return {path.parent.name: read for path in self._files() if (read := _parsed(_text(path))) is not None}
        listed = told(self.folder, "ls-tree", "-z", "--name-only", "--end-of-options", self.revision, "./") or ""
        texts = {slug: self._shown(slug) for slug in listed.split("\0") if slug and slug[0] != "."}
        return {slug: read for slug, text in texts.items() if (read := _parsed(text)) is not None}

    def having(self, name: str) -> dict[str, str]:
        """The submissions that have a method of this name, and how each spells it."""
        return {
            slug: method.name
            for slug, manifest in self.manifests.items()
            for method in manifest.methods
            if plain(method.name) == plain(name)
        }

    def first(self, spelled: Spelled) -> str | None:
        """Which of some submissions brought records of its method first; None where git does not tell."""
        words = ("log", "--first-parent", "-m", "--reverse", "--diff-filter=A", "--no-renames")
        shown = ("--format=%x00", "--name-only", "--relative", "--end-of-options", self.revision or "HEAD", "--")
        history = told(self.folder, "--literal-pathspecs", *words, *shown, *(f"{slug}/records" for slug in spelled))
        for commit in (history or "").split("\0"):
            brought = {slug for path in commit.split("\n") if (slug := _bringer(path, spelled))}
            if brought:
                return brought.pop() if len(brought) == 1 else None
        return None

    def _files(self) -> list[Path]:
        paths = sorted(self.folder.glob(f"*/{manifests.FILE}"))
        return [path for path in paths if path.parent.name[0] != "." and path.is_file() and not path.is_symlink()]

    def _shown(self, slug: str) -> str:
        return told(self.folder, "cat-file", "blob", f"{self.revision}:./{slug}/{manifests.FILE}") or ""


def refusal(name: str, submission: Path, base: str | None = None) -> Refusal | None:
    """Why a submission may not call a method so; None where it may.

    `submission` is its folder; the others lie beside it. With `base`, a git revision, what was there comes first.
    """
    place = unlinked(submission)
    slug = place.name
    if plain(name) in map(plain, RESERVED) and slug not in house():
        return Refusal(
            f"the name '{name}' is reserved for the static networks that come with ELUE",
            "Give the method a name of its own",
        )
    if base is not None:
        before = Neighbours(place.parent, base)
        if having := before.having(name):
            return _judged(name, slug, having, before)
    now = Neighbours(place.parent)
    return _judged(name, slug, now.having(name), now)


def _judged(name: str, slug: str, having: Spelled, among: Neighbours) -> Refusal | None:
    others = [other for other in having if other != slug]
    if not others or (slug in house() and house().issuperset(others)):
        return None
    owner = (others[0] if len(others) == 1 else None) if slug not in having else None
    owner = owner or among.first(having) or _of_the_house([slug, *others])
    if owner is None:
        return Refusal(
            f"'{name}' is a method of {_listed(others)}, too, and nothing tells who was first",
            "Validate in the git checkout they lie in, or give the method a name of its own",
        )
    if owner == slug or (slug in house() and owner in house()):
        return None
    return Refusal(f"the name '{name}' belongs to {_listed([owner])}, which had it first", "Give the method another")


def _bringer(path: str, spelled: Spelled) -> str:
    """The submission that a path is of, where it is that of a record of its method; else nothing."""
    parts = path.strip().split("/")
    slug = parts[0]
    wanted = len(parts) == 5 and parts[1] == "records" and slug in spelled and plain(parts[3]) == plain(spelled[slug])
    return slug if wanted else ""


def _of_the_house(slugs: Iterable[str]) -> str | None:
    return next((slug for slug in slugs if slug in house()), None)


def _listed(slugs: Sequence[str]) -> str:
    return f"the submission{'s' * (len(slugs) > 1)} {', '.join(slugs[:5])}"


def reference_of(manifest: Manifest, submission: Path) -> SubmissionRef:
    """What the index says of the submission a record came with: its folder's name, whatever the manifest calls it."""
    return SubmissionRef(slug=unlinked(submission).name, seeds=manifest.seeds)


def _text(path: Path) -> str:
    try:
        return manifests.text_of(path)
    except manifests.Misfit:
        return ""


def _parsed(text: str) -> Manifest | None:
    try:
        return manifests.parse(text)
    except manifests.Misfit:
        return None
