"""Verifying a submission: its runs done again, confined, and compared with its records sample by sample."""

from __future__ import annotations

import math
import random
import secrets
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

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
from elue.submissions import signing
from elue.submissions.apart import validate_apart
from elue.submissions.checks.source import find
from elue.submissions.manifest import Manifest
from elue.submissions.signing import RunCheck, SignOff
from elue.tasks import TaskData
from elue.tasks.kinds import KINDS

TENTH = 0.1
MAY_DIFFER = 0.005
"""Share of the samples of a run that may come out otherwise: on another processor float32 adds up in another order,
and a decision that hangs by a hair falls the other way."""


@dataclass(frozen=True, slots=True)
class Verifying:
    """What the user asked for. `by` signs; `seed` draws the samples, and is drawn itself where it is None."""

    folder: Path
    by: str
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

    The submission has to be without errors, the weights those of its manifest. What differs is a finding of the
    sign-off, never a change of a record. Raises ElueError where it can't be begun.
    """
    folder = verifying.folder
    verdict = validate_apart(folder, data=verifying.data)
    if verdict.errors:
        first = verdict.errors[0]
        message = f"{folder} has {len(verdict.errors)} errors, the first: {first.code} {first.path}: {first.what}."
        raise ElueError("not_valid", message, f"See them all: elue validate {folder}")
    check_writable(folder, "folder: the sign-off is written there")
    manifest = manifests.read(folder)
    weights = _weights(manifest, verifying.weights)
    seed = secrets.randbelow(2**32) if verifying.seed is None else verifying.seed
    draw = random.Random(seed)
    checks: list[RunCheck] = []
    environment: dict[str, Any] = {}
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
            checks.append(compared(claimed, rerun, signing.digest_of(file)))
    sign_off = SignOff(
        by=verifying.by,
        when=datetime.now(UTC).isoformat(timespec="seconds"),
        version=manifest.version,
        extent="full" if verifying.full else "tenth",
        seed=seed,
        weights=tuple(sorted(weights)),
        environment=environment,
        runs=tuple(checks),
    )
    signing.sign(folder, sign_off)
    return sign_off


def _weights(manifest: Manifest, given: Path | None) -> dict[str, Path]:
    """The folders of the weights by their sha256: the given folder, or some below it.

    Raises ElueError where one is not among them.
    """
    if not manifest.weights:
        return {}
    if given is None:
        raise ElueError("no_weights", "This submission has weights.", "Name their folder by --weights DIR.")
    if not given.is_dir():
        raise ElueError("no_weights", f"There is no weights folder {given}.", "Check --weights.")
    folders = [given, *sorted(path for path in given.rglob("*") if path.is_dir() and path.name != "checkpoints")]
    holding = [path for path in folders if any(file.is_file() for file in path.iterdir())]
    folder_of = {weights_digest(path): path for path in holding}
    for entry in manifest.weights:
        if entry.sha256 not in folder_of:
            message = (
                f"No folder at {given} holds the weights of {entry.method} on {entry.task}: sha256 {entry.sha256}."
            )
            raise ElueError("other_weights", message, f"Get them from {entry.url}.")
    return {entry.sha256: folder_of[entry.sha256] for entry in manifest.weights}


def _groups(folder: Path, manifest: Manifest, weights: dict[str, Path], data: Path | None) -> Iterator[_Group]:
    """The runs of a submission, by what they share; retracted ones are left out.

    Those on a private split are left out, too: only its holder can make them. Raises ElueError where one was measured
    under an earlier operator table.
    """
    together: dict[tuple[str, str, str, str, int, str], list[Path]] = defaultdict(list)
    for file in records.files(folder / "records"):
        record = records.read(file)
        if record.task.split == tasks.PRIVATE:
            continue
        if record.profile.digest != profile.load(record.profile.name).digest:
            message = f"{file} was priced by an earlier operator table, which this version of ELUE no longer has."
            raise ElueError("earlier_table", message, "Verify it with that version, or measure it anew.")
        if manifest.retraction(record.method.name, record.point) is None:
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
    )
    yield from execute(evaluation, plan(evaluation), progress)


def compared(claimed: Record, again: Record, sha256: str) -> RunCheck:
    """How a run that was done again, on some of its samples, compares with its record."""
    if again.samples is None or claimed.samples is None:
        finding = f"the run ended as {again.status}: {again.reason}"
        return _check(claimed, sha256, 0, 0, 0, finding)
    rows = {name: row for row, name in enumerate(claimed.samples.id)}
    pairs = [(rows[name], row) for row, name in enumerate(again.samples.id)]
    size = max(abs(value) for value in claimed.samples.value)
    same = KINDS[claimed.task.kind].same
    values = sum(not same(claimed.samples.value[a], again.samples.value[b], size) for a, b in pairs)
    flops = sum(
        claimed.samples.flops[a] != again.samples.flops[b]
        or claimed.samples.matmul_flops[a] != again.samples.matmul_flops[b]
        for a, b in pairs
    )
    allowed = math.floor(MAY_DIFFER * len(pairs))
    finding = ""
    if max(values, flops) > allowed:
        finding = f"of {len(pairs):,} samples {values:,} were answered and {flops:,} cost otherwise; {allowed} may be"
    elif again.unknown != claimed.unknown and not again.complete:
        finding = f"operators without a rule ran: {', '.join(again.unknown)}"
    elif (
        again.params != claimed.params
        and again.params
        and claimed.params
        and again.params.total != claimed.params.total
    ):
        finding = f"it has {again.params.total:,} parameters, the record {claimed.params.total:,}"
    return _check(claimed, sha256, len(pairs), values, flops, finding)


def _check(claimed: Record, sha256: str, samples: int, values: int, flops: int, finding: str) -> RunCheck:
    return RunCheck(
        key=claimed.key,
        sha256=sha256,
        samples=samples,
        values_differ=values,
        flops_differ=flops,
        holds=not finding,
        finding=finding,
    )
