"""The ladder pass over several points: carried over where it may be, asked anew where not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from elue.passes import ladder
from elue.schema import Record
from tests import traced_toys as toys
from tests.conftest import WriteTask
from tests.running import evaluate_plugin

SIZE = 80


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many samples each question to the ladder was about."""
    counts: list[int] = []
    ask = ladder._asked

    def counting(context: Any, places: Sequence[int]) -> ladder.Ways:
        counts.append(len(places))
        return ask(context, places)

    monkeypatch.setattr(ladder, "_asked", counting)
    return counts


def controls(records: list[Record]) -> list[Any]:
    assert all((record.status, record.flags) == ("ok", ()) for record in records)
    return [record.controls for record in records]


def texts() -> list[str]:
    return [" ".join(["word"] * (1 + i % 6)) for i in range(SIZE)]


def test_further_points_ask_a_few_samples_and_give_what_each_gives_by_itself(
    tmp_path: Path, write_task: WriteTask, asked: list[int]
) -> None:
    plugin, task = toys.write(tmp_path, toys.LADDER), write_task(SIZE, texts=texts())
    together = controls(evaluate_plugin(tmp_path, plugin, task))
    assert asked == [SIZE, *[ladder.PROBES] * 3]
    points = [{"depth": depth} for depth in range(4)]
    alone = [controls(evaluate_plugin(tmp_path, plugin, task, points=(point,)))[0] for point in points]
    assert asked[4:] == [SIZE] * 4
    assert together == alone
    assert None not in together


def test_ways_out_that_cost_otherwise_at_another_point_are_asked_for(
    tmp_path: Path, write_task: WriteTask, asked: list[int]
) -> None:
    changed = {"return [self.run(sample, EXITS, many=True)": "return [self.run(sample, EXITS - self.fewer, many=True)"}
    changed["    def configure(self, point):\n"] = (
        "    def configure(self, point):\n        self.fewer = point['fewer']\n"
    )
    plugin, task = toys.write(tmp_path, toys.LADDER, changed=changed), write_task(SIZE, texts=texts())
    points = tuple({"depth": 1, "fewer": fewer} for fewer in (0, 1, 0))
    found = controls(evaluate_plugin(tmp_path, plugin, task, points=points))
    assert asked[0] == SIZE
    assert asked.count(SIZE) == 3
    assert found[0] == found[2]
    assert found[0] != found[1]
