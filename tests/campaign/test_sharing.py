"""Jobs on one machine have its memory together."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.campaign.cluster import most_on_one
from elue.campaign.engines import Processes
from elue.campaign.reading import read
from elue.record import files as records
from elue.worker.confinement.sandbox import Limits
from tests.campaign.test_running import TWO, Here, made, memory_of
from tests.campaign.toys import write_campaign, write_trained
from tests.conftest import WriteTask


def test_a_job_has_its_part_of_the_memory_of_its_machine(tmp_path: Path, write_task: WriteTask) -> None:
    write_task(2)
    write_trained(tmp_path)
    file = write_campaign(tmp_path, TWO.replace("[0, 1]", "[0]"))
    made(file)
    memory = {memory_of(records.read(path)) for path in records.files(read(file).places.runs)}
    assert memory == {max(min(Limits().memory, 2**29), Limits().memory // Here.beside)}


def test_processes_are_all_on_one_machine() -> None:
    engine = Processes(3)
    assert engine.beside == 3
    engine.close()


@pytest.mark.parametrize(
    ("threads", "most"),
    [
        ({}, 1),
        ({"tcp://10.0.0.1:4001": 4}, 4),
        ({"tcp://10.0.0.1:4001": 2, "tcp://10.0.0.1:4002": 3, "tls://10.0.0.2:4001": 4}, 5),
        ({"tcp://[fe80::1]:4001": 1, "tcp://[fe80::1]:4002": 1, "inproc://10.0.0.3/77/1": 1}, 2),
        ({"nobody knows": 0}, 1),
    ],
)
def test_the_workers_of_a_machine_are_counted_by_its_address(threads: dict[str, int], most: int) -> None:
    assert most_on_one(threads) == most
