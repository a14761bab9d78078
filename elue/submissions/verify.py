"""Verifying a submission: its runs done again, confined, and compared with its records sample by sample."""

from __future__ import annotations

import math
import random
import secrets
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import elue
from elue import tasks
from elue.disk import check_writable
from elue.errors import ElueError
from elue.evaluation.execute import execute, plan
from elue.evaluation.plan import weights_digest
from elue.evaluation.request import Evaluation, Progress
from elue.meter import profile
from elue.methods.registry import MethodSource
from elue.record import files as records
from elue.record.schema import Record
from elue.submissions import manifest as manifests
from elue.submissions import signing, ssh
from elue.submissions.apart import validate_apart
from elue.submissions.checks.source import find
from elue.submissions.comparing import compared
from elue.submissions.git import unlinked
from elue.submissions.leaving import left_out
from elue.submissions.manifest import Manifest
from elue.submissions.signing import RunCheck, SignOff
from elue.tasks import TaskData

TENTH = 0.1
REPEAT = 16
"""Samples of a run that are asked again, for the audits of compute."""


@dataclass(frozen=True, slots=True)
class Verifying:
    """What the user asked for. `by` signs with the SSH key in a file; `seed` draws the samples, and is drawn itself
    where it is None."""

    folder: Path
    by: str
    key: Path
    weights: Path | None = None
    data: Path | None = None
    full: bool = False
    seed: int | None = None
    sample_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class _Group:
    """Runs that one worker can do in one go: the same method, weights, split, profile and seed."""

    method: MethodSource
    weights: Path | None
    data: TaskData
    profile: profile.Profile
    seed: int
    files: tuple[Path, ...]


def verify(verifying: Verifying, progress: Callable[[], Progress]) -> SignOff:
    """Do the runs of a submission again, on a random tenth of the samples at every point or on all, and sign.

    All audits are made, as when it was measured. The submission has to be without errors, the weights those of its
    manifest, the signer allowed. What differs is a finding of the sign-off, never a change of a record. Raises
    ElueError where it can't be begun.
    """
    folder = verifying.folder
    _may_sign(verifying)
    verdict = validate_apart(folder, data=verifying.data)
    if verdict.errors:
        first = verdict.errors[0]
        message = f"{folder} has {len(verdict.errors)} errors, the first: {first.code} {first.path}: {first.what}."
        raise ElueError("not_valid", message, f"See them all: elue validate {folder}")
    check_writable(folder, "folder: the sign-off is written there")
    manifest = manifests.read(folder)
    left = left_out(folder)
    if left and len(left) == verdict.records:
        message = f"None of the {verdict.records} runs of {folder} can be done again here. {next(iter(left.values()))}."
        raise ElueError(
            "nothing_to_verify", message, "They fail nothing and earn nothing until they are measured anew."
        )
    weights = _weights(manifest, _read_by(folder, left), verifying.weights)
    seed = secrets.randbelow(2**32) if verifying.seed is None else verifying.seed
    draw = random.Random(seed)
    checks: list[RunCheck] = []
    environment: dict[str, Any] = {}
    profiles: dict[str, str] = {}
    for group in _groups(folder, manifest, weights, verifying.data):
        part = group.data if verifying.full else _tenth(group.data, draw)
        again = {}
        with tempfile.TemporaryDirectory(prefix="elue-verify-") as runs:
            for record in _again(group, part, Path(runs), verifying.sample_seconds, progress()):
                again[records.canonical(record.point)] = record
        for file in group.files:
            claimed = records.read(file)
            rerun = again[records.canonical(claimed.point)]
            environment = rerun.environment or environment
            profiles[claimed.profile.name] = claimed.profile.digest
            checks.append(compared(claimed, rerun, signing.digest_of(file), verifying.full))
    sign_off = SignOff(
        folder=unlinked(folder).name,
        by=verifying.by,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        version=manifest.version,
        elue=elue.__version__,
        extent="full" if verifying.full else "tenth",
        seed=seed,
        weights=tuple(sorted(weights)),
        profiles=dict(sorted(profiles.items())),
        environment=environment,
        runs=tuple(checks),
    )
    sign_off = signing.signed(sign_off, verifying.key)
    signing.add(folder, sign_off)
    return sign_off


def _may_sign(verifying: Verifying) -> None:
    """Raises ElueError unless the key signs, and what it signs counts as the signer's."""
    test, now = b"a test", datetime.now(UTC).isoformat(timespec="seconds")
    if not verifying.key.is_file():
        raise ElueError("no_key", f"There is no key {verifying.key}.", "Name an SSH key by --key FILE.")
    signers = signing.signers_of(verifying.folder)
    wrong = ssh.fault(test, ssh.sign(test, verifying.key), verifying.by, now, signers)
    if wrong:
        message = f"What {verifying.key} signs would count for nothing: {wrong}."
        file = unlinked(verifying.folder).parent / ssh.SIGNERS
        hint = f"A line of {file} has the signer's name, then the public key."
        raise ElueError("not_a_signer", message, hint)


def _read_by(folder: Path, left: Mapping[str, str]) -> set[str]:
    """The sha256 of the weights of all runs but those that are left out."""
    told = map(records.read, records.files(folder / "records"))
    return {record.weights.digest for record in told if record.weights and record.key not in left}


def _weights(manifest: Manifest, wanted: Set[str], given: Path | None) -> dict[str, Path]:
    """The folders of these weights by their sha256: the given folder, or some below it.

    Raises ElueError where one is not among them.
    """
    needed = [entry for entry in manifest.weights if entry.sha256 in wanted]
    if not needed:
        return {}
    if given is None:
        raise ElueError("no_weights", "This submission has weights.", "Name their folder by --weights DIR.")
    if not given.is_dir():
        raise ElueError("no_weights", f"There is no weights folder {given}.", "Check --weights.")
    folders = [given, *sorted(path for path in given.rglob("*") if path.is_dir() and path.name != "checkpoints")]
    holding = [path for path in folders if any(file.is_file() for file in path.iterdir())]
    folder_of = {weights_digest(path): path for path in holding}
    for entry in needed:
        if entry.sha256 not in folder_of:
            message = (
                f"No folder at {given} holds the weights of {entry.method} on {entry.task}: sha256 {entry.sha256}."
            )
            raise ElueError("other_weights", message, f"Get them: {entry.url}.")
    return {entry.sha256: folder_of[entry.sha256] for entry in needed}


def _groups(folder: Path, manifest: Manifest, weights: dict[str, Path], data: Path | None) -> Iterator[_Group]:
    """The runs of a submission, by what they share; retracted ones are left out.

    So are those that nobody can do again here (see `elue.submissions.leaving`). Raises ElueError where one was measured
    under an earlier operator table.
    """
    left = left_out(folder)
    together: dict[tuple[str, str, str, str, int, str], list[Path]] = defaultdict(list)
    for file in records.files(folder / "records"):
        record = records.read(file)
        if record.key in left:
            continue
        if record.profile.digest != profile.load(record.profile.name).digest:
            message = f"{file} was priced by an earlier operator table, which this version of ELUE no longer has."
            raise ElueError("earlier_table", message, "Verify it with that version, or measure it anew.")
        if manifest.retraction(record) is None:
            digest = record.weights.digest if record.weights else ""
            ref = record.task
            together[record.method.name, ref.name, ref.split, record.profile.name, record.seed, digest].append(file)
    for (name, task, split, profile_name, seed, digest), files in sorted(together.items()):
        entry = manifest.method(name)
        assert entry is not None
        yield _Group(
            method=find(folder, entry),
            weights=weights[digest] if digest else None,
            data=tasks.load(tasks.get(task), split, data),
            profile=_alone(profile.load(profile_name)),
            seed=seed,
            files=tuple(files),
        )


def _alone(standard: profile.Profile) -> profile.Profile:
    """The profile without packs: what those add to answers and FLOPs is a time, which nobody gets twice."""
    return replace(standard, conditions=replace(standard.conditions, tokens=0))


def _tenth(data: TaskData, draw: random.Random) -> TaskData:
    """A random tenth of the samples, in the task's order."""
    count = math.ceil(TENTH * len(data.samples))
    rows = sorted(draw.sample(range(len(data.samples)), count))
    return replace(
        data,
        samples=tuple(data.samples[row] for row in rows),
        labels=tuple(data.labels[row] for row in rows),
        difficulty=None if data.difficulty is None else tuple(data.difficulty[row] for row in rows),
        limit=count,
    )


def _again(group: _Group, data: TaskData, runs: Path, seconds: float, progress: Progress) -> Iterator[Record]:
    evaluation = Evaluation(
        method=group.method,
        data=data,
        profile=group.profile,
        weights=group.weights,
        points=tuple(records.read(file).point for file in group.files),
        seed=group.seed,
        runs=runs,
        rerun="all",
        sample_seconds=seconds,
        measure="observed",
        repeat=REPEAT,
    )
    yield from execute(evaluation, plan(evaluation), progress)
