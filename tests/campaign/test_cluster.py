"""A campaign on a Dask cluster whose workers, scheduler and parent are killed: all is made, and nothing twice."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest

from elue.campaign.cluster import Cluster
from elue.campaign.reading import read
from elue.record.store import Store
from tests.campaign.clusters import LocalCluster, under_fire
from tests.campaign.test_running import made
from tests.campaign.toys import told, write_campaign, write_trained
from tests.commanding import elue
from tests.conftest import WriteTask

distributed = pytest.importorskip("distributed", reason="Dask is not installed: pip install 'elue[cluster]'")

METHODS = ("ant", "bee", "cat", "dog", "elk", "fox")


def write_board(
    folder: Path, write_task: WriteTask, name: str, methods: tuple[str, ...] = METHODS, seconds: int = 2
) -> Path:
    """A board of toys on two tasks and two seeds; each training takes so many seconds."""
    task = write_task(8)
    (task.parent / "other.toml").write_text(task.read_text().replace('"mine"', '"other"'))
    text = 'tasks = ["tasks/mine.toml", "tasks/other.toml"]\nseeds = [0, 1]\n'
    text += f"options = {{ seconds = {seconds} }}\n"
    for method in methods:
        write_trained(folder, method)
        text += f'[method.{method}]\nsource = "{method}_plugin.py"\n'
    return write_campaign(folder, text, name)


@pytest.mark.thorough
def test_workers_of_a_scheduler_make_what_this_process_makes(tmp_path: Path, write_task: WriteTask) -> None:
    here, there = (write_board(tmp_path, write_task, name, METHODS[:1], seconds=0) for name in ("here", "there"))
    made(here, only=["mine"])
    settings = {"n_workers": 2, "threads_per_worker": 1, "processes": False, "dashboard_address": None}
    with distributed.LocalCluster(**settings) as cluster:
        engine = Cluster(cluster.scheduler_address)
        assert engine.places == 2
        watching, plan = made(there, engine, only=["mine"])
        engine.close()
        assert len(cluster.workers) == 2
    assert {job.state for job in plan.jobs.values() if job.task == "mine"} == {"done"}
    # two at once have less memory each than one alone, which their records say
    alone, together = (
        {key: run.model_copy(update={"environment": {}}) for key, run in told(tmp_path / name).items()}
        for name in ("here", "there")
    )
    assert together == alone
    assert len(watching.ends) == len(told(tmp_path / "there")) == 4


@pytest.mark.thorough
def test_a_cluster_makes_what_processes_make(tmp_path: Path, write_task: WriteTask) -> None:
    here, there = (write_board(tmp_path, write_task, name, METHODS[:1]) for name in ("here", "there"))
    assert elue("campaign", here, cwd=tmp_path).returncode == 0
    cluster = LocalCluster(tmp_path, 2)
    try:
        done = elue("campaign", there, "--scheduler", cluster.address, cwd=tmp_path)
    finally:
        cluster.close()
    assert done.returncode == 0, done.stderr
    assert told(tmp_path / "there") == told(tmp_path / "here")
    assert len(told(tmp_path / "there")) == 8


def test_an_address_without_a_scheduler_is_one_line(tmp_path: Path, write_task: WriteTask) -> None:
    done = elue(
        "campaign", write_board(tmp_path, write_task, "b", METHODS[:1]), "--scheduler", "what://there", cwd=tmp_path
    )
    assert done.returncode == 2
    assert "There is no Dask scheduler at what://there" in done.stderr


@pytest.mark.slow
def test_twenty_kills_lose_nothing_and_make_nothing_twice(tmp_path: Path, write_task: WriteTask) -> None:
    serial, shot = (write_board(tmp_path, write_task, name) for name in ("serial", "shot"))
    assert elue("campaign", serial, "--workers", "1", cwd=tmp_path).returncode == 0
    cluster = LocalCluster(tmp_path, 3)
    try:
        hit, said = under_fire(cluster, ["campaign", shot, "--scheduler", cluster.address], kills=20, seed=0)
    finally:
        cluster.close()
    print(Counter(hit), said)
    assert len(hit) == 20
    assert {"parent", "scheduler", "worker 0", "worker 1", "worker 2"} == set(hit)
    assert told(tmp_path / "shot") == told(tmp_path / "serial")
    assert len(told(tmp_path / "shot")) == len(METHODS) * 2 * 2 * 2
    journal = [json.loads(line) for line in (tmp_path / "shot" / "journal.jsonl").read_text().splitlines()]
    assert Counter(line["job"] for line in journal).most_common(1)[0][1] == 1
    assert Counter(line["ending"] for line in journal) == {"done": len(METHODS) * 2 * 2 * 2}
    assert Store(read(shot).places.db).keys() == told(tmp_path / "shot").keys()
