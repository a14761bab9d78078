"""The ladder pass over several points: carried over where it may be, asked anew where not."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from elue.evaluation.passes import ladder
from elue.record.schema import Record
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


def test_a_survey_brings_the_ladder_with_the_sweep(tmp_path: Path, write_task: WriteTask, asked: list[int]) -> None:
    task = write_task(SIZE, texts=texts())
    plugin = toys.write(tmp_path, toys.SWEEP, toys.LADDER)
    apart = controls(evaluate_plugin(tmp_path, plugin, task))
    assert asked == [SIZE, *[ladder.PROBES] * 3]
    asked.clear()
    plugin = toys.write(tmp_path, toys.SWEEP, toys.LADDER, toys.SURVEY)
    together = controls(evaluate_plugin(tmp_path, plugin, task))
    assert asked == [ladder.PROBES] * 4
    assert together == apart
    assert None not in together


@pytest.mark.parametrize(
    ("answer", "said"),
    [("swept, []", "0 sequences for"), ("swept, self.ladder(samples), 0", "3 parts, not 2"), ("0", "int")],
)
def test_nonsense_of_a_survey_ends_no_run(tmp_path: Path, write_task: WriteTask, answer: str, said: str) -> None:
    changed = {"return swept, self.ladder(samples)": f"return {answer}"}
    plugin = toys.write(tmp_path, toys.SWEEP, toys.LADDER, toys.SURVEY, changed=changed)
    records = evaluate_plugin(tmp_path, plugin, write_task(SIZE, texts=texts()))
    assert [record.status for record in records] == ["ok"] * 4
    assert all(record.controls is not None for record in records)
    (flag,) = records[0].flags
    assert flag.code == "sweep"
    assert said in flag.detail


def test_a_survey_with_another_ladder_is_not_believed(tmp_path: Path, write_task: WriteTask, asked: list[int]) -> None:
    changed = {
        "return swept, self.ladder(samples)": "return swept, [way[:1] * len(way) for way in self.ladder(samples)]"
    }
    plugin = toys.write(tmp_path, toys.SWEEP, toys.LADDER, toys.SURVEY, changed=changed)
    task = write_task(SIZE, texts=texts())
    found = controls(evaluate_plugin(tmp_path, plugin, task))
    assert asked[0] == ladder.PROBES
    assert asked.count(SIZE) == 1
    assert found == controls(evaluate_plugin(tmp_path, toys.write(tmp_path, toys.LADDER), task))


def test_ways_out_that_cost_otherwise_at_another_point_are_asked_for(
    tmp_path: Path, write_task: WriteTask, asked: list[int]
) -> None:
    changed = {"return [self.run(sample, EXITS, many=True)": "return [self.run(sample, EXITS - self.fewer, many=True)"}
    changed["    def configure(self, point):\n"] = (
        "    def configure(self, point):\n        self.fewer = point['fewer']\n"
    )
    changed['"lie": {"type": "str"}}'] = '"fewer": {"type": "int"}, "visit": {"type": "int"}}'
    plugin, task = toys.write(tmp_path, toys.LADDER, changed=changed), write_task(SIZE, texts=texts())
    points = tuple({"depth": 1, "fewer": fewer, "visit": visit} for visit, fewer in enumerate((0, 1, 0)))
    found = controls(evaluate_plugin(tmp_path, plugin, task, points=points))
    assert asked[0] == SIZE
    assert asked.count(SIZE) == 3
    assert found[0] == found[2]
    assert found[0] != found[1]
