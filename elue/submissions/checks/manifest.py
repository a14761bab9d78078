"""E1xx: the manifest, and whether it and the records speak of the same things."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from urllib.parse import urlsplit

from elue.record.training import training_seed
from elue.submissions import manifest as manifests
from elue.submissions.finding import Finding, Submission, SubmissionCheck

SPLITS = ("validation", "train", "nothing")
DIVISIONS = ("closed", "open")
HERE = "this repository"
UNPUBLISHED = "not published"


class ManifestSound(SubmissionCheck):
    """There is a manifest, it is TOML, and every field is there and of its kind."""

    code = "E101"

    def look(self, submission: Submission) -> Iterator[Finding]:
        path = submission.folder / manifests.FILE
        if not path.is_file() or path.is_symlink():
            yield self.found(path, "there is no manifest", "Make one with `elue submit`")
            return
        try:
            manifests.parse(manifests.text_of(path))
        except manifests.Misfit as misfit:
            for where, what, mend in misfit.problems:
                yield self.found(path, f"{where}: {what}" if where else what, mend.rstrip("."))


class NothingToFillIn(SubmissionCheck):
    """No placeholder is left."""

    code = "E102"

    def look(self, submission: Submission) -> Iterator[Finding]:
        if submission.manifest is None:
            return
        path = submission.folder / manifests.FILE
        for where, asks in manifests.placeholders(submission.manifest).items():
            yield self.found(path, f"{where} is still to be filled in", f"Write {asks or 'what belongs there'}")
        for entry in submission.manifest.weights:
            if entry.size == 0 and entry.url != UNPUBLISHED:
                what = f"the size of the weights of {entry.method} on {entry.task} is 0"
                yield self.found(path, what, "Give their size in bytes; `elue submit --weights DIR` measures it")


class SlugIsFolder(SubmissionCheck):
    """The slug is the folder's name."""

    code = "E103"

    def look(self, submission: Submission) -> Iterator[Finding]:
        manifest, name = submission.manifest, submission.folder.resolve().name
        if manifest is not None and manifest.slug != name:
            path = submission.folder / manifests.FILE
            yield self.found(path, f"slug is '{manifest.slug}', the folder '{name}'", "Give both the same name")


class WordsAllowed(SubmissionCheck):
    """Fields with few allowed words hold one of them."""

    code = "E104"

    def look(self, submission: Submission) -> Iterator[Finding]:
        if submission.manifest is None:
            return
        path = submission.folder / manifests.FILE
        for name, allowed in (("tuned_on", SPLITS), ("division", DIVISIONS)):
            value = getattr(submission.manifest, name)
            if value not in allowed and not value.startswith(manifests.PLACEHOLDER):
                why = "; operating points are never chosen on the test split" if value == "test" else ""
                yield self.found(path, f"{name} is '{value}'{why}", f"Write one of {', '.join(allowed)}")
        for method in submission.manifest.methods:
            if method.tuned_on and method.tuned_on not in SPLITS:
                what = f"tuned_on of '{method.name}' is '{method.tuned_on}'"
                yield self.found(path, what, f"Write one of {', '.join(SPLITS)}")


class AddressesOpen(SubmissionCheck):
    """Code and weights have a web address, without a user name or password in it, or say that they have none."""

    code = "E105"

    def look(self, submission: Submission) -> Iterator[Finding]:
        manifest = submission.manifest
        if manifest is None:
            return
        urls = {"code.url": manifest.code.url}
        urls |= {f"weights[{i}].url": entry.url for i, entry in enumerate(manifest.weights)}
        for where, url in urls.items():
            if url.startswith(manifests.PLACEHOLDER) or url == (HERE if where == "code.url" else UNPUBLISHED):
                continue
            try:
                parts = urlsplit(url)
                good = parts.scheme == "https" and bool(parts.hostname) and "@" not in parts.netloc
            except ValueError:
                good = False
            if not good or any(c.isspace() or c in "<>\"'" for c in url):
                what = f"{where} is no web address: {url[:80]!r}"
                word = HERE if where == "code.url" else UNPUBLISHED
                mend = f"Write one that begins with https://, or '{word}'"
                yield self.found(submission.folder / manifests.FILE, what, mend)


class WeightsPublished(SubmissionCheck):
    """Weights that nobody can get are never verified by another."""

    code = "R108"

    def look(self, submission: Submission) -> Iterator[Finding]:
        for entry in submission.manifest.weights if submission.manifest else ():
            if entry.url == UNPUBLISHED:
                path, what = submission.folder / manifests.FILE, f"the weights of {entry.method} on {entry.task}"
                yield self.found(path, f"{what} are not published", "Only who has them can run it again")


class MethodsMatch(SubmissionCheck):
    """Every record is of a method of the manifest, every method has a record, and none is listed twice."""

    code = "E106"

    def look(self, submission: Submission) -> Iterator[Finding]:
        manifest = submission.manifest
        if manifest is None:
            return
        path = submission.folder / manifests.FILE
        listed = [entry.name for entry in manifest.methods]
        for name in sorted({name for name in listed if listed.count(name) > 1}):
            yield self.found(path, f"method '{name}' is listed twice", "List it once")
        measured = {record.method.name for record in submission.heads.values()}
        for name in sorted(set(listed) - measured):
            yield self.found(path, f"method '{name}' has no record", "Pack its records, or take it out")
        for name in sorted(measured - set(listed)):
            yield self.found(path, f"records are of '{name[:80]}', which is not listed", "Add a [[methods]] entry")
        for taken in manifest.retracted:
            if not any(map(taken.covers, submission.heads.values())):
                under = f" under profile {taken.profile}" if taken.profile else ""
                what = f"the retraction of '{taken.method}' at {taken.point}{under} covers no record"
                yield self.found(path, what, "Name a method, or one of its points or profiles, that is here")


class WeightsMatch(SubmissionCheck):
    """The weights the manifest names are those the records were made with, one set a seed of training."""

    code = "E107"

    def look(self, submission: Submission) -> Iterator[Finding]:
        manifest = submission.manifest
        if manifest is None:
            return
        path = submission.folder / manifests.FILE
        used, curves = defaultdict(set), defaultdict(set)
        for record in submission.heads.values():
            if record.weights is not None:
                used[record.method.name, record.task.name].add(record.weights.digest)
            curve = (record.method.name, record.task.name, record.profile.digest, training_seed(record))
            curves[curve].add(record.weights.digest if record.weights else "")
        for (method, task, _, seed), digests in sorted(curves.items()):
            if len(digests) > 1:
                what = f"{method} on {task}, seed {seed}, was measured with {len(digests)} sets of weights"
                yield self.found(path, what, "A curve is many points of one set; keep one, or give each its seed")
        named: dict[tuple[str, str], set[str]] = defaultdict(set)
        for entry in manifest.weights:
            if entry.sha256 in named[entry.method, entry.task]:
                yield self.found(
                    path, f"the same weights of {entry.method} on {entry.task} are listed twice", "List once"
                )
            named[entry.method, entry.task].add(entry.sha256)
        for method, task in sorted(set(used) | set(named)):
            listed, measured = named[method, task], used[method, task]
            for digest in sorted(measured - listed):
                what = f"the weights of {method} on {task} with sha256 {digest} are not listed"
                yield self.found(path, what, "Give them a [[weights]] entry")
            for digest in sorted(listed - measured):
                if not digest.startswith(manifests.PLACEHOLDER):
                    what = f"no record was made with the weights {digest[:12]}… of {method} on {task}"
                    yield self.found(path, what, "Give the sha256 that the records have under weights.digest")


CHECKS = (
    ManifestSound,
    NothingToFillIn,
    SlugIsFolder,
    WordsAllowed,
    AddressesOpen,
    MethodsMatch,
    WeightsMatch,
    WeightsPublished,
)
