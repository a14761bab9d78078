"""Whose a method's name is: alone, against a base, and in the index."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from elue.leaderboard import manifests
from elue.record import files as records
from elue.record.store import Store
from elue.scores import edition as editions
from elue.submissions import names
from elue.submissions.standing import as_it_stands, record_folders
from elue.submissions.validate import validate
from tests.editions import preview
from tests.submissions.breaking import again, commit, files, rename


def refused(folder: Path, base: str | None = None) -> list[str]:
    """What is said of the submission's names."""
    return [finding.what for finding in validate(folder, base=base).errors if finding.code == "E701"]


@pytest.mark.parametrize("name", ["static", "Static", "STATIC", "st-atic", "sta_tic."])
def test_static_is_reserved_however_it_is_spelled(hello: Path, name: str) -> None:
    rename(hello, name)
    (what,) = refused(hello)
    assert what == f"the name '{name}' is reserved for the static networks that come with ELUE"


def test_a_record_of_a_method_that_is_not_listed_has_a_name_too(hello: Path) -> None:
    rename(hello, "static")
    text = (hello / "submission.toml").read_text()
    (hello / "submission.toml").write_text(text.replace('name = "static"', 'name = "hello"'))
    assert refused(hello)


@pytest.fixture
def edition(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An edition that takes its yardstick from the submission `board`."""
    folder = tmp_path / "editions"
    text = preview()
    folder.mkdir()
    pinned = f'yardstick = {{ submission = "board", runs = ["{"0" * 64}"], range = [1.0, 2.0] }}\n'
    (folder / "next.toml").write_text(text.replace("floor = 73.183703", pinned + "floor = 73.183703"))
    monkeypatch.setattr(editions, "FOLDER", folder)
    names.house.cache_clear()
    yield
    names.house.cache_clear()


@pytest.mark.usefixtures("edition")
def test_the_house_may_use_it_and_shares_its_names(hello: Path) -> None:
    rename(hello, "static")
    assert names.house() == {*names.HOUSE, "board"}
    for slug in ("baselines", "board"):
        assert refused(again(hello, slug)) == []
    assert refused(hello)


def test_a_name_is_that_of_the_first_commit(hello: Path) -> None:
    root = hello.parent.parent
    commit(root)
    other = again(hello, "another")
    assert refused(hello) == []
    assert refused(other) == ["the name 'hello' belongs to the submission hello, which had it first"]
    commit(root)
    assert refused(hello) == [], "later it is no different"
    assert refused(other)


def test_a_base_has_the_word_even_where_the_first_is_gone(hello: Path) -> None:
    commit(hello.parent.parent)
    other = again(hello, "another")
    shutil.rmtree(hello)
    assert refused(other) == []
    assert refused(other, base="HEAD") == ["the name 'hello' belongs to the submission hello, which had it first"]


def test_both_new_against_a_base(hello: Path) -> None:
    root = hello.parent.parent
    (root / "note").write_text("x")
    shutil.move(hello, root / "aside")
    commit(root)
    shutil.move(root / "aside", hello)
    other = again(hello, "another")
    for folder, its in ((hello, "another"), (other, "hello")):
        (what,) = refused(folder, base="HEAD")
        assert what == f"'hello' is a method of the submission {its}, too, and nothing tells who was first"


def test_a_merged_branch_counts_from_its_merge(hello: Path) -> None:
    """Dates of commits are their author's to choose; what counts is when the main line had the records."""
    root = hello.parent.parent
    late = again(hello, "aaa")
    shutil.move(late, root / "late")
    shutil.move(hello, root / "aside")
    (root / "note").write_text("x")
    commit(root)
    subprocess.run(["git", "-C", str(root), "checkout", "-qb", "branch"], check=True)
    hello.parent.mkdir(exist_ok=True)
    shutil.move(root / "late", late)
    commit(root, "--date", "2000-01-01T00:00:00")
    subprocess.run(["git", "-C", str(root), "checkout", "-q", "-"], check=True)
    hello.parent.mkdir(exist_ok=True)
    shutil.move(root / "aside", hello)
    commit(root)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(root), *identity, "merge", "-q", "--no-ff", "-m", "m", "branch"], check=True)
    assert late.is_dir()
    assert refused(hello) == []
    assert refused(late) == ["the name 'hello' belongs to the submission hello, which had it first"]


def test_two_in_one_commit_are_both_refused_and_the_house_goes_first(hello: Path) -> None:
    other, house = again(hello, "another"), again(hello, "baselines")
    commit(hello.parent.parent)
    assert refused(house) == []
    for folder in (hello, other):
        assert refused(folder) == ["the name 'hello' belongs to the submission baselines, which had it first"]
    shutil.rmtree(house)
    for folder in (hello, other):
        (what,) = refused(folder)
        assert "nothing tells who was first" in what


def test_the_index_sets_the_second_aside(hello: Path, tmp_path: Path) -> None:
    commit(hello.parent.parent)
    other = again(hello, "another")
    rename(again(hello, "third"), "static")
    for path in files(other):  # as a second submission would: runs of its own
        record = records.read(path)
        path.unlink()
        record = record.model_copy(update={"seed": 1})
        records.write(record.model_copy(update={"key": records.identity(record).key}), other / "records")
    store = Store(f"sqlite:///{tmp_path / 'index.sqlite'}")
    folders = record_folders(hello.parent)
    assert store.rebuild(folders, as_it_stands(folders)) == 6
    shown = {
        (record.submission.slug, record.method.name): [flag.code for flag in record.flags]
        for record in store.summaries()
        if record.submission
    }
    assert shown == {("hello", "hello"): [], ("another", "hello"): ["set_aside"], ("third", "static"): ["set_aside"]}
    (board,) = store.boards()
    assert {record.submission for record in store.records(board, ranked=True)} == {
        record.submission for record in store.summaries() if record.submission and record.submission.slug == "hello"
    }


def test_nobody_takes_back_another_s_rows_or_fills_its_card(hello: Path) -> None:
    commit(hello.parent.parent)
    other = again(hello, "aaa")
    text = (other / "submission.toml").read_text().replace("A. Author", "E. Vil")
    (other / "submission.toml").write_text(text + '\n[[retracted]]\nmethod = "hello"\nreason = "x"\nwhen = "now"\n')
    told = manifests.read(hello.parent)["hello"]
    assert told.retracted == ()
    assert told.submission.authors[0] == "A. Author"
    rename(again(hello, "bbb"), "static")
    assert "static" not in manifests.read(hello.parent)
