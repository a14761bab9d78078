"""Tasks worked on by other processes give the site that one process gives."""

from __future__ import annotations

import pickle
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

import pytest

from elue.leaderboard import workers
from elue.leaderboard.build import pages
from elue.record.store import Store
from tests.leaderboard.whole import MANIFESTS


class Nearby(ProcessPoolExecutor):
    """Works in this process on what would go to another one, and come back."""

    def map(self, fn, *iterables):
        for items in zip(*iterables, strict=True):
            yield pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(fn))(*items)))


@pytest.mark.parametrize(
    ("kind", "every"), [(Nearby, 10), pytest.param(ProcessPoolExecutor, 1, marks=pytest.mark.thorough)]
)
def test_processes_make_the_same_bytes_as_one(tmp_path, whole_records, kind, every):
    store = Store(f"sqlite:///{tmp_path / 'elue.sqlite'}")
    store.add_all(whole_records[::every])
    read, summaries = workers.reader(store.url), store.summaries()
    alone = dict(pages(summaries, read, MANIFESTS, "https://elue.example"))
    with kind(2, get_context("spawn")) as executor:
        assert dict(pages(summaries, read, MANIFESTS, "https://elue.example", executor)) == alone


def test_processes_get_what_was_there_when_they_were_asked():
    items = [[1], [2, 3]]
    with ProcessPoolExecutor(1, get_context("spawn")) as executor:
        sums = workers.side_by_side(executor, sum, items)
        items[1].append(4)
        assert list(sums) == [1, 5]
    assert list(workers.side_by_side(None, sum, items)) == [1, 9]


@pytest.mark.parametrize(("runs", "cores", "count"), [(10, 8, 0), (10_000, 1, 0), (10_000, 2, 2), (10_000, 64, 4)])
def test_only_a_large_store_on_several_cores_gets_processes(monkeypatch, runs, cores, count):
    monkeypatch.setattr(workers.os, "cpu_count", lambda: cores)
    started = []
    monkeypatch.setattr(workers, "ProcessPoolExecutor", lambda n, *how: started.append(n) or ProcessPoolExecutor(n))
    with workers.workers(runs) as executor:
        assert (executor is not None) == bool(count)
    assert started == ([count] if count else [])
