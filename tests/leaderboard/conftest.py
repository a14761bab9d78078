"""Sites built once for all tests that read them."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from elue.leaderboard import build, manifests
from elue.leaderboard.samplefiles import MOST_COMPARED
from elue.record.schema import Record
from elue.record.store import Store
from elue.scores.edition import Edition
from elue.submissions.standing import as_it_stands, record_folders
from tests.editions import STATIC, World, edition_of
from tests.leaderboard.browsing import SUBMISSIONS, Browser
from tests.leaderboard.crossed import crossed_store
from tests.leaderboard.samples import failed, summary
from tests.leaderboard.whole import MANIFESTS, reader_of, summaries_of, whole_store


def ranked_store() -> tuple[list[Record], Edition]:
    """Two tasks, and a filled edition of them: methods above and below the yardstick, and one with one training."""
    worlds = [World("mine"), World("other")]
    static = [record for world in worlds for record in world.method("static", STATIC)]
    good = [record for world in worlds for record in world.method("good", {1: 0.72, 2: 0.82, 4: 0.9})]
    bad = [record for world in worlds for record in world.method("bad", {2: 0.55, 4: 0.62})]
    runs = [titled(record) for record in (*static, *good, *bad, *worlds[0].training("single", STATIC))]
    return runs, edition_of(static)


def titled(record: Record) -> Record:
    """The record with a title of its own for each task."""
    title = f"A task of {record.task.name}"
    return record.model_copy(update={"task": record.task.model_copy(update={"title": title})})


def odd_ones() -> list[Record]:
    """Runs that cannot be ranked, for three reasons."""
    return [
        failed(point={"threshold": 0.9}),
        failed("timeout", "No answer within 30 s on one sample.", point={"threshold": 0.8}),
        summary(complete=False, unknown={"aten.foo.default": 12}, point={"threshold": 1}),
    ]


@pytest.fixture(scope="session")
def whole_records():
    """Whole records of five families on two tasks."""
    return whole_store()


@dataclass
class Sites:
    """Sites to open, by name below a folder; each is built when it is first asked for, once for all processes."""

    root: Path
    makers: dict[str, Callable[[Path], object]]

    def __truediv__(self, name: str) -> Path:
        site = self.root / name
        with (self.root / f"{name}.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not site.exists():
                self.makers[name](site)
        return site


def build_whole(site: Path) -> None:
    """One with scores, samples, explanations, manifests, and runs that are not ranked."""
    records = whole_store()
    runs = [*summaries_of(records), *odd_ones()]
    build(runs, site, reader_of(records), MANIFESTS, "https://elue.example/board")


def build_crossed(site: Path) -> None:
    """One of weights under rules that are not their own."""
    crossed = crossed_store(seeds=3)
    build(summaries_of(crossed), site, reader_of(crossed))


def build_ranked(site: Path) -> None:
    """One with ranks."""
    ranked, edition = ranked_store()
    build(summaries_of(ranked), site, reader_of(ranked), editions=[edition])


def build_many(site: Path) -> None:
    """One of as many methods on a task as are compared with each other there."""
    world = World("mine")
    runs = [run for i in range(MOST_COMPARED) for run in world.training(f"structural_method_{i}", STATIC)]
    build(summaries_of(runs), site, reader_of(runs))


def build_submissions(site: Path) -> None:
    """That of the committed submissions, with what was taken back of them, as `elue site` indexes them."""
    store = Store(f"sqlite:///{site.with_suffix('.sqlite')}")
    folders = record_folders(SUBMISSIONS)
    store.rebuild(folders, as_it_stands(folders))
    build(store.summaries(), site, store.text, manifests.read(SUBMISSIONS))


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Sites:
    """A whole site, that of the committed submissions, and odd ones, below the folder that all processes have."""
    from tests.leaderboard.test_site import SETS

    def build_odd(site: Path) -> None:
        build(SETS[site.name](), site)

    odd = ("hostile text", "nothing", "long names", "right to left", "only failures", "one run")
    makers = {
        "whole": build_whole,
        "crossed": build_crossed,
        "ranked": build_ranked,
        "many": build_many,
        "submissions": build_submissions,
    }
    base = tmp_path_factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "sites"
    root.mkdir(exist_ok=True)
    return Sites(root, makers | dict.fromkeys(odd, build_odd))


@pytest.fixture(scope="session")
def whole_site(folder) -> Path:
    """The folder of the whole site."""
    return folder / "whole"


@pytest.fixture(scope="session")
def started(tmp_path_factory) -> Iterator[Browser]:
    """A browser, for all modules one after the other."""
    browser = Browser(tmp_path_factory.mktemp("profile"))
    yield browser
    browser.driver.quit()


@pytest.fixture(scope="module")
def browser(started) -> Browser:
    """A browser with nothing open, that remembers no page."""
    started.forget()
    return started


@pytest.fixture(scope="session")
def still(tmp_path_factory) -> Iterator[Browser]:
    """A browser that runs no scripts of pages."""
    browser = Browser(tmp_path_factory.mktemp("still"), javascript=False)
    yield browser
    browser.driver.quit()


@pytest.fixture(scope="session")
def axe(tmp_path_factory) -> str:
    """The source of axe-core, from the npm registry, kept in pytest's cache folder outside the repository."""
    if not shutil.which("npm"):
        pytest.skip("no npm on the PATH")
    folder = tmp_path_factory.mktemp("axe")
    done = subprocess.run(
        ["npm", "pack", "axe-core@4", "--silent"], cwd=folder, capture_output=True, text=True, timeout=120, check=False
    )
    archives = list(folder.glob("*.tgz"))
    if not archives:
        pytest.skip(f"axe-core cannot be had: {done.stderr.strip()[:200]}")
    with tarfile.open(archives[0]) as archive:
        source = archive.extractfile("package/axe.min.js")
        assert source is not None
        return source.read().decode()
