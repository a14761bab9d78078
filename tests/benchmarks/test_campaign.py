"""What a campaign costs beside its jobs: planning it, and handing jobs out."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from elue.campaign.engines import Processes
from elue.campaign.jobs import Plan
from elue.campaign.journal import Journal
from elue.campaign.planning import Planner
from elue.campaign.reading import read
from elue.campaign.running import run
from elue.cli.campaign_progress import progress
from elue.record.store import Store
from tests.campaign.test_cluster_kit import write_board, write_tasks
from tests.campaign.test_planning import plan
from tests.campaign.test_running import states
from tests.campaign.toys import write_campaign

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize("shared", [False, True])
def test_ten_thousand_runs_are_planned_within_five_seconds(tmp_path: Path, shared: bool) -> None:
    """All methods on some seeds; and two that share phases on many, so that every job has to find another."""
    methods, seeds = ('["pabee", "pcee_bert"]', 2500) if shared else ('["*/*"]', 80)
    file = write_campaign(tmp_path, f"methods = {methods}\nseeds = {list(range(seeds))}\n")
    clock, used = time.perf_counter(), time.process_time()
    planned = plan(file)
    seconds = time.perf_counter() - clock
    print(f"\n{len(planned.jobs)} jobs in {seconds:.2f} s, {time.process_time() - used:.2f} s of processor time")
    assert len(planned.jobs) >= 10_000
    assert seconds < 5


def made(file: Path, workers: int) -> tuple[Plan, float, float]:
    """Run a campaign in so many processes; returns its plan as it then is, and wall and own processor seconds."""
    clock, used = time.perf_counter(), time.process_time()
    campaign = read(file)
    journal, engine = Journal(campaign.places.journal), Processes(workers)
    campaign.places.out.mkdir()
    try:
        planner = Planner(campaign, journal)
        planner.begin()
        with progress(journal) as watcher:
            run(planner, Store(campaign.places.db), engine, watcher)
    finally:
        engine.close()
    spent = time.perf_counter() - clock, time.process_time() - used
    return Planner(campaign, journal).begin(), *spent


def test_two_workers_are_nearly_twice_as_fast_and_their_parent_costs_next_to_nothing(tmp_path: Path) -> None:
    """Trainings of the kit, six methods on two tasks with two seeds, in one process and in two."""
    write_tasks(tmp_path)
    walls = {}
    for workers in (2, 1):
        ended, walls[workers], own = made(write_board(tmp_path, f"by{workers}"), workers)
        assert set(states(ended)) == {"train done", "measure done"}
        share = own / walls[workers]
        print(f"\n{workers}: {walls[workers]:.1f} s, {own:.2f} s of them the parent's processor time ({share:.2%})")
        assert share < 0.02
    print(f"two are {walls[1] / walls[2]:.2f} times as fast")
    assert walls[1] / walls[2] >= 1.8
