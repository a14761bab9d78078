"""Packing a submission: the method's source, its records and a manifest, put in place in one piece."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from elue.disk import size_of
from elue.errors import ElueError
from elue.evaluation.plan import weights_digest
from elue.methods import sources
from elue.methods.registry import MethodSource
from elue.record import files as records
from elue.record.schema import Record
from elue.submissions import drafting
from elue.submissions import manifest as manifests
from elue.submissions.checks.source import PLUGIN
from elue.submissions.manifest import Manifest

STALE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class Packing:
    """What the user asked for. `weights` are folders whose size is to be told; `fields` are texts of the manifest."""

    methods: Sequence[MethodSource]
    runs: Path
    out: Path
    weights: Sequence[Path] = ()
    fields: Mapping[str, str] = field(default_factory=dict)
    task: str | None = None
    force: bool = False


@dataclass(frozen=True, slots=True)
class Packed:
    """What came of it: how many records, how many were left out and why, and the manifest's open places."""

    records: int
    notes: tuple[str, ...]
    unfilled: tuple[str, ...]


def pack(packing: Packing) -> Packed:
    """Write a submission's folder in one piece: it is there whole, or not at all.

    With `force` the manifest's texts, retractions, notes and sign-offs of the one that is there are kept, and the
    version rises if a record changed. Raises ElueError for a folder that is there, and for methods without records.
    """
    out = packing.out
    _recover(out)
    before = _earlier(out, packing.force)
    chosen, notes = _choose(packing)
    sizes = {weights_digest(folder): size_of(folder) for folder in packing.weights}
    document = drafting.draft(out.name, packing.methods, list(chosen.values()), sizes)
    if before is not None:
        document = drafting.keep(document, before, changed=_changed(out, chosen))
    drafting.fill(document, packing.fields)
    text = manifests.dumps(document)
    try:
        manifest = manifests.parse(text)
    except manifests.Misfit as misfit:
        where, what, mend = misfit.problems[0]
        raise ElueError("bad_field", f"{where}: {what}.", mend) from None
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=out.parent, prefix=f".{out.name}-", suffix=".part"))
        try:
            _fill(temporary, packing, chosen, text, out if before is not None else None)
            temporary.chmod(0o755)
            _put(temporary, out)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)
    except OSError as error:
        hint = "Free some space, or choose another --out."
        raise ElueError("unwritable", f"Cannot write {out}: {error.strerror}.", hint) from None
    return Packed(len(chosen), tuple(notes), tuple(manifests.placeholders(manifest)))


def _earlier(out: Path, force: bool) -> Manifest | None:
    """The manifest that is to be replaced, if there is one. Raises ElueError for a folder that may not be."""
    if not out.exists():
        return None
    if not force:
        raise ElueError("submission_exists", f"{out} exists already.", "Choose another --out, or --force to renew it.")
    if not (out / manifests.FILE).is_file():
        raise ElueError("not_a_submission", f"{out} is no submission, and is left alone.", "Choose another --out.")
    return manifests.read(out)


def _choose(packing: Packing) -> tuple[dict[Path, Record], list[str]]:
    """The records to pack, by file; and what was left out, in words."""
    if not packing.runs.is_dir():
        raise ElueError("no_runs", f"There is no runs folder {packing.runs}.", "Measure first with `elue evaluate`.")
    chosen: dict[Path, Record] = {}
    notes = []
    for method in packing.methods:
        digest = method.digest()
        left: dict[str, int] = defaultdict(int)
        count = 0
        for path in records.files(packing.runs):
            if path.parent.name != method.name:
                continue
            record = records.read(path)
            if packing.task not in (None, record.task.name):
                continue
            why = _unfit(record, digest)
            if why:
                left[why] += 1
            else:
                chosen[path] = record
                count += 1
        notes += [f"{method.name}: {number} records left out: {why}" for why, number in left.items()]
        if not count:
            reason = f" ({'; '.join(f'{number} are {why}' for why, number in left.items())})" if left else ""
            message = f"There is no record of '{method.name}' as it is now under {packing.runs}{reason}."
            raise ElueError("no_records", message, "Measure it with `elue evaluate`, whole splits, then pack again.")
    return chosen, notes


def _unfit(record: Record, digest: str) -> str:
    if record.method.source_digest != digest:
        return "of other code"
    if record.status != "ok":
        return f"of a run that ended as {record.status}"
    if record.task.limit is not None:
        return "of a part of the split (--limit)"
    return ""


def _changed(out: Path, chosen: Mapping[Path, Record]) -> bool:
    """Whether the records to pack are not those that are there."""
    there = {path.name: path.read_bytes() for path in records.files(out / "records")}
    return there != {path.name: path.read_bytes() for path in chosen}


def _fill(folder: Path, packing: Packing, chosen: Mapping[Path, Record], text: str, before: Path | None) -> None:
    """Everything of a submission, into a folder that nobody sees yet."""
    if before is not None:
        for path in sorted(before.iterdir()):
            if path.is_file() and not path.is_symlink() and path.name != manifests.FILE:
                shutil.copyfile(path, folder / path.name)
    (folder / manifests.FILE).write_text(text, encoding="utf-8")
    for path, record in chosen.items():
        target = records.path_of(folder / "records", record.task.name, record.method.name, record.key)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
    for method in packing.methods:
        for name, file in copied_sources(method).items():
            target = folder / PLUGIN / name
            if target.exists() and target.read_bytes() != file.read_bytes():
                raise ElueError("same_name", f"Two methods come from files called {name}.", "Rename one of them.")
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target)


def copied_sources(method: MethodSource) -> dict[str, Path]:
    """The files of a method's own source, by where they lie below `plugin/`. None for a method of ELUE's own."""
    assert method.file is not None
    if method.module is None:
        return {method.file.name: method.file}
    package = method.module.partition(".")[0]
    if package == "elue":
        return {}
    copied = {}
    for name in sources.closure(method.file, method.module, method.root):
        if name.partition(".")[0] != package:
            continue
        file = sources.locate_below(method.root, name) if method.root else sources.locate(name)
        if file is not None:
            parts = name.split(".")
            target = Path(*parts, "__init__.py") if file.name == "__init__.py" else Path(*parts).with_suffix(".py")
            copied[target.as_posix()] = file
    return copied


def _put(temporary: Path, out: Path) -> None:
    """Move a finished folder to its place. What was there is moved aside first, and comes back if that fails."""
    if not out.exists():
        temporary.rename(out)
        return
    aside = temporary.with_suffix(".old")
    out.rename(aside)
    try:
        temporary.rename(out)
    except OSError:
        aside.rename(out)
        raise
    shutil.rmtree(aside, ignore_errors=True)


def _recover(out: Path) -> None:
    """Clear away what a killed pack left: bring back what it had moved aside, drop what it had not finished."""
    if not out.parent.is_dir():
        return
    aside = sorted(out.parent.glob(f".{out.name}-????????.old"), key=lambda path: path.stat().st_mtime)
    for path in reversed(aside):
        if out.exists():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.rename(out)
    for path in out.parent.glob(f".{out.name}-????????.part"):
        if time.time() - path.stat().st_mtime > STALE_SECONDS or not os.access(path, os.W_OK):
            shutil.rmtree(path, ignore_errors=True)
