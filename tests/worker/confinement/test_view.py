"""What a worker sees of installed packages that are links: as they are, or file by file."""

from __future__ import annotations

from pathlib import Path

from elue.worker.confinement.view import linked


def kept(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text("")


def test_packages_of_links_are_found_where_they_lie(tmp_path: Path) -> None:
    cache, site = tmp_path / "cache", tmp_path / "site-packages"
    kept(cache / "a", "numbers/__init__.py", "numbers/core/_c.so", "numbers-1.0.dist-info/METADATA")
    kept(cache / "b", "space/part/__init__.py")
    kept(cache / "c", "whole/__init__.py", "single.py")
    kept(site, "real/__init__.py", "real/more/deep.py")
    for archive in ("a", "b"):
        for file in (cache / archive).rglob("*"):
            if file.is_file():
                link = site / file.relative_to(cache / archive)
                link.parent.mkdir(parents=True, exist_ok=True)
                link.symlink_to(file)
    (site / "whole").symlink_to(cache / "c/whole")
    (site / "single.py").symlink_to(cache / "c/single.py")
    assert set(linked(str(site))) == {
        str((cache / name).resolve())
        for name in ("a/numbers", "a/numbers-1.0.dist-info", "b/space/part", "c/whole", "c/single.py")
    }


def test_a_linked_file_among_others_shows_no_folder(tmp_path: Path) -> None:
    kept(tmp_path / "secret", "labels.csv", "more.csv")
    kept(tmp_path / "site-packages", "real/__init__.py")
    (tmp_path / "site-packages/real/data.csv").symlink_to(tmp_path / "secret/labels.csv")
    assert linked(str(tmp_path / "site-packages")) == (str((tmp_path / "secret/labels.csv").resolve()),)


def test_a_folder_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert linked(str(tmp_path / "site-packages")) == ()
