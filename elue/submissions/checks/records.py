"""E20x, R208: each record on its own: readable, under its key, current, whole, and of a run that counts."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from elue import tasks
from elue.meter import profile
from elue.meter.table import operator_table
from elue.record import files as records
from elue.record.board import curve_of
from elue.record.schema import Record
from elue.submissions import manifest as manifests
from elue.submissions.finding import Finding, Submission, SubmissionCheck

RERUN = "Re-run with --rerun missing"
SPLITS = ("test", "validation", tasks.PRIVATE)
"""What a submission may be measured on: the one is scored, the other chooses the corners of a curve."""


class EachRecord(SubmissionCheck):
    """A check that looks at one record after the other."""

    def look_at(self, path: Path, record: Record, submission: Submission) -> Iterator[Finding]:
        for what, mend in self.wrong(path, record, submission):
            yield self.found(path, what, mend)

    def wrong(self, path: Path, record: Record, submission: Submission) -> Iterator[tuple[str, str]]:
        """What is wrong with a record, and how to mend it."""
        raise NotImplementedError


class Readable(SubmissionCheck):
    """Every record is one, of a schema this version knows; there is at least one."""

    code = "E201"

    def look(self, submission: Submission) -> Iterator[Finding]:
        for path, error in submission.records.problems.items():
            what = error.message.replace(str(path), "it").rstrip(".")
            yield self.found(path, what, (error.hint or "Take it from the runs folder again").rstrip("."))
        if not submission.record_files:
            yield self.found(submission.folder / "records", "there are no records", "Pack some with `elue submit`")


class KeyRecomputes(EachRecord):
    """The key is that of what the record says, and the record lies where its key belongs; no run is there twice."""

    code = "E202"

    def wrong(self, path: Path, record: Record, submission: Submission) -> Iterator[tuple[str, str]]:
        if record.key != records.identity(record).key:
            yield "its key is not that of what it says", f"A record is never edited. {RERUN}"
        elif path != records.path_of(submission.folder / "records", record.task.name, record.method.name, record.key):
            yield "it does not lie under its task, method and key", "Put it where `elue evaluate` wrote it"


class PointsDiffer(SubmissionCheck):
    """No operating point is there twice, as 1 and 1.0 would be: one point is one run."""

    code = "E209"

    def look(self, submission: Submission) -> Iterator[Finding]:
        seen: dict[tuple[object, ...], Path] = {}
        for path, record in submission.heads.items():
            point = frozenset(record.point.items())
            where = (curve_of(record), record.task.name, record.task.revision, record.task.split, record.task.limit)
            first = seen.setdefault((*where, record.profile.digest, point), path)
            if first != path:
                what = f"its operating point is that of {first.stem[:12]}, spelled otherwise"
                yield self.found(path, what, f"Keep one of the two, as the method's knobs declare it. {RERUN}")


class ProfileCurrent(EachRecord):
    """It was measured under a profile that ships with ELUE, to the last price, or under an earlier operator table."""

    code = "E203"

    def wrong(self, path: Path, record: Record, submission: Submission) -> Iterator[tuple[str, str]]:
        if record.profile.name not in profile.names():
            known = ", ".join(profile.names())
            yield f"its profile '{record.profile.name[:80]}' does not come with ELUE", f"Measure under one of {known}"
        elif profile.shipped_as(record.profile.name, record.profile.digest) is None:
            yield f"its profile '{record.profile.name}' has changed since", f"Boards have one digest. {RERUN}"


class TableCurrent(SubmissionCheck):
    """Its operators were priced by the table of this version; those of an earlier one have boards of their own."""

    code = "R208"

    def look(self, submission: Submission) -> Iterator[Finding]:
        now, earlier = operator_table().version, defaultdict(list)
        for path, record in submission.heads.items():
            then = profile.shipped_as(record.profile.name, record.profile.digest)
            if then is not None and then.operators != now:
                earlier[then.operators].append(path)
        for version, paths in sorted(earlier.items()):
            records_were = "1 record was" if len(paths) == 1 else f"{len(paths):,} records were"
            what = f"{records_were} priced by operator table {version}, which is {now} now"
            yield self.found(paths[0], what, "They rank among themselves until they are measured anew")


class SamplesWhole(EachRecord):
    """It has every sample of the split, each once."""

    code = "E204"

    def wrong(self, path: Path, record: Record, submission: Submission) -> Iterator[tuple[str, str]]:
        if record.samples is None:
            return
        ids = record.samples.id
        if record.task.limit is not None:
            yield f"it was measured on {record.task.limit:,} samples only", "Measure the whole split, without --limit"
            return
        twice = [name for name, count in Counter(ids).items() if count > 1]
        if twice:
            yield f"{len(twice):,} samples are there twice, such as {twice[0][:40]!r}", RERUN
        data = submission.task_data(record)
        if data is not None:
            wanted = {sample.id for sample in data.samples}
            missing, foreign = len(wanted - set(ids)), len(set(ids) - wanted)
            if missing:
                yield f"{missing:,} of {len(wanted):,} samples missing", RERUN
            if foreign:
                yield f"{foreign:,} samples are not of the split", RERUN
            return
        sizes = (
            tasks.get(record.task.name).sizes.get(record.task.split, ()) if record.task.name in tasks.names() else ()
        )
        size = record.task.size if not sizes or record.task.size in sizes else min(sizes)
        if len(set(ids)) < size:
            yield f"{size - len(set(ids)):,} of {size:,} samples missing", RERUN
        elif sizes and len(ids) not in sizes:
            yield f"it has {len(ids):,} samples, the split {' or '.join(f'{s:,}' for s in sizes)}", RERUN


class TaskCurrent(EachRecord):
    """Its task comes with ELUE, is described as there, and has the revision of the data at hand."""

    code = "E205"

    def wrong(self, path: Path, record: Record, submission: Submission) -> Iterator[tuple[str, str]]:
        ref = record.task
        if ref.name not in tasks.names():
            known = ", ".join(tasks.names())
            yield f"its task '{ref.name[:80]}' does not come with ELUE", f"Submissions are for {known}"
            return
        spec = tasks.get(ref.name)
        if (ref.kind, ref.metric) != (spec.kind, spec.metric):
            yield f"it says {ref.kind} by {ref.metric}, the task {spec.kind} by {spec.metric}", RERUN
        if ref.title != spec.title:
            yield f"it calls its task '{ref.title[:80]}', which is '{spec.title}'", RERUN
        if ref.split not in SPLITS:
            yield f"it is on the {ref.split} split", "Boards are of the test split. Measure that"
        elif ref.split == "validation" and (ref.name, curve_of(record)) not in submission.tested:
            what = f"it is on the {ref.split} split, and no record of these weights is on the test split"
            yield what, "Measure the same points on the test split, too"
        if record.samples is not None and ref.size != len(record.samples.id):
            yield f"it says {ref.size:,} samples and holds {len(record.samples.id):,}", RERUN
        data = submission.task_data(record)
        if record.measure != "published" and data is not None and data.revision != ref.revision:
            yield "its data are of another revision than those at hand", f"Get the published split. {RERUN}"


class Finished(EachRecord):
    """Its run ended well, and is not more than the records say it is."""

    code = "E206"

    def wrong(self, path: Path, record: Record, submission: Submission) -> Iterator[tuple[str, str]]:
        whole = (record.samples or record.measure == "published", record.score, record.flops, record.params)
        if record.status != "ok":
            yield f"its run ended as {record.status}: {record.reason[:200]}", RERUN
        elif not all(whole):
            yield "it has a status of ok, but not all its results", RERUN
        if record.trust != "self_reported":
            what = f"it says of itself that it is {record.trust}"
            yield what, "Records are self_reported; `elue verify` keeps the rest in verification.json"
        if record.signed is not None:
            yield "it says who ran it again", "Only the index does. Take it from the runs folder again"
        if record.submission is not None:
            yield "it says which submission it came with", "Only the index does. Take it from the runs folder again"


class OperatorsPriced(EachRecord):
    """In division `closed` every operator has a price from the frozen table; `open` says which are the author's."""

    code = "E207"

    def wrong(self, path: Path, record: Record, submission: Submission) -> Iterator[tuple[str, str]]:
        division = submission.manifest.division if submission.manifest else record.division
        unpriced = ", ".join(sorted(record.unknown)[:5])
        if record.status == "ok" and (record.unknown or not record.complete):
            what = f"there is no rule for {unpriced}" if unpriced else "its count is incomplete"
            yield what, "Use operators of the table, or register a formula and enter the division open"
        if record.registered and division == "closed":
            named = ", ".join(sorted(record.registered)[:5])
            what = f"formulas of its own priced {named}, but the division is closed"
            yield what, f'Write division = "open" in {manifests.FILE}'


CHECKS = (
    Readable,
    KeyRecomputes,
    PointsDiffer,
    ProfileCurrent,
    SamplesWhole,
    TaskCurrent,
    Finished,
    OperatorsPriced,
    TableCurrent,
)
