"""One PostgreSQL index that several campaigns fill: all records are there, and site and scores come from it."""

from __future__ import annotations

import itertools
import json
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import make_url

from elue.leaderboard import build
from elue.leaderboard.workers import reader, workers
from elue.record.store import Store
from tests.benchmarks.test_site_scale import METHODS, TASKS, record
from tests.campaign.toys import told, write_campaign, write_trained
from tests.commanding import elue, start
from tests.conftest import WriteTask
from tests.postgresql import ask, fresh


@pytest.fixture
def url(postgresql: str) -> str:
    return fresh(postgresql)


@pytest.mark.thorough
def test_two_campaigns_fill_one_index_at_once(url: str, tmp_path: Path, write_task: WriteTask) -> None:
    write_task(6)
    write_trained(tmp_path)
    text = f'db = "{url}"\ntasks = ["tasks/mine.toml"]\n[method.trained]\nsource = "trained_plugin.py"\n'
    # both have seed 1, so that they write the same records, too
    files = [write_campaign(tmp_path, f"seeds = {seeds}\n{text}", f"b{n}") for n, seeds in enumerate(([0, 1], [1, 2]))]
    started = [
        subprocess.Popen([sys.executable, "-m", "elue", "campaign", file], cwd=tmp_path, stderr=subprocess.PIPE)
        for file in files
    ]
    for process in started:
        _, said = process.communicate()
        assert process.returncode == 0, said
    made = told(tmp_path / "b0") | told(tmp_path / "b1")
    store = Store(url)
    assert store.keys() == made.keys()
    assert len(made) == 6
    assert {record.key for record in store.records()} == made.keys()
    page = build(store.summaries(), tmp_path / "site", store.text)
    assert page.is_file()
    assert elue("score", "--db", url, cwd=tmp_path).returncode in (0, 2)


@pytest.mark.thorough
def test_a_campaign_whose_server_goes_away_ends_in_one_line_and_goes_on_when_it_is_back(
    url: str, postgresql: str, tmp_path: Path, write_task: WriteTask
) -> None:
    write_task(6)
    write_trained(tmp_path)
    text = 'seeds = [0, 1, 2, 3]\ntasks = ["tasks/mine.toml"]\noptions = { seconds = 1 }\n'
    file = write_campaign(tmp_path, f'db = "{url}"\n{text}[method.trained]\nsource = "trained_plugin.py"\n', "b")
    name = make_url(url).database
    process = start(["campaign", file, "--workers", "1"], tmp_path, stderr=subprocess.PIPE)
    store, end = Store(url), time.monotonic() + 120
    while not store.keys() and time.monotonic() < end:
        time.sleep(0.1)
    ask(postgresql, f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")
    ask(postgresql, f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")
    _, said = process.communicate()
    assert process.returncode == 2, said
    last = said.strip().splitlines()[-1]
    assert last.startswith("error: ")
    assert "not currently accepting connections" in last
    assert "Traceback" not in said
    ask(postgresql, f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")
    assert elue("campaign", file, cwd=tmp_path).returncode == 0
    made = told(tmp_path / "b")
    assert len(made) == 8
    assert store.keys() == made.keys()
    journal = [json.loads(line) for line in (tmp_path / "b" / "journal.jsonl").read_text().splitlines()]
    assert sorted(line["ending"] for line in journal) == ["done"] * 8
    assert len({line["job"] for line in journal}) == 8


def timed(what: str, do: Callable[[], Any]) -> Any:
    """What comes of something, whose time is printed."""
    clock, used = time.monotonic(), time.process_time()
    made = do()
    print(f"{what}: {time.monotonic() - clock:.1f} s, {time.process_time() - used:.1f} s of processor time")
    return made


def fill(url: str, count: int) -> Store:
    """Index so many records of 300 methods on 7 tasks, each of 100 samples."""
    store = Store(url)
    points = range(-(-count // TASKS // METHODS))
    places = ((task, method, point) for point in points for method in range(METHODS) for task in range(TASKS))
    store.add_all(record(*place) for place in itertools.islice(places, count))
    return store


@pytest.mark.slow
def test_index_score_and_site_of_a_hundred_thousand_records(url: str, tmp_path: Path) -> None:
    count, before = 100_000, Store(url).keys()
    store = timed("made and indexed", lambda: fill(url, count))
    summaries = [told for told in timed("all summaries read", store.summaries) if told.key not in before]
    assert len({told.key for told in summaries}) == count
    scored = timed("one task scored", lambda: elue("score", "--db", url, "--task", "task_0", "--json", cwd=tmp_path))
    assert scored.returncode == 0
    assert "method_299" in scored.stdout
    with workers(count) as executor:
        page = timed("site", lambda: build(summaries, tmp_path / "site", reader(url), executor=executor))
    assert page.is_file()
    assert len(json.loads((tmp_path / "site/data/all.json").read_text())["runs"]) == count
