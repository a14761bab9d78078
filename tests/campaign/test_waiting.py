"""Jobs that wait: what each waits for, and the order in which they begin."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from elue.campaign.jobs import Job
from elue.campaign.waiting import Waiting
from tests.campaign.test_planning import plan
from tests.campaign.toys import write_campaign, write_trained
from tests.conftest import WriteTask


@pytest.fixture
def jobs(tmp_path: Path, write_task: WriteTask) -> tuple[Job, Job]:
    """A training and the measuring of its weights."""
    write_task(4)
    write_trained(tmp_path)
    text = 'tasks = ["tasks/mine.toml"]\n[method.trained]\nsource = "trained_plugin.py"\n'
    training, measuring = plan(write_campaign(tmp_path, text)).jobs.values()
    return training, measuring


def test_a_job_is_free_once_all_that_it_needs_has_ended(jobs: tuple[Job, Job]) -> None:
    training, measuring = jobs
    other = replace(training, id="other")
    waiting = Waiting()
    assert waiting.add([replace(measuring, against="other"), training, other]) == [training, other]
    assert len(waiting) == 1
    assert waiting.ended(training.id) == []
    (free,) = waiting.ended("other")
    assert free.id == measuring.id
    assert len(waiting) == 0
    assert waiting.ended("other") == []
    # what has ended, and what nobody waits for, blocks nothing that is added later
    assert waiting.add([measuring]) == [measuring]


def test_jobs_begin_in_their_order_by_kind_and_those_that_were_lost_first(jobs: tuple[Job, Job]) -> None:
    training, measuring = jobs
    waiting = Waiting()
    several = [replace(training, id=f"t{number}") for number in range(3)]
    waiting.add([*several, measuring])
    for job in (measuring, *reversed(several)):
        waiting.offer(job)
    assert waiting.take(["train"]) == several[0]
    waiting.again(several[0])
    assert len(waiting) == 4
    begun = [waiting.take(["measure", "train"]) for _ in range(5)]
    assert begun == [measuring, *several, None]
    assert waiting.take(["measure"]) is None
