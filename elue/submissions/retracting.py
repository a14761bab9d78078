"""Taking rows back: they stay, and say why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from elue.errors import ElueError, unknown
from elue.protocol import Knob
from elue.record import files as records
from elue.record.point import point_text
from elue.record.schema import Record
from elue.submissions import manifest as manifests
from elue.submissions import signing


def retract(
    folder: Path,
    reason: str,
    methods: Sequence[str] = (),
    points: Sequence[Mapping[str, Knob]] = (),
    profile: str | None = None,
) -> int:
    """Add retractions to a submission's manifest; returns how many runs they cover.

    Without methods all of them, without points all of theirs, without a profile those under any. Nothing is deleted.
    Raises ElueError for a method, point or profile that is not there, for no reason, and where all were retracted.
    """
    manifest = manifests.read(folder)
    if not reason.strip():
        raise ElueError("no_reason", "A retraction needs a reason.", "Say it by --reason.")
    names = [method.name for method in manifest.methods]
    for name in methods:
        if name not in names:
            raise unknown("method", name, names)
    runs = [records.read(path) for path in records.files(folder / "records")]
    under = sorted({run.profile.name for run in runs})
    if profile is not None and profile not in under:
        raise unknown("profile", profile, under)
    runs = [run for run in runs if profile in (None, run.profile.name)]
    wanted: list[dict[str, Knob] | None] = [dict(point) for point in points]
    wanted = wanted or [None]
    covered, before = 0, 0
    text = manifests.text_of(folder / manifests.FILE).rstrip("\n") + "\n"
    now = datetime.now(UTC).isoformat(timespec="seconds")
    for name in methods or names:
        for point in wanted:
            hit = [run for run in runs if run.method.name == name and point in (None, run.point)]
            if not hit and methods:
                raise _nothing_at(f"'{name}'", point, [run for run in runs if run.method.name == name])
            if any(manifest.retraction(run) is None for run in hit):
                entry = {"method": name, "point": point, "profile": profile, "reason": reason, "when": now}
                text += manifests.table("retracted", entry)
                covered += len(hit)
            else:
                before += len(hit)
    if not covered and before:
        raise ElueError("retracted", "These runs are retracted already.", f"Their reason is in {manifests.FILE}.")
    if not covered:
        raise _nothing_at(str(folder), wanted[0], runs)
    try:
        manifests.parse(text)
    except manifests.Misfit as misfit:
        raise ElueError(
            "bad_reason", f"The retraction can't be written: {misfit}.", "Mend the manifest first."
        ) from None
    signing.replace_text(folder / manifests.FILE, text)
    return covered


def texts_of(folder: Path, methods: Sequence[str] = ()) -> set[str]:
    """The knobs that all records of these methods (none: of all), where they have them, hold text for."""
    points = [run.point for path in records.files(folder / "records") if _is_of(run := records.read(path), methods)]
    named = {knob for point in points for knob in point}
    return {knob for knob in named if all(isinstance(point.get(knob, ""), str) for point in points)}


def _is_of(run: Record, methods: Sequence[str]) -> bool:
    return not methods or run.method.name in methods


def _nothing_at(what: str, point: Mapping[str, Knob] | None, runs: Sequence[Record]) -> ElueError:
    """The error for a point where there is no run; it names those where there are some."""
    if point is None or not runs:
        return ElueError("no_such_run", f"{what} has no run.")
    there = ", ".join(sorted({point_text(run.point) or "(no knobs)" for run in runs}))
    return ElueError("no_such_run", f"{what} has no run at {point_text(point)}.", f"Its points: {there}.")
