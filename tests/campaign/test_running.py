"""Campaigns that run: what is made, made again, passed over, and found after a kill."""

from __future__ import annotations

import json
from collections import Counter
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from elue.campaign.engines import Processes
from elue.campaign.jobs import Plan
from elue.campaign.journal import Journal
from elue.campaign.planning import Planner
from elue.campaign.reading import read
from elue.campaign.running import alone, run
from elue.errors import ElueError
from elue.record import files as records
from elue.record.schema import Record
from elue.record.store import Store
from elue.worker.confinement.sandbox import Limits
from tests.campaign.toys import Watching, write_campaign, write_trained
from tests.conftest import WriteTask

TWO = """
tasks = ["tasks/mine.toml"]
seeds = [0, 1]
[method.trained]
source = "trained_plugin.py"
"""


class Here:
    """An engine of one place, in this process, that does a job when it is handed out."""

    places = 1
    beside = 3

    def submit(self, function: Any, work: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(function(work))
        except Exception as error:
            future.set_exception(error)
        return future

    def loss(self, error: BaseException) -> None:
        return None

    def mend(self) -> None:
        pass

    def close(self) -> None:
        pass


def made(file: Path, engine: Any = None, **changes: Any) -> tuple[Watching, Plan]:
    """Run a campaign to its end; returns what it told, and the plan as it then stands."""
    campaign, watching = read(file), Watching()
    with alone(campaign):
        journal = Journal(campaign.places.journal)
        planner = Planner(campaign, journal, **changes)
        planner.begin()
        run(planner, Store(campaign.places.db), engine or Here(), watching)
    return watching, Planner(campaign, journal).begin()


def memory_of(record: Record) -> int:
    """Bytes that the worker of a run could have."""
    return int(record.environment["sandbox"]["limits"]["RLIMIT_DATA"])


def states(plan: Plan) -> Counter[str]:
    return Counter(f"{job.kind} {job.state}" for job in plan.jobs.values())


def test_a_campaign_trains_measures_records_and_indexes_once(tmp_path: Path, write_task: WriteTask) -> None:
    write_task(6)
    write_trained(tmp_path)
    file = write_campaign(tmp_path, TWO)
    watching, plan = made(file)
    assert states(plan) == {"train done": 2, "measure done": 2}
    assert [ended.ending for ended in watching.ends] == ["done"] * 4
    runs = [records.read(path) for path in records.files(tmp_path / "board" / "runs")]
    assert sorted((record.seed, record.point["k"]) for record in runs) == [(0, 0), (0, 1), (1, 0), (1, 1)]
    assert {record.score.value for record in runs if record.score} == {50.0}
    assert Store(f"sqlite:///{tmp_path / 'board' / 'elue.sqlite'}").keys() == {record.key for record in runs}
    assert {record.key for record in runs} == {run.key for ended in watching.ends for run in ended.runs}

    again, plan = made(file)
    assert (again.begun, states(plan)) == ([], {"train done": 2, "measure done": 2})
    # a record that is gone is made again, and its weights are not
    gone = next(records.files(tmp_path / "board" / "runs"))
    before = gone.read_text()
    gone.unlink()
    again, plan = made(file)
    assert [label.split(",")[0] for label in again.begun] == ["measure trained"]
    assert json.loads(gone.read_text())["samples"] == json.loads(before)["samples"]
    # without a journal nothing is trained or measured anew, either
    (tmp_path / "board" / "journal.jsonl").unlink()
    again, plan = made(file)
    assert [ended.seconds for ended in again.ends] == [0.0] * 4
    assert states(plan) == {"train done": 2, "measure done": 2}
    assert [path.read_text() for path in (tmp_path / "board/weights").rglob("tries")] == ["x", "x"]


def test_it_goes_on_past_failures_and_does_them_again_when_told(tmp_path: Path, write_task: WriteTask) -> None:
    write_task(4)
    write_trained(tmp_path)
    write_trained(tmp_path, "picky")
    text = TWO + 'options = { fail = 1 }\n[method.picky]\nsource = "picky_plugin.py"\n'
    watching, plan = made(write_campaign(tmp_path, text))
    ended = {"done": 1, "failed": 1, "refused": 2}
    assert states(plan) == {f"{kind} {ending}": n for kind in ("train", "measure") for ending, n in ended.items()}
    (failed,) = [ended for ended in watching.ends if ended.ending == "failed" and ended.kind == "train"]
    assert "ended with exit code 1; its output is in" in failed.reason
    log = Path(failed.reason.split("output is in ")[1].rstrip("."))
    assert "RuntimeError: it was told to" in log.read_text()
    (reason,) = {job.why for job in plan.jobs.values() if job.state == "refused" and job.kind == "train"}
    assert reason == "'picky' does not serve 'mine': it is a toy of another kind"
    assert made(tmp_path / "board.toml")[0].begun == []
    again, _ = made(tmp_path / "board.toml", retry=True)
    assert again.begun == ["train trained, mine, seed 1"]


def test_only_some_of_it_is_made_when_so_told(tmp_path: Path, write_task: WriteTask) -> None:
    write_task(4)
    write_trained(tmp_path)
    file = write_campaign(tmp_path, TWO + '[method.other]\nsource = "trained_plugin.py"\noptions = { answer = 1 }\n')
    _, plan = made(file, only=["oth*", "mine"])
    assert {job.entry for job in plan.jobs.values() if job.state == "done"} == {"other"}
    with pytest.raises(ElueError, match="Did you mean 'other'"):
        made(file, only=["othre"])


@pytest.mark.thorough
def test_options_are_chosen_on_validation_and_all_trials_are_recorded(tmp_path: Path, write_task: WriteTask) -> None:
    write_task(6, labels=[1, 1, 1, 1, 0, 0])
    write_trained(tmp_path)
    text = TWO + "[search]\nseed = 5\ngrid = { answer = [0, 1] }\n"
    _, plan = made(write_campaign(tmp_path, text))
    (trial,) = plan.chosen.values()
    assert trial == {"answer": 1}
    assert states(plan) == {"train done": 4, "measure done": 4}
    found = Counter((r.task.split, r.seed) for r in map(records.read, records.files(tmp_path / "board/runs")))
    assert found == {("validation", 5): 4, ("test", 0): 2, ("test", 1): 2}
    assert made(tmp_path / "board.toml")[0].begun == []


def test_two_campaigns_do_not_run_in_one_folder(tmp_path: Path, write_task: WriteTask) -> None:
    write_task(4)
    write_trained(tmp_path)
    campaign = read(write_campaign(tmp_path, TWO))
    with alone(campaign), pytest.raises(ElueError, match="Another campaign runs in"), alone(campaign):
        pass


@pytest.mark.thorough
def test_processes_make_the_same_and_one_that_is_killed_is_replaced(tmp_path: Path, write_task: WriteTask) -> None:
    write_task(4)
    write_trained(tmp_path)
    file = write_campaign(tmp_path, TWO + "options = { seconds = 1 }\n")

    class Killing(Watching):
        def waiting(self) -> None:
            if not self.losses:
                for pool in engine._pools[:1]:
                    for process in (pool._processes or {}).values():
                        process.kill()

    engine = Processes(2)
    campaign, watching = read(file), Killing()
    try:
        planner = Planner(campaign, Journal(campaign.places.journal))
        planner.begin()
        run(planner, Store(campaign.places.db), engine, watching)
    finally:
        engine.close()
    assert len(watching.losses) == 1
    assert [ended.ending for ended in watching.ends] == ["done"] * 4
    made_records = [records.read(path) for path in records.files(campaign.places.runs)]
    assert len(made_records) == 4
    assert {memory_of(record) for record in made_records} == {Limits().memory // 2}
