"""E70x, R70x: the rules that keep scores from being bent: names, published numbers, points, trainings, crossings."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from elue.errors import ElueError
from elue.methods.crossings import RULE, crossing_of, own_rules
from elue.record import files as records
from elue.record.schema import Record
from elue.record.training import differing_settings, training_seed
from elue.submissions import manifest as manifests
from elue.submissions.blocks import misplaced
from elue.submissions.checks.source import by_digest
from elue.submissions.finding import Finding, Submission, SubmissionCheck
from elue.submissions.git import unlinked
from elue.submissions.names import refusal
from elue.submissions.published import read_table

MOST_POINTS = 16
"""Operating points a training may have on a task. Each further one is one more draw of the same luck."""


class NameIsFree(SubmissionCheck):
    """No method bears a name that is reserved, or that another submission had first."""

    code = "E701"

    def look(self, submission: Submission) -> Iterator[Finding]:
        listed = {method.name for method in submission.manifest.methods} if submission.manifest else set()
        for name in sorted(listed | {record.method.name for record in submission.heads.values()}):
            refused = refusal(name, submission.folder, submission.base)
            if refused is not None:
                yield self.found(submission.folder / manifests.FILE, refused.what, refused.mend)


class PublishedApart(SubmissionCheck):
    """Published numbers lie in a published block that is this submission's, alone, and are those of a table in it."""

    code = "E702"

    def look(self, submission: Submission) -> Iterator[Finding]:
        slug = unlinked(submission.folder).name
        heads = submission.heads
        published = {path: submission.records[path] for path, head in heads.items() if head.measure == "published"}
        for path, record in published.items():
            reason = misplaced(record, slug)
            if reason:
                yield self.found(path, f"it holds {reason}", "Only what was measured is submitted; take it out")
        if published and len(published) < len(heads):
            what = "it holds published numbers beside measured ones"
            yield self.found(submission.folder / "records", what, "Take the published ones out")
        tables: dict[tuple[str, str, str, str], list[tuple[Path, Record]]] = defaultdict(list)
        for path, record in published.items():
            told = record.environment.get("declared")
            table, reference = (told.get("table"), told.get("reference")) if isinstance(told, Mapping) else ("", "")
            tables[str(table), str(reference), record.times.started, record.task.split].append((path, record))
        for (table, reference, started, split), rows in tables.items():
            yield from self._against(submission.folder, table, reference, started, split, rows)

    def _against(
        self, folder: Path, name: str, reference: str, started: str, split: str, rows: Sequence[tuple[Path, Record]]
    ) -> Iterator[Finding]:
        mend = "Make the records anew with `elue import-points`"
        table = folder / Path(name).name
        if Path(name).name != name or not table.is_file() or table.is_symlink():
            yield self.found(rows[0][0], f"there is no table {name[:80]!r} that its published numbers are from", mend)
            return
        try:
            told = [_told(record) for record in read_table(table, reference, started, split)]
        except ElueError as error:
            yield self.found(table, f"no records can be made of it: {error.message.rstrip('.')}", mend)
            return
        for path, record in rows:
            if _told(record) not in told:
                yield self.found(path, f"it is none of the rows of {name}", mend)


def _told(record: Record) -> dict[str, object]:
    """A published record but for what hangs on the version of the operator table."""
    return {name: part for name, part in records.summary(record).items() if name not in ("key", "profile")}


class FewPoints(SubmissionCheck):
    """A training has few operating points: more of them on one and the same true curve would still score more.

    Crossings are in no curve that is ranked, and not counted.
    """

    code = "E703"

    def look(self, submission: Submission) -> Iterator[Finding]:
        points: dict[tuple[str, ...], list[Path]] = defaultdict(list)
        for path, record in submission.heads.items():
            if record.crossing:
                continue
            task, weights = record.task, record.weights.digest if record.weights else ""
            training = (weights, str(record.seed), record.method.source_digest)
            points[
                record.method.name, task.name, task.split, record.profile.name, record.profile.digest, *training
            ] += [path]
        for (method, name, split, profile, *_), paths in sorted(points.items()):
            if len(paths) > MOST_POINTS:
                where = f"on {name} {split} under {profile}"
                what = f"{method} has {len(paths)} operating points {where}, more than {MOST_POINTS}"
                mend = "Choose them on the validation split; the best of many points is partly the luck of the samples"
                yield self.found(submission.folder / "records", what, mend)


class OneFamily(SubmissionCheck):
    """Trainings of a method on a task differ in their seed alone; else each could be the luckiest of its kind."""

    code = "E704"

    def look(self, submission: Submission) -> Iterator[Finding]:
        together: dict[tuple[str, str], dict[str, Record]] = defaultdict(dict)
        for record in submission.heads.values():
            if record.weights is not None:
                together[record.method.name, record.task.name][record.weights.digest] = record
        for (method, task), trainings in sorted(together.items()):
            differing = differing_settings(trainings.values())
            if differing:
                named = ", ".join(differing[:5])
                what = f"the {len(trainings)} trainings of {method} on {task} differ in more than their seed: {named}"
                mend = "Train all of them alike, or give the other setting a method's name of its own"
                yield self.found(submission.folder / "records", what, mend)


class AllTrainings(SubmissionCheck):
    """As many trainings as were announced, with the first seeds: others would be a choice."""

    code = "R705"

    def look(self, submission: Submission) -> Iterator[Finding]:
        if submission.manifest is None:
            return
        path, announced = submission.folder / manifests.FILE, submission.manifest.seeds
        seeds: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
        drawn: dict[tuple[str, str], set[int]] = defaultdict(set)
        for record in submission.heads.values():
            if record.measure != "published" and record.task.split == "test":
                training = record.weights.digest if record.weights else str(record.seed)
                seeds[record.method.name, record.task.name][training] = training_seed(record)
                if record.seed not in (0, training_seed(record)):
                    drawn[record.method.name, record.task.name].add(record.seed)
        for (method, task), others in sorted(drawn.items()):
            named = ", ".join(map(str, sorted(others)[:5]))
            what = f"{method} on {task} was run with seed {named}, neither 0 nor its training's: it gets no rank"
            yield self.found(path, what, "Ask why, and out of how many runs")
        for (method, task), trained in sorted(seeds.items()):
            if len(trained) != announced:
                what = f"{method} on {task} has {_trainings(len(trained))}, and {announced} announced: it gets no rank"
                yield self.found(path, what, "Bring all that were announced, each of them")
            elif sorted(trained.values()) != list(range(announced)):
                used = ", ".join(map(str, sorted(trained.values())))
                what = f"{method} on {task} was trained with seed {used}, not 0 to {announced - 1}"
                yield self.found(path, what, "Ask how many trainings there were")


class CrossingsMarked(SubmissionCheck):
    """A run under a rule that is not its method's own says so, and no other does: own rules alone make a curve."""

    code = "E706"

    def look(self, submission: Submission) -> Iterator[Finding]:
        methods = by_digest(submission)
        for path, record in submission.heads.items():
            method = methods.get((record.method.name, record.method.source_digest))
            if method is None:
                continue  # E402 says so
            crossing = crossing_of(method, record.task.kind, record.point)
            if crossing != record.crossing:
                own = ", ".join(own_rules(method, record.task.kind)) or "none"
                what = f"its rule is {record.point.get(RULE)}, its method's own are {own}, and it says otherwise"
                yield self.found(path, what, "A record is never edited. Re-run with --rerun missing")


def _trainings(count: int) -> str:
    return f"{count} training{'s' * (count > 1)}"


CHECKS = (NameIsFree, PublishedApart, FewPoints, OneFamily, AllTrainings, CrossingsMarked)
