"""A run has one owner: whatever lies in another folder, under whatever name, changes nothing of it."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from elue import api
from elue.errors import ElueError
from elue.record import files as records
from elue.record.schema import Record
from elue.record.store import Store
from elue.submissions import names
from elue.submissions.standing import as_it_stands, record_folders, submission_of
from elue.submissions.validate import validate
from tests.commanding import Words, start
from tests.submissions.breaking import again, codes, commit, edit, files, manifest, part, rename

RETRACTED = '\n[[retracted]]\nmethod = "hello"\nreason = "it is wrong"\nwhen = "now"\n'


def indexed(folders: list[Path], tmp_path: Path) -> tuple[dict[str, Record], list[str]]:
    """The rows of an index made of some folders, by key, and what was said of those left out."""
    told: list[ElueError] = []
    store = Store(f"sqlite:///{tmp_path / 'index.sqlite'}")
    below = [inner for folder in folders for inner in record_folders(folder)]
    store.rebuild(below, as_it_stands(below, told.append), told.append)
    return {record.key: record for record in store.summaries()}, [error.message for error in told]


def cheaper(folder: Path) -> None:
    """Let every run of a submission cost a tenth."""
    for which in range(len(files(folder))):
        flops = records.read(files(folder)[which]).flops
        assert flops
        edit(folder, which, flops=flops.model_copy(update={"mean": flops.mean / 10}))


@pytest.fixture
def first(hello: Path) -> Path:
    """The sound submission, committed: its name is its own."""
    commit(hello.parent.parent)
    return hello


def test_a_copy_neither_changes_nor_retracts_another_s_runs(first: Path, tmp_path: Path) -> None:
    before, _ = indexed([first.parent], tmp_path)
    copy = again(first, "aaa")
    cheaper(copy)
    (copy / "submission.toml").write_text((copy / "submission.toml").read_text() + RETRACTED)
    rows, told = indexed([first.parent], tmp_path)
    assert rows == before
    assert {row.submission.slug for row in rows.values() if row.submission} == {"hello"}
    assert len(told) == 2
    assert all("aaa" in line and "where it counts" in line for line in told)
    assert {"E701", "E713"} <= codes(validate(copy))
    assert not validate(first).findings


def test_a_copy_of_one_s_own_name_is_another_s_run_all_the_same(first: Path, tmp_path: Path) -> None:
    """The name is the thief's own and nobody refuses it; the key, and the place of the file, are another's."""
    before, _ = indexed([first.parent], tmp_path)
    thief = again(first, "aaa")
    rename(thief, "mine")
    for own, other in zip(files(thief), files(first), strict=True):
        record = records.read(own).model_copy(update={"key": records.read(other).key})
        own.unlink()
        records.write(record, thief / "records")
        records.write(record.model_copy(update={"method": records.read(other).method}), thief / "records")
    rows, told = indexed([first.parent], tmp_path)
    assert rows == before
    assert len(told) == 4
    assert codes(validate(thief)) >= {"E202", "E713"}


@pytest.mark.parametrize("name", ["Hello", "HELLO", "he-llo", "h.e.l.l.o", "hell_o"])
def test_another_spelling_of_a_name_is_the_same_name(first: Path, tmp_path: Path, name: str) -> None:
    copy = again(first, "aaa")
    rename(copy, name)
    rows, _ = indexed([first.parent], tmp_path)
    aside = {row.method.name: [flag.code for flag in row.flags] for row in rows.values()}
    assert aside == {"hello": [], name: ["set_aside"]}
    assert "E701" in codes(validate(copy))


@pytest.mark.parametrize("name", ["hell\u043e", "he\u0301llo", "h\u00e9llo", "\uff48ello", "hel\u200blo", "hello "])
def test_a_name_that_only_looks_the_same_is_in_no_manifest_and_set_aside(
    first: Path, tmp_path: Path, name: str
) -> None:
    """Normal forms, full width, nothing between letters: names of a manifest are ASCII, and so is what counts."""
    copy = again(first, "aaa")
    for path in files(copy):
        record = records.read(path)
        path.unlink()
        record = record.model_copy(update={"method": record.method.model_copy(update={"name": name})})
        records.write(record.model_copy(update={"key": records.identity(record).key}), copy / "records")
    rows, _ = indexed([first.parent], tmp_path)
    shown = {row.method.name: [flag.detail for flag in row.flags] for row in rows.values()}
    assert shown == {"hello": [], name: ["its method is not in its submission's manifest"]}
    assert "E106" in codes(validate(copy))
    manifest(copy, 'name = "hello"', f'name = "{name}"')
    assert "E101" in codes(validate(copy))
    rows, _ = indexed([first.parent], tmp_path)
    assert all(row.method.name == "hello" or row.flags for row in rows.values())


def test_a_folder_that_calls_itself_another_is_told_by_its_own_name(hello: Path, tmp_path: Path) -> None:
    thief = again(hello, "aaa")
    rename(thief, "mine")
    manifest(thief, 'slug = "aaa"', 'slug = "hello"')
    rows, _ = indexed([thief], tmp_path)
    assert {row.submission.slug for row in rows.values() if row.submission} == {"aaa"}
    assert "E103" in codes(validate(thief))


def test_a_manifest_among_the_records_makes_no_submission(hello: Path) -> None:
    shutil.copy(hello / "submission.toml", hello / "records")
    assert submission_of(hello / "records") == hello


def test_of_two_that_both_may_the_second_is_told(hello: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "house", lambda: frozenset({"hello", "board"}))
    other = again(hello, "board")
    edit(other, command="another")
    for folder in (hello, other):
        assert [f.code for f in validate(folder).errors] == ["E713"] * 2
    rows, told = indexed([hello.parent], tmp_path)
    assert {row.submission.slug for row in rows.values() if row.submission} == {"board"}
    assert len(told) == 2
    with pytest.raises(ElueError, match="where it counts"):
        list(api.read_records(hello.parent))


def test_a_runs_folder_earns_nothing_and_takes_nothing(first: Path, tmp_path: Path) -> None:
    runs = Path(shutil.copytree(first / "records", tmp_path / "runs"))
    rows, told = indexed([runs, first], tmp_path)
    assert not told, "the very same records, once where they were made and once where they are submitted"
    assert {row.submission.slug for row in rows.values() if row.submission} == {"hello"}
    path = files(first)[0]
    copied = runs / path.relative_to(first / "records")
    record = records.read(path).model_copy(update={"trust": "verified", "command": "another"})
    copied.write_text(records.dumps(record))
    rows, told = indexed([runs, first], tmp_path)
    assert [row.command != "another" and row.trust == "self_reported" for row in rows.values()] == [True, True]
    rows, told = indexed([runs], tmp_path)
    assert {row.trust for row in rows.values()} == {"self_reported"}, "trust is earned, and told nowhere in a record"


def test_two_records_of_one_key_are_never_silently_one(hello: Path, tmp_path: Path) -> None:
    one, two = (Path(shutil.copytree(hello / "records", tmp_path / name)) for name in ("one", "two"))
    store = Store(f"sqlite:///{tmp_path / 'index.sqlite'}")
    assert store.rebuild([one, two]) == 2, "to the byte the same"
    path = next(records.files(two))
    path.write_text(records.dumps(records.read(path).model_copy(update={"command": "another"})))
    with pytest.raises(ElueError, match="has the key of another record") as caught:
        store.rebuild([one, two])
    assert caught.value.code == "key_twice"
    assert len(store.keys()) == 2
    told: list[ElueError] = []
    assert store.rebuild([two, one], skipped=told.append) == 2
    assert [error.code for error in told] == ["key_twice"]
    shutil.copy(path, two / f"{'0' * 64}.json")
    with pytest.raises(ElueError, match="in the index"):
        store.catch_up(two)


def test_a_site_shows_runs_of_submissions_as_they_stand(first: Path, tmp_path: Path) -> None:
    (first / "submission.toml").write_text((first / "submission.toml").read_text() + RETRACTED)
    edit(again(first, "aaa"), trust="verified", method=part(first, "method", name="hello"))
    url = f"sqlite:///{tmp_path / 'index.sqlite'}"
    words: Words = ["site", "--db", url, "--runs", first.parent, "--out", tmp_path / "site"]
    with start(words, tmp_path) as building:
        _, told = building.communicate()
    assert building.returncode == 0, told
    assert told.count("where it counts") == 2
    assert [(row.trust, row.flags[0].detail) for row in Store(url).summaries()] == [
        ("self_reported", "it is wrong")
    ] * 2


def test_superseded_is_for_records_that_were_there(first: Path) -> None:
    """A stranger brings numbers of a method that comes with ELUE, and says that its code has changed since."""
    rename(first, "ltp")
    commit(first.parent.parent)
    manifest(
        first,
        'source = "plugin/hello.py:Hello"',
        'source = "elue.plugins.skimming.ltp:LearnedTokenPruning"\nsuperseded = "x"',
    )
    said = [f.code for f in validate(first, base="HEAD").findings if f.code.endswith("402")]
    assert said == ["R402"]
    edit(first, rekey=True, point={"patience": 3})
    said = [f.what for f in validate(first, base="HEAD").findings if f.code == "E402"]
    assert said == ["1 new records of 'ltp' were made by other code than is here"]
