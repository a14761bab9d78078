"""Every check of a submission: broken in exactly that respect, it says so under its code, and nothing else does."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import zlib
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elue.errors import ElueError
from elue.record import columns as packing
from elue.record import files as records
from elue.record.schema import Flag
from elue.submissions import manifest as manifests
from elue.submissions import signing
from elue.submissions.validate import CHECKS, Verdict, validate

Break = Callable[[Path], None]


def files(folder: Path) -> list[Path]:
    return list(records.files(folder / "records"))


def edit(folder: Path, which: int = 0, rekey: bool = False, **changes: Any) -> Path:
    """Change fields of a record, all else staying as it is; with `rekey` under the key that then is right."""
    path = files(folder)[which]
    record = records.read(path).model_copy(update=changes)
    if rekey:
        path.unlink()
        record = record.model_copy(update={"key": records.identity(record).key})
        return records.write(record, folder / "records")
    path.write_text(records.dumps(record), encoding="utf-8")
    return path


def part(folder: Path, of: str, /, **changes: Any) -> Any:
    """A part of the first record with some of its fields changed."""
    return getattr(records.read(files(folder)[0]), of).model_copy(update=changes)


def manifest(folder: Path, old: str, new: str) -> None:
    """Change the text of the manifest."""
    path = folder / "submission.toml"
    text = path.read_text("utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def samples(folder: Path, column: str, row: int, value: Any) -> Any:
    """The samples of the first record with one entry changed."""
    entries = list(getattr(records.read(files(folder)[0]).samples, column))
    entries[row] = value
    return part(folder, "samples", **{column: tuple(entries)})


def traced(folder: Path, second: int) -> None:
    """Give the first record traces of two distinct steps, the second of which costs `second` more in one sample."""
    record = records.read(files(folder)[0])
    assert record.samples is not None
    kinds = sorted(set(record.samples.flops))
    traces = (*tuple((("work", (flops,), 1),) for flops in kinds), (("work", (kinds[-1],), 2),))
    trace_of = [kinds.index(flops) for flops in record.samples.flops]
    flops = list(record.samples.flops)
    trace_of[0], flops[0] = len(kinds), 2 * kinds[-1] + second
    changed = record.samples.model_copy(update={"traces": traces, "trace_of": tuple(trace_of), "flops": tuple(flops)})
    totals = record.flops.model_copy(update=numbers(flops)) if record.flops else None
    edit(folder, measure="traced", samples=changed, flops=totals)


def numbers(flops: list[int]) -> dict[str, float]:
    import numpy as np

    p50, p95 = np.percentile(np.asarray(flops, dtype=float), [50, 95])
    return {"mean": sum(flops) / len(flops), "p50": float(p50), "p95": float(p95), "max": float(max(flops))}


def cut(folder: Path) -> None:
    """Leave the last three samples out, and make the rest consistent."""
    record = records.read(files(folder)[0])
    assert record.samples is not None
    short = record.samples.model_copy(
        update={
            name: getattr(record.samples, name)[:-3]
            for name in ("id", "value", "error", "flops", "matmul_flops", "params_touched")
        }
    )
    edit(folder, samples=short, score=None, flops=None, params=None, status="ok", task=record.task)


def link(folder: Path) -> None:
    (folder / "plugin" / "passwords.txt").symlink_to("/etc/passwd")


def sign(folder: Path, **changes: Any) -> None:
    runs = [
        signing.RunCheck(
            key=path.stem,
            sha256=signing.digest_of(path),
            samples=10,
            values_differ=0,
            flops_differ=0,
            holds=True,
        )
        for path in files(folder)
    ]
    fields = {"by": "M", "when": "now", "version": 1, "extent": "tenth", "seed": 1, "weights": (), "environment": {}}
    signing.sign(folder, signing.SignOff.model_validate({**fields, "runs": runs, **changes}))


BOMB = b64encode(zlib.compress(b" " * (packing.LARGEST + 1), 9)).decode()


def document(folder: Path, **changes: Any) -> None:
    path = files(folder)[0]
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


BROKEN: dict[str, tuple[str, Break, str]] = {
    "no manifest": ("E101", lambda f: (f / "submission.toml").unlink(), "there is no manifest"),
    "manifest no TOML": ("E101", lambda f: manifest(f, "schema = 1", "schema = "), "it is not TOML"),
    "manifest newer": ("E101", lambda f: manifest(f, "schema = 1", "schema = 2"), "knows up to 1"),
    "field missing": ("E101", lambda f: manifest(f, 'paper = "none"\n', ""), "paper: it is missing"),
    "field unknown": ("E101", lambda f: manifest(f, "version = 1", "version = 1\nstars = 5"), "no such field"),
    "field hostile": ("E101", lambda f: manifest(f, '"MIT"', '"MIT\\u0000\\u001b[2J"'), "licence"),
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
    "failed run": (
        "E206",
        lambda f: (
            edit(f, status="failed", reason="KeyError", samples=None, score=None, flops=None, params=None) and None
        ),
        "ended as failed",
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
    "verification damaged": (
        "E601",
        lambda f: (f / "verification.json").write_text('{"schema": 1, "sign_offs": 5}') and None,
        "damaged",
    ),
    "verification newer": (
        "E601",
        lambda f: (f / "verification.json").write_text('{"schema": 2, "sign_offs": []}') and None,
        "knows up to 1",
    ),
}

ALSO = {
    "samples missing": {"E205", "E206"},  # the summary is gone, too, and the size it says is not what it holds
    "sample twice": set(),
    "source of another method": {"E402"},
    "task unknown": {"E106"},
    "record no JSON object": set(),
}
"""What else is wrong, of necessity."""


def codes(verdict: Verdict) -> set[str]:
    return {finding.code for finding in verdict.errors}


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
    tested = {code for code, _, _ in BROKEN.values()} | {"E501", "E502"}
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


def test_a_method_s_name_is_just_text(hello: Path) -> None:
    name = "<script>alert(1)</script>"
    method = part(hello, "method", name=name)
    path = files(hello)[0]
    record = records.read(path).model_copy(update={"method": method})
    path.unlink()
    record = record.model_copy(update={"key": records.identity(record).key})
    path.with_name(f"{record.key}.json").write_text(records.dumps(record))
    found = validate(hello).errors
    assert {f.code for f in found} == {"E106", "E202"}
    assert any(name in f.what for f in found)


REACHING = {
    "import ctypes": "ctypes",
    "import subprocess as s": "subprocess",
    "from socket import create_connection": "socket",
    "import threading": "threading",
    "from multiprocessing import Pool": "multiprocessing",
    "from torch.utils import _python_dispatch": "_python_dispatch",
    "from torch.utils._python_dispatch import TorchDispatchMode": "_python_dispatch",
    "from torch.utils.cpp_extension import load": "cpp_extension",
    "X = torch.utils.cpp_extension.load": "cpp_extension",
    "import importlib": "importlib",
    "X = __import__('os')": "__import__",
    "X = exec('1')": "exec",
    "X = open('answers')": "open",
    "from elue.tasks import load": "elue.tasks",
    "import numpy": "numpy",
    f"TABLE = {list(range(300))}": "table of 300 constants",
    f"TABLE = {'x' * 6000!r}": "text of 6,000 characters",
    f"TABLE = {dict.fromkeys(map(str, range(150)), 1)}": "table of 300 constants",
}


@pytest.mark.parametrize("line", REACHING, ids=lambda line: line[:40])
def test_code_that_reaches_around_torch_is_flagged_and_no_error(hello: Path, line: str) -> None:
    path = hello / "plugin" / "helper.py"
    path.write_text(f"import torch\n\n{line}\n")
    flags = [f for f in validate(hello).findings if f.code == "R401"]
    assert any(REACHING[line] in flag.what and flag.what.startswith("line 3") for flag in flags), flags
    assert not validate(hello).errors


def test_audits_and_declared_flops_are_for_review(hello: Path) -> None:
    edit(hello, flags=(Flag(code="cpu_time", detail="twice what its FLOPs explain"),), claimed=1.0)
    verdict = validate(hello)
    assert {f.code for f in verdict.findings} == {"R603"}
    assert len(verdict.findings) == 2
    assert not verdict.errors


def test_stale_verification_is_for_review(hello: Path) -> None:
    sign(hello)
    assert set(signing.trust_of(hello).values()) == {"reproduced"}
    assert not validate(hello).findings
    edit(hello, command="elue evaluate hello --again")
    assert {f.code for f in validate(hello).findings} == {"R602"}
    assert sorted(signing.trust_of(hello).values()) == ["reproduced", "self_reported"]


def test_code_that_changed_after_a_verification_is_no_error(hello: Path) -> None:
    sign(hello)
    source = hello / "plugin" / "hello.py"
    source.write_text(source.read_text() + "\n\nLATER = 1\n")
    verdict = validate(hello)
    assert [f.code for f in verdict.findings] == ["R402"]


def test_only_a_method_of_elue_is_superseded(hello: Path) -> None:
    manifest = hello / manifests.FILE
    lines = manifest.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("source = "))
    manifest.write_text("\n".join([*lines[: at + 1], 'superseded = "newer code"', *lines[at + 1 :]]) + "\n")
    errors = validate(hello).errors
    assert any("only a method that comes with ELUE is superseded" in str(finding) for finding in errors)


def test_records_of_superseded_code_are_for_review(tmp_path: Path) -> None:
    copied = tmp_path / "baselines"
    shutil.copytree(Path(__file__).parents[2] / "submissions" / "baselines", copied)
    verdict = validate(copied)
    assert not verdict.errors
    assert "R402" in {finding.code for finding in verdict.findings}
    manifest = copied / manifests.FILE
    kept = [line for line in manifest.read_text().splitlines() if not line.startswith("superseded")]
    manifest.write_text("\n".join(kept) + "\n")
    assert {finding.code for finding in validate(copied).errors} == {"E402"}


@pytest.fixture
def repository(hello: Path) -> Path:
    root = hello.parent.parent
    for words in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "base"]):
        identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", "-C", str(root), *identity, *words], check=True)
    return hello


def test_nothing_changed_against_the_base(repository: Path) -> None:
    assert not validate(repository, base="HEAD").findings


def test_a_record_may_not_vanish(repository: Path) -> None:
    files(repository)[0].unlink()
    (finding,) = validate(repository, base="HEAD").errors
    assert finding.code == "E501"
    manifest(repository, "version = 1\ntitle", "version = 2\ntitle")
    verdict = validate(repository, base="HEAD")
    assert not verdict.errors
    assert [f.code for f in verdict.findings] == ["R501"]


def test_a_number_may_not_change_without_a_new_version(repository: Path) -> None:
    edit(repository, params=part(repository, "params", total=17))
    (finding,) = validate(repository, base="HEAD").errors
    assert finding.code == "E502"
    assert not validate(repository).errors
    manifest(repository, "version = 1\ntitle", "version = 2\ntitle")
    verdict = validate(repository, base="HEAD")
    assert not verdict.errors
    assert [f.code for f in verdict.findings] == ["R502"]


def test_versions_only_rise_and_retractions_stay(repository: Path) -> None:
    from elue.submissions.retracting import retract

    root = repository.parent.parent
    manifest(repository, "version = 1\ntitle", "version = 2\ntitle")
    assert retract(repository, "a mistake", points=[{"passes": 3}]) == 1
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(root), *identity, "commit", "-qam", "retracted"], check=True)
    assert not validate(repository, base="HEAD").findings
    text = (repository / "submission.toml").read_text()
    (repository / "submission.toml").write_text(
        text[: text.index("\n[[retracted]]")].replace("version = 2", "version = 1")
    )
    found = validate(repository, base="HEAD").errors
    assert {f.code for f in found} == {"E501", "E502"}


def test_a_change_that_brings_its_own_verification_is_flagged(repository: Path) -> None:
    sign(repository, by="myself", extent="full")
    assert [f.code for f in validate(repository, base="HEAD").findings] == ["R503"]


def test_an_unknown_base_is_a_user_s_mistake(repository: Path) -> None:
    for base in ("nowhere", "--output=/x"):
        with pytest.raises(ElueError, match="no revision"):
            validate(repository, base=base)


def test_hostile_files_do_no_harm(hello: Path) -> None:
    os.mkfifo(hello / "records" / "pipe.json")
    (hello / "records" / "loop").symlink_to("..")
    shutil.copy(files(hello)[0], hello / "records" / ".hidden.json")
    deep = hello / "plugin" / "deep.py"
    deep.write_text("X = " + "(" * 5000 + ")" * 5000)
    found = {f.code for f in validate(hello).findings}
    assert {"E301", "E401"} <= found


def test_manifest_round_trip() -> None:
    text = 'a "quoted" \\ text\twith \x7f and \U0001f600'
    document = {"schema": 1, "title": text, "authors": [text], "code": {"url": text}, "methods": [{"name": text}]}
    import tomllib

    assert tomllib.loads(manifests.dumps(document)) == document


def test_retracted_rows_are_flagged_in_the_index(hello: Path) -> None:
    from elue.submissions.retracting import retract

    retract(hello, "a <b>mistake</b>", points=[{"passes": 1}])
    adjust = signing.as_it_stands([hello / "records"])
    flagged = {record.point["passes"]: adjust(record).flags for record in map(records.read, files(hello))}
    assert flagged == {1: (Flag(code="retracted", detail="a <b>mistake</b>"),), 3: ()}
    assert len(files(hello)) == 2


@pytest.mark.parametrize("reason", ["", "  ", "two\nlines"])
def test_a_retraction_needs_one_line_of_reason(hello: Path, reason: str) -> None:
    from elue.submissions.retracting import retract

    before = (hello / "submission.toml").read_bytes()
    with pytest.raises(ElueError):
        retract(hello, reason)
    assert (hello / "submission.toml").read_bytes() == before


def test_trust_falls_when_a_later_sign_off_refutes_it(hello: Path) -> None:
    sign(hello, extent="full")
    assert set(signing.trust_of(hello).values()) == {"verified"}
    sign(hello)
    assert set(signing.trust_of(hello).values()) == {"verified"}
    (last, *_) = signing.read(hello).sign_offs[-1].runs
    refuted = last.model_copy(update={"holds": False, "finding": "all differs"})
    sign(hello, runs=(refuted,))
    assert sorted(signing.trust_of(hello).values()) == ["self_reported", "verified"]
