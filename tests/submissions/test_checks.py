"""Every check of a submission: broken in exactly that respect, it says so under its code, and nothing else does."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from elue.record import files as records
from elue.record.index import SignedOff, SubmissionRef
from elue.submissions.validate import CHECKS, validate
from tests.submissions.breaking import (
    BOMB,
    codes,
    cut,
    document,
    edit,
    files,
    link,
    manifest,
    part,
    samples,
    source,
    spelled_twice,
    traced,
)

Break = Callable[[Path], None]


BROKEN: dict[str, tuple[str, Break, str]] = {
    "no manifest": ("E101", lambda f: (f / "submission.toml").unlink(), "there is no manifest"),
    "manifest no TOML": ("E101", lambda f: manifest(f, "schema = 1", "schema = "), "it is not TOML"),
    "manifest newer": ("E101", lambda f: manifest(f, "schema = 1", "schema = 2"), "knows up to 1"),
    "field missing": ("E101", lambda f: manifest(f, 'paper = "none"\n', ""), "paper: it is missing"),
    "field unknown": ("E101", lambda f: manifest(f, "version = 1", "version = 1\nstars = 5"), "no such field"),
    "field hostile": ("E101", lambda f: manifest(f, '"MIT"', '"MIT\\u001b[2J"'), "licence"),
    "version no number": ("E101", lambda f: manifest(f, "version = 1\ntitle", 'version = "a"\ntitle'), "version"),
    "placeholder": ("E102", lambda f: manifest(f, '"MIT"', '"FILL IN: licence"'), "licence is still to be filled"),
    "slug": ("E103", lambda f: manifest(f, 'slug = "hello"', 'slug = "other"'), "'other'"),
    "tuned on test": ("E104", lambda f: manifest(f, '"nothing"', '"test"'), "never chosen on the test split"),
    "division": ("E104", lambda f: manifest(f, '"closed"', '"ajar"'), "division is 'ajar'"),
    "address": ("E105", lambda f: manifest(f, "https://example.org/hello", "javascript:alert(1)"), "no web address"),
    "address with password": ("E105", lambda f: manifest(f, "https://", "https://me:secret@"), "no web address"),
    "method twice": (
        "E106",
        lambda f: (
            (f / "submission.toml")
            .open("a")
            .write('\n[[methods]]\nname = "hello"\nversion = "1"\nsource = "plugin/hello.py:Hello"\n')
            and None
        ),
        "listed twice",
    ),
    "weights not measured": (
        "E107",
        lambda f: (
            (f / "submission.toml")
            .open("a")
            .write(
                '\n[[weights]]\nmethod = "hello"\ntask = "diagnostic"\nurl = "https://example.org/w"\n'
                f'sha256 = "{"0" * 64}"\nsize = 5\n'
            )
            and None
        ),
        "no record was made with the weights",
    ),
    "record damaged": ("E201", lambda f: files(f)[0].write_bytes(b'{"schema": 1, ') and None, "not a run record"),
    "record no JSON object": ("E201", lambda f: files(f)[0].write_bytes(b"[" * 100_000) and None, "not a run record"),
    "a name twice in a record": (
        "E201",
        lambda f: files(f)[0].write_text(files(f)[0].read_text().replace("{", '{"audited": 0, ', 1)) and None,
        "a name stands twice",
    ),
    "record newer": ("E201", lambda f: document(f, schema=99), "this version knows up to"),
    "record older than any": ("E201", lambda f: document(f, schema=-1), "damaged"),
    "record misshapen": ("E201", lambda f: document(f, flops=[]), "damaged"),
    "record a bomb": (
        "E201",
        lambda f: document(f, samples={"encoding": "json+zlib+base64", "data": BOMB}),
        "unfolds to more than",
    ),
    "record with NaN": (
        "E201",
        lambda f: files(f)[0].write_text(files(f)[0].read_text().replace('"seed": 0', '"seed": NaN')) and None,
        "NaN is not a number",
    ),
    "key": ("E202", lambda f: edit(f, seed=1) and None, "its key is not that of what it says"),
    "place": (
        "E202",
        lambda f: files(f)[0].rename(f / "records" / files(f)[0].name) and None,
        "does not lie under its task",
    ),
    "profile changed": (
        "E203",
        lambda f: edit(f, rekey=True, profile=part(f, "profile", digest="0" * 64)) and None,
        "has changed since",
    ),
    "profile unknown": (
        "E203",
        lambda f: edit(f, rekey=True, profile=part(f, "profile", name="<script>")) and None,
        "does not come with ELUE",
    ),
    "samples missing": ("E204", cut, "3 of 1,000 samples missing"),
    "sample twice": ("E204", lambda f: edit(f, samples=samples(f, "id", 1, "0")) and None, "there twice"),
    "limit": ("E204", lambda f: edit(f, rekey=True, task=part(f, "task", limit=1000)) and None, "1,000 samples only"),
    "task revision": (
        "E205",
        lambda f: edit(f, rekey=True, task=part(f, "task", revision="0" * 64)) and None,
        "another revision",
    ),
    "task unknown": (
        "E205",
        lambda f: edit(f, rekey=True, task=part(f, "task", name="mine")) and None,
        "does not come with ELUE",
    ),
    "task called otherwise": (
        "E205",
        lambda f: edit(f, task=part(f, "task", title="Best of all")) and None,
        "it calls its task 'Best of all'",
    ),
    "a point spelled otherwise": (
        "E209",
        spelled_twice,
        "spelled otherwise",
    ),
    "failed run": (
        "E206",
        lambda f: (
            edit(f, status="failed", reason="KeyError", samples=None, score=None, flops=None, params=None) and None
        ),
        "ended as failed",
    ),
    "signature claimed": (
        "E206",
        lambda f: edit(f, signed=SignedOff(by="M", when="now", samples=9, measured=())) and None,
        "it says who ran it again",
    ),
    "submission claimed": (
        "E206",
        lambda f: edit(f, submission=SubmissionRef(slug="hello", seeds=3)) and None,
        "it says which submission it came with",
    ),
    "seeds no number": ("E101", lambda f: manifest(f, "seeds = 1", 'seeds = "3"'), "seeds"),
    "on the train split": (
        "E205",
        lambda f: edit(f, rekey=True, task=part(f, "task", split="train")) and None,
        "it is on the train split",
    ),
    "trust claimed": ("E206", lambda f: edit(f, trust="verified") and None, "says of itself that it is verified"),
    "unknown operator": (
        "E207",
        lambda f: edit(f, unknown={"toy.mystery.default": 3}, complete=False) and None,
        "no rule for toy.mystery.default",
    ),
    "own formula in closed": ("E207", lambda f: edit(f, registered={"toy.op": 3}) and None, "division is closed"),
    "score": ("E211", lambda f: edit(f, score=part(f, "score", value=99.0)) and None, "its score is 99.0000"),
    "interval": ("E211", lambda f: edit(f, score=part(f, "score", low=1.0)) and None, "lower end is 1.0000"),
    "errors": ("E211", lambda f: edit(f, samples=samples(f, "error", 0, 0.5)) and None, "neither 0 nor 1"),
    "mean FLOPs": ("E212", lambda f: edit(f, flops=part(f, "flops", mean=1.0)) and None, "flops.mean is 1.00"),
    "a sample's FLOPs": ("E212", lambda f: edit(f, samples=samples(f, "flops", 5, 10**9)) and None, "flops.mean"),
    "FLOPs by unit": ("E212", lambda f: edit(f, units={"embed": 1.0}) and None, "its units, added up, is 1.00"),
    "more touched than there is": (
        "E212",
        lambda f: edit(f, params=part(f, "params", total=3)) and None,
        "touched 16 parameters of 3",
    ),
    "prices disagree": ("E213", lambda f: traced(f, second=7), "no price list gives"),
    "link": ("E301", link, "it is a link to /etc/passwd"),
    "pickle": ("E302", lambda f: (f / "plugin" / "weights.pkl").write_bytes(b"x") and None, "'.pkl' don't belong here"),
    "name for one system only": (
        "E302",
        lambda f: (f / "plugin" / "a:b.txt").write_text("x") and None,
        "characters that not every system",
    ),
    "large file": ("E303", lambda f: (f / "plugin" / "t.txt").write_bytes(b"x" * 2**21) and None, "2,097,152 bytes"),
    "family of another": (
        "E403",
        lambda f: edit(f, method=part(f, "method", family="moe")) and None,
        "its family is 'moe', the source's 'static'",
    ),
    "title of another": (
        "E403",
        lambda f: edit(f, method=part(f, "method", title="Best")) and None,
        "its title is 'Best', the source's 'Hello, world'",
    ),
    "a point that no knob has": (
        "E403",
        lambda f: edit(f, rekey=True, point={"passes": 3, "more": 1}) and None,
        "its operating point is none of the method's",
    ),
    "source gone": ("E401", lambda f: (f / "plugin" / "hello.py").unlink(), "no file"),
    "source outside": (
        "E401",
        lambda f: manifest(f, "plugin/hello.py", "plugin/../../../x.py"),
        "does not lie in the submission",
    ),
    "source of another method": (
        "E401",
        lambda f: (
            (f / "plugin" / "hello.py").write_text(
                (f / "plugin" / "hello.py").read_text().replace('name = "hello"', 'name = "bye"')
            )
            and None
        ),
        "calls itself 'bye'",
    ),
    "source edited": (
        "E402",
        lambda f: (
            (f / "plugin" / "hello.py").write_text(
                (f / "plugin" / "hello.py").read_text().replace("good > 0", "good > 1")
            )
            and None
        ),
        "made by other code",
    ),
    "a sum of 400 terms": (
        "E402",
        lambda f: source(f, "import torch\n", f"import torch\n\nTABLE = {' + '.join('1' * 400)}\n"),
        "the digest of the code of 'hello' can't be computed",
    ),
    "a base of 1,400 terms": (
        "E401",
        lambda f: source(f, "Hello(Method)", f"Hello({'+'.join(['Method'] * 1400)})"),
        "nested too deeply",
    ),
    "verification damaged": (
        "E601",
        lambda f: (f / "verification.json").write_text('{"schema": 1, "sign_offs": 5}') and None,
        "damaged",
    ),
    "verification newer": (
        "E601",
        lambda f: (f / "verification.json").write_text('{"schema": 3, "sign_offs": []}') and None,
        "knows up to 2",
    ),
}

ALSO = {
    "a point spelled otherwise": {"E403"},
    "on the train split": {"E204", "E211"},  # the data of that split are at hand, and are others
    "samples missing": {"E205", "E206"},  # the summary is gone, too, and the size it says is not what it holds
    "sample twice": set(),
    "source of another method": {"E402"},
    "task unknown": {"E106"},
    "record no JSON object": set(),
}
"""What else is wrong, of necessity."""


def test_a_sound_submission_has_no_findings(hello: Path) -> None:
    verdict = validate(hello)
    assert verdict.findings == ()
    assert verdict.notes == ()
    assert verdict.records == 2


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_one_says_exactly_what(hello: Path, name: str) -> None:
    code, breaks, says = BROKEN[name]
    breaks(hello)
    verdict = validate(hello)
    found = [finding for finding in verdict.errors if finding.code == code and says in finding.what]
    assert found, [str(finding) for finding in verdict.findings]
    assert codes(verdict) - {code} <= ALSO.get(name, set()), [str(finding) for finding in verdict.findings]
    assert all(f.path.startswith(hello.as_posix()) and f.what and f.mend for f in verdict.findings)
    assert all("Traceback" not in str(f) and "\n" not in str(f) for f in verdict.findings)


def test_every_error_has_a_test() -> None:
    with_others = {"E404", "E501", "E502", "E503", "E701", "E702", "E703", "E704", "E706", "E707", "E711", "E713"}
    tested = {code for code, _, _ in BROKEN.values()} | with_others
    assert {check.code for check in CHECKS if check.code.startswith("E")} == tested


def test_traces_that_agree_with_one_price_list_pass(hello: Path) -> None:
    traced(hello, second=0)
    assert not validate(hello).findings


def test_missing_samples_read_as_promised(hello: Path) -> None:
    cut(hello)
    (line,) = [str(f) for f in validate(hello).errors if f.code == "E204"]
    assert line.endswith(".json: 3 of 1,000 samples missing. Re-run with --rerun missing")


def test_values_that_the_labels_contradict(hello: Path) -> None:
    record = records.read(files(hello)[0])
    assert record.samples is not None
    assert record.score is not None
    right = record.samples.error.index(0.0)
    wrong = record.samples.error.index(1.0)
    errors = list(record.samples.error)
    errors[right], errors[wrong] = 1.0, 0.0  # the score stays what it was
    edit(hello, samples=part(hello, "samples", error=tuple(errors)))
    (finding,) = validate(hello).errors
    assert (finding.code, finding.what) == ("E211", "2 errors are not what the labels say")
