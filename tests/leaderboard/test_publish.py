"""A site is put in place all at once, and never over someone's files."""

from __future__ import annotations

import json

import pytest

from elue.errors import ElueError
from elue.leaderboard.publish import MANIFEST, publish


def content(folder):
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def test_files_land_where_they_belong_with_a_manifest(tmp_path):
    out = tmp_path / "deep" / "site"
    publish({"index.html": "a", "data/all.csv": "b"}, out)
    assert json.loads((out / MANIFEST).read_text())["files"] == ["data/all.csv", "index.html"]
    assert content(out).keys() == {MANIFEST, "index.html", "data/all.csv"}
    assert [path.name for path in out.parent.iterdir()] == ["site"]
    assert out.stat().st_mode & 0o777 == (tmp_path / "deep").stat().st_mode & 0o777


def test_an_earlier_site_is_replaced_whole(tmp_path):
    publish({"index.html": "a", "old.html": "b"}, tmp_path / "site")
    publish({"index.html": "c"}, tmp_path / "site")
    assert content(tmp_path / "site").keys() == {MANIFEST, "index.html"}
    assert (tmp_path / "site" / "index.html").read_text() == "c"


def test_an_empty_folder_and_a_link_to_a_folder_are_fine(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    publish({"index.html": "a"}, tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real" / "index.html").read_text() == "a"


@pytest.mark.parametrize("made_by", ["someone", "someone after us", "a manifest of something else", "no JSON"])
def test_other_files_are_never_touched(tmp_path, made_by):
    out = tmp_path / "site"
    if made_by == "someone after us":
        publish({"index.html": "a"}, out)
    out.mkdir(exist_ok=True)
    (out / "notes.txt").write_text("mine")
    if made_by == "a manifest of something else":
        (out / MANIFEST).write_text('{"site": "other", "files": ["notes.txt"]}')
    if made_by == "no JSON":
        (out / MANIFEST).write_text("[")
    before = content(out)
    with pytest.raises(ElueError) as caught:
        publish({"index.html": "b"}, out)
    assert caught.value.code == "folder_in_use"
    assert str(out) in caught.value.message
    assert content(out) == before
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "site").write_text("mine")
    with pytest.raises(ElueError) as caught:
        publish({"index.html": "b"}, tmp_path / "site")
    assert caught.value.code == "folder_in_use"
    assert (tmp_path / "site").read_text() == "mine"


def test_a_failed_write_leaves_the_earlier_site(tmp_path):
    out = tmp_path / "site"
    publish({"index.html": "a"}, out)
    with pytest.raises(ElueError) as caught:
        publish({"index.html": "b", "x" * 300: "too long a name"}, out)
    assert caught.value.code == "cannot_write"
    assert (out / "index.html").read_text() == "a"
    assert [path.name for path in tmp_path.iterdir()] == ["site"]


def test_text_that_is_no_unicode_is_written_with_a_question_mark(tmp_path):
    publish({"index.html": "a\ud800b"}, tmp_path / "site")
    assert (tmp_path / "site" / "index.html").read_text() == "a?b"
