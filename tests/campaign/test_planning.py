"""A plan: what is due and why, what trainings have in common, and how soon it is made."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from elue.campaign.jobs import Job, Plan
from elue.campaign.journal import Ended, Journal, RunNote
from elue.campaign.planning import Planner
from elue.campaign.reading import read
from elue.campaign.search import best
from elue.campaign.work import TrainWork
from elue.record.files import path_of
from tests.campaign.toys import write_campaign, write_trained
from tests.conftest import WriteTask


def plan(file: Path, retry: bool = False) -> Plan:
    campaign = read(file)
    return Planner(campaign, Journal(campaign.places.journal), retry=retry).begin()


def works(planned: Plan) -> list[TrainWork]:
    return [job.work for job in planned.jobs.values() if isinstance(job.work, TrainWork)]


def test_methods_that_differ_in_rules_alone_share_their_phases(tmp_path: Path) -> None:
    text = 'methods = ["pabee", "pcee_bert", "elasticbert"]\n[method.elasticbert]\nseeds = [0, 1]\n'
    planned = plan(write_campaign(tmp_path, text))
    pabee, pcee, *elastic = works(planned)
    assert pabee.phases is not None
    assert pabee.phases == pcee.phases
    assert [work.phases for work in elastic] == [None, None]
    jobs = [job for job in planned.jobs.values() if job.kind == "train"]
    assert jobs[1].after == (jobs[0].id,)
    # other options, another training
    other = plan(write_campaign(tmp_path, text + "[method.pabee]\noptions = { epochs = 9 }\n"))
    assert works(other)[0].phases != works(other)[1].phases


def test_entries_that_ask_for_one_training_have_one_job(tmp_path: Path) -> None:
    text = '[method.a]\nsource = "elasticbert"\noptions = { epochs = 1 }\n'
    text += '[method.b]\nsource = "elasticbert"\noptions = { epochs = "1" }\npoints = [{ rule = "fixed", exit = 1 }]\n'
    planned = plan(write_campaign(tmp_path, text))
    assert [job.kind for job in planned.jobs.values()] == ["train", "measure", "measure"]


def test_packs_are_measured_beside_the_static_model_of_the_same_backbone(tmp_path: Path) -> None:
    planned = plan(write_campaign(tmp_path, 'profile = "elue-1-batch"\nmethods = ["ltp"]\nseeds = [4]\n'))
    assert [(job.kind, job.method, job.seed) for job in planned.jobs.values()] == [
        ("train", "ltp", 4),
        ("train", "static", 0),
        ("measure", "ltp", 4),
    ]
    measuring = list(planned.jobs.values())[-1]
    assert measuring.needs == tuple(planned.jobs)[:2]


def test_what_has_changed_is_due_and_the_rest_is_not(tmp_path: Path, write_task: WriteTask) -> None:
    task = write_task(4)
    plugin = write_trained(tmp_path)
    text = 'tasks = ["tasks/mine.toml"]\n[method.trained]\nsource = "trained_plugin.py"\n'
    file = write_campaign(tmp_path, text)

    def ids() -> set[str]:
        return set(plan(file).jobs)

    first = ids()
    plugin.write_text(plugin.read_text() + "\n# a comment\n")
    assert ids() == first
    plugin.write_text(plugin.read_text() + "\nmore = 1\n")
    changed = ids()
    assert not changed & first
    (task.parent / "test.tsv").write_text("sentence\tlabel\nother\t1\n")
    after = ids()
    assert len(after & changed) == 1  # the training, which has never seen the test split
    write_campaign(tmp_path, "latency = 3\n".join(["", text]).replace("latency = 3\n", ""))
    assert ids() == after


def test_time_is_told_by_what_has_run(tmp_path: Path, write_task: WriteTask) -> None:
    write_task(4)
    write_trained(tmp_path)
    write_trained(tmp_path, "other")
    text = 'tasks = ["tasks/mine.toml"]\nseeds = [0, 1]\n'
    text += "".join(f'[method.{name}]\nsource = "{name}_plugin.py"\n' for name in ("trained", "other"))
    file = write_campaign(tmp_path, text)
    assert plan(file).seconds is None
    jobs: list[Job] = list(plan(file).jobs.values())
    (tmp_path / "board").mkdir()
    journal = Journal(tmp_path / "board" / "journal.jsonl")
    ended = Ended(jobs[0].id, "train", "trained", "mine", "done", seconds=40.0, weights="0" * 64)
    journal.add(ended)
    journal.add(replace(ended, job="x", kind="measure", seconds=4.0))
    journal.path.write_bytes(journal.path.read_bytes() + b'{"job": "cut sh')
    planned = plan(file)
    assert [job.seconds for job in planned.jobs.values()] == [40.0, 4.0] * 4
    assert {job.why for job in planned.jobs.values() if job.id == jobs[0].id} == {
        f"its weights are gone from {jobs[0].work.out}" if isinstance(jobs[0].work, TrainWork) else ""
    }
    assert planned.seconds == 4 * 44.0
    Journal(journal.path).add(replace(ended, job=jobs[2].id, ending="failed", reason="no room", seconds=0.0))
    assert plan(file).jobs[jobs[2].id].state == "failed"
    assert plan(file, retry=True).jobs[jobs[2].id].why == "it failed (--retry-failed): no room"


def test_trainings_whose_records_are_all_there_need_no_weights(tmp_path: Path, write_task: WriteTask) -> None:
    write_task(4)
    write_trained(tmp_path)
    text = 'journal = "kept/done.jsonl"\nruns = "kept/records"\ntasks = ["tasks/mine.toml"]\n'
    text += 'splits = ["validation", "test"]\nseeds = [0, 1]\n[method.trained]\nsource = "trained_plugin.py"\n'
    file = write_campaign(tmp_path, text)
    records = tmp_path / "kept" / "records" / "mine" / "trained"
    records.mkdir(parents=True)
    journal = Journal(tmp_path / "kept" / "done.jsonl")
    jobs = list(plan(file).jobs.values())
    for place, job in enumerate(jobs):
        run = RunNote(f"{place:064x}", "k=0", "ok", flops=1.0, score=50.0)
        made = () if job.kind == "train" else (run,)
        journal.add(Ended(job.id, job.kind, "trained", "mine", "done", weights=f"{job.seed:064x}", runs=made))
        for note in made:
            path_of(records.parents[1], "mine", "trained", note.key).write_text("{}")
    planned = plan(file)
    assert planned.due == []
    assert {job.why for job in planned.jobs.values()} == {"done", "its records are there, its weights are gone"}
    assert planned.seconds is None
    # One record less, and all of that training is made again, since its weights may be others then.
    min(records.iterdir()).unlink()
    assert [(job.kind, job.seed) for job in plan(file).due] == [("train", 0), ("measure", 0), ("measure", 0)]
    # Weights that shall be kept have to be there.
    write_campaign(tmp_path, f'store = "weights"\n{text}')
    assert len(plan(file).due) == len(jobs)


def test_a_choice_waits_for_a_trial_that_is_tried_again(tmp_path: Path, write_task: WriteTask) -> None:
    write_task(4)
    write_trained(tmp_path)
    text = 'tasks = ["tasks/mine.toml"]\n[search]\nseed = 5\ngrid = { answer = [0, 1] }\n'
    file = write_campaign(tmp_path, text + '[method.trained]\nsource = "trained_plugin.py"\n')
    first = plan(file)
    assert first.waiting == 2
    # a trial of a seed that counts is that seed's training, and its measuring on validation data
    for told, waiting in (("seeds = [5, 6]", 3), ('seeds = [5, 6]\nsplits = ["validation", "test"]', 4)):
        other = plan(write_campaign(tmp_path, f'{told}\n{text}[method.trained]\nsource = "trained_plugin.py"\n', "o"))
        assert other.waiting == waiting
    (tmp_path / "board").mkdir()
    journal = Journal(tmp_path / "board" / "journal.jsonl")
    run = RunNote("0" * 64, "k=0", "ok", flops=1.0, score=50.0)
    for job in first.jobs.values():
        ended = Ended(job.id, job.kind, "trained", "mine", "done", weights="0" * 64, runs=(run,))
        failed = job.trial == {"answer": 1} and job.kind == "measure"
        journal.add(replace(ended, ending="failed", reason="no room") if failed else ended)
    assert list(plan(file).chosen.values()) == [{"answer": 0}]
    planner = Planner(read(file), journal, retry=True)
    again = planner.begin()
    assert (len(again.choices), again.chosen) == (1, {})
    *others, last = [job for job in again.jobs.values() if job.state == "due"]
    assert [planner.settle(job.id) for job in others] == [[]] * len(others)
    journal.add(Ended(last.id, "measure", "trained", "mine", "done", runs=(replace(run, score=60.0),)))
    assert [job.kind for job in planner.settle(last.id)] == ["train", "measure"]
    assert list(again.chosen.values()) == [{"answer": 1}]


@pytest.mark.parametrize(
    ("more", "each", "together"),
    [
        ("", [4, 4], 4),
        ("seeds = [0, 1, 2, 3]", [4, 8], 8),
        ("limit = 2", [4, 4], 6),
        ("grid = { answer = [1, 2] }", [4, 4], 8),
    ],
)
def test_a_job_that_follows_several_choices_is_counted_once(
    tmp_path: Path, write_task: WriteTask, more: str, each: list[int], together: int
) -> None:
    write_task(4)
    write_trained(tmp_path)
    text = 'tasks = ["tasks/mine.toml"]\nseeds = [0, 1]\n[search]\nseed = 5\ngrid = { answer = [0, 1] }\n'
    tables = "".join(f'[method.{name}]\nsource = "trained_plugin.py"\n' for name in ("trained", "again"))
    planned = plan(write_campaign(tmp_path, f"{text}{tables}{more}\n"))
    assert [len(planned.following(choice)) for choice in planned.choices.values()] == each
    assert planned.waiting == together


def test_the_best_trial_is_highest_over_the_budgets_of_all() -> None:
    early, late = [(1.0, 60.0), (10.0, 80.0)], [(1.0, 70.0), (10.0, 80.0)]
    assert best([early, late], 50.0) == 1
    assert best([late, early, late], 50.0) == 0
    assert best([None, early], 50.0) == 1
    assert best([[(10.0, 90.0)], [(1.0, 70.0), (10.0, 80.0)]], 50.0) == 1
    assert best([None, None], 50.0) is None
    assert best([[(0.0, 40.0)], [(0.0, 60.0)]], 30.0) == 1
