"""Packing: what goes in, what is refused, and that nothing is ever half there."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from elue.cli.evaluate import parse_point
from elue.errors import ElueError
from elue.methods import registry, sources
from elue.record import files as records
from elue.record.point import point_text
from elue.submissions import manifest as manifests
from elue.submissions.packing import Packing, copied_sources, pack
from elue.submissions.validate import validate
from tests.submissions.conftest import FIELDS


def packing(measured: Path, out: Path, **changes: object) -> Packing:
    settings: dict[str, object] = {"runs": measured / "runs", "fields": FIELDS, **changes}
    return Packing([registry.find(str(measured / "hello.py"))], out=out, **settings)  # type: ignore[arg-type]


def snapshot(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_what_only_the_author_knows_is_asked_for_and_refused(measured: Path, tmp_path: Path) -> None:
    out = tmp_path / "hello"
    packed = pack(packing(measured, out, fields={}))
    assert packed.records == 2
    assert set(packed.unfilled) == {"authors[0]", "licence", "paper", "code.url", "code.revision", "tuned_on"}
    assert {f.code for f in validate(out).errors} == {"E102"}
    assert len(validate(out).errors) == len(packed.unfilled)


def test_a_submission_is_never_overwritten_unasked(measured: Path, tmp_path: Path) -> None:
    out = tmp_path / "hello"
    pack(packing(measured, out))
    before = snapshot(out)
    with pytest.raises(ElueError, match="exists already"):
        pack(packing(measured, out))
    assert snapshot(out) == before
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    (stranger / "thesis.tex").write_text("years of work")
    with pytest.raises(ElueError, match="is no submission, and is left alone"):
        pack(packing(measured, stranger, force=True))
    assert (stranger / "thesis.tex").exists()


def test_renewing_keeps_what_the_author_wrote_and_raises_the_version(measured: Path, tmp_path: Path) -> None:
    from elue.submissions.retracting import retract

    out = tmp_path / "hello"
    pack(packing(measured, out))
    (out / "README.md").write_text("mine")
    retract(out, "a mistake", points=[{"passes": 3}])
    pack(packing(measured, out, force=True, fields={}))
    same = manifests.read(out)
    assert (same.version, same.authors, len(same.retracted)) == (1, ("A. Author", "B. Author"), 1)
    assert (out / "README.md").read_text() == "mine"
    (first, *_) = records.files(out / "records")
    first.write_text(first.read_text() + "\n")
    pack(packing(measured, out, force=True, fields={"licence": "Apache-2.0"}))
    assert (manifests.read(out).version, manifests.read(out).licence) == (2, "Apache-2.0")
    assert not validate(out).findings


def test_knobs_of_text_are_those_whose_records_hold_nothing_else(measured: Path, tmp_path: Path) -> None:
    from elue.submissions.retracting import retract, texts_of

    out = tmp_path / "hello"
    pack(packing(measured, out))
    for path, name, threshold in zip(records.files(out / "records"), ("090", "few"), (1.0, "inf"), strict=True):
        told = json.loads(path.read_text())
        told["point"] |= {"name": name, "threshold": threshold}
        path.write_text(json.dumps(told))
    texts = texts_of(out)
    assert texts == texts_of(out, ["hello"]) == {"name"}
    assert texts_of(out, ["nobody"]) == set()
    points = [read.point for read in map(records.read, records.files(out / "records"))]
    written = next(point_text(point) for point in points if point["name"] == "090")
    assert retract(out, "a mistake", points=[parse_point(written, texts)]) == 1


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"runs": Path("nowhere")}, "no runs folder nowhere"),
        ({"task": "sst2"}, "There is no record of 'hello'"),
        ({"fields": {"stars": "5"}}, "Unknown manifest field 'stars'"),
        ({"fields": {"licence": " "}}, "has no text"),
        ({"fields": {"licence": "MIT\x1b[2J"}}, "licence"),
        ({"weights": [Path("nowhere")]}, "no weights folder nowhere"),
    ],
)
def test_a_mistake_leaves_nothing_behind(measured: Path, tmp_path: Path, changes: dict[str, object], says: str) -> None:
    with pytest.raises(ElueError, match=says):
        pack(packing(measured, tmp_path / "out" / "hello", **changes))
    assert not (tmp_path / "out").exists() or not list((tmp_path / "out").iterdir())


def test_a_slug_is_a_plain_name(measured: Path, tmp_path: Path) -> None:
    with pytest.raises(ElueError, match="slug"):
        pack(packing(measured, tmp_path / "a b;c"))


def test_records_of_other_code_are_left_out(measured: Path, tmp_path: Path) -> None:
    changed = tmp_path / "hello.py"
    changed.write_text((measured / "hello.py").read_text().replace("good > 0", "good > 1"))
    with pytest.raises(ElueError, match="2 are of other code"):
        pack(Packing([registry.find(str(changed))], measured / "runs", tmp_path / "hello"))


def test_a_method_of_elue_is_not_copied_and_a_package_is() -> None:
    assert copied_sources(registry.find("elasticbert")) == {}
    own = registry.MethodSource("x", "json.decoder:JSONDecoder", sources.locate("json.decoder"), "json.decoder")
    copied = copied_sources(own)
    assert set(copied) == {"json/decoder.py", "json/scanner.py", "json/__init__.py", "json/encoder.py"} or {
        "json/decoder.py",
        "json/scanner.py",
    } <= set(copied)


def test_a_copied_package_has_the_digest_of_the_installed_one(tmp_path: Path) -> None:
    file = sources.locate("json.decoder")
    assert file is not None
    for name, source in copied_sources(registry.MethodSource("x", "json.decoder:X", file, "json.decoder")).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source, tmp_path / name)
    copy = sources.locate_below(tmp_path, "json.decoder")
    assert copy is not None
    assert sources.digest(copy, "json.decoder", tmp_path) == sources.digest(file, "json.decoder")
    (tmp_path / "json" / "scanner.py").write_text("changed = True\n")
    assert sources.digest(copy, "json.decoder", tmp_path) != sources.digest(file, "json.decoder")


def killed_after(steps: int, work: Packing) -> int:
    """Pack in a forked child that is killed at its n-th step on the file system; how the child ended."""
    child = os.fork()
    if child:
        return abs(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    left = steps

    def stopping(function: Callable[..., object]) -> Callable[..., object]:
        def call(*args: object, **kwargs: object) -> object:
            nonlocal left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    try:
        for owner, name in ((shutil, "copyfile"), (shutil, "rmtree"), (Path, "rename"), (Path, "write_text")):
            setattr(owner, name, stopping(getattr(owner, name)))
        pack(work)
        os._exit(0)
    finally:
        os._exit(1)


@pytest.mark.parametrize("renewing", [False, True])
def test_kill_9_at_any_step_leaves_it_whole_or_away(measured: Path, tmp_path: Path, renewing: bool) -> None:
    out = tmp_path / "submissions" / "hello"
    if renewing:
        pack(packing(measured, out))
    ended = signal.SIGKILL.value
    steps = 0
    while ended:
        ended = killed_after(steps, packing(measured, out, force=True))
        assert ended in (0, signal.SIGKILL)
        steps += 1
        if out.exists():
            assert not validate(out).errors
        elif not renewing:
            assert ended
        seen = [path for path in records.files(tmp_path / "submissions") if "hello" not in path.parts]
        assert not seen, "what is unfinished is hidden from every reader of records"
    assert steps > 5
    assert not validate(out).errors
    for left in out.parent.glob(".hello-*"):  # what the killed ones left is cleared away later
        os.utime(left, (0, 0))
    pack(packing(measured, out, force=True))
    assert [path.name for path in out.parent.iterdir()] == ["hello"]
