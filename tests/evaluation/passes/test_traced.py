"""Traced evaluation end to end, with a real model of exits in real workers, honest and lying."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elue import tasks
from elue.evaluation import execute as evaluate
from elue.evaluation.plan import PlannedRun
from elue.evaluation.request import Evaluation
from elue.meter import profile
from elue.methods import registry
from elue.record import files as records
from elue.record.schema import Record
from tests import traced_toys as toys
from tests.conftest import WriteTask

Run = Callable[..., list[Record]]
WORDS = ("a", "bb", "ccc", "dddd", "eeeee", "ffffff", "ggggggg")


class Watcher:
    """Counts the samples an evaluation told of."""

    def __init__(self) -> None:
        self.samples = 0

    def run_started(self, run: PlannedRun, samples: int) -> None:
        pass

    def sample_done(self, run: PlannedRun, count: int = 1) -> None:
        self.samples += count

    def run_ended(self, run: PlannedRun, record: Record) -> None:
        pass


def texts(size: int) -> list[str]:
    """Texts of 3 to 10 words of different lengths."""
    return [" ".join(WORDS[(i * j + i) % 7] for j in range(2 + i % 8)) + f" {'x' * (i % 5 + 1)}" for i in range(size)]


@pytest.fixture
def run(tmp_path: Path, write_task: WriteTask) -> Run:
    """Evaluate a plugin file on a small task."""

    def go(plugin: Path, size: int = 24, points: Any = (), **changes: Any) -> list[Record]:
        toml = write_task(size, texts=texts(size))
        evaluation = Evaluation(
            method=registry.find(str(plugin)),
            data=tasks.load(tasks.get(str(toml)), "test", None),
            profile=profile.load("elue-1"),
            points=tuple(points),
            runs=tmp_path / "runs",
            **{"weights": None, "seed": 0, "sample_seconds": 20.0, "rerun": "all", "audit": None, **changes},
        )
        watcher = Watcher()
        found = list(evaluate.execute(evaluation, evaluate.plan(evaluation), watcher))
        assert watcher.samples == size * len(found) or any(record.status != "ok" for record in found)
        return found

    return go


def same_but_for_how(one: Record, other: Record) -> bool:
    """Whether records differ only in how compute was found, and in times."""
    fixed = {"measure": "observed", "audited": 0, "times": one.times, "traffic": None, "units": {}}
    return records.dumps(one.model_copy(update=fixed)) == records.dumps(other.model_copy(update=fixed))


def test_units_share_out_the_flops_as_their_steps_are_priced(run: Run, tmp_path: Path) -> None:
    plugin = toys.write(tmp_path, toys.LADDER, toys.EXPLAIN)
    found = run(plugin)
    for record in found:
        assert record.samples is not None
        assert record.flops is not None
        named = {unit for path in record.samples.traces for unit, _, _ in path}
        assert set(record.units) == named
        assert sum(record.units.values()) == pytest.approx(record.flops.mean, rel=1e-12)
    costs: dict[str, set[float]] = {}
    for record in found:
        for unit, flops in record.units.items():
            costs.setdefault(unit, set()).add(round(flops, 6))
    assert any(len(flops) == 1 for flops in costs.values()), "a unit that every sample runs costs the same at any point"
    assert all(not record.units for record in run(plugin, measure="observed"))


def test_traced_and_observed_give_the_same_record(run: Run, tmp_path: Path) -> None:
    plugin = toys.write(tmp_path, toys.LADDER, toys.EXPLAIN)
    traced = run(plugin, explain=5)
    observed = run(plugin, measure="observed", explain=5)
    assert [record.point for record in traced] == [{"depth": depth} for depth in range(4)]
    for one, other in zip(traced, observed, strict=True):
        assert (one.status, one.reason, one.flags) == ("ok", "", ())
        assert (one.measure, one.audited, other.measure, other.audited) == ("traced", 24, "observed", 24)
        assert same_but_for_how(one, other)
        assert one.controls is not None
        assert len(one.explained) == 5
        depths = [int(one.point["depth"]) or 1 + len(text.split()) % 3 for text in texts(24)]
        assert one.claimed == 1000 * sum(depths) / 24


def test_flops_and_parameters_are_the_sums_and_unions_of_steps(run: Run, tmp_path: Path) -> None:
    record = run(toys.write(tmp_path), points=[{"depth": 2}])[0]
    assert record.samples is not None
    for text, flops, matmul, touched, path in zip(
        texts(24),
        record.samples.flops,
        record.samples.matmul_flops,
        record.samples.params_touched,
        record.samples.trace_of,
        strict=True,
    ):
        n, distinct = len(text.split()), len({len(word) for word in text.split()})
        relu, mean, softmax = 4 * n, 4 * n, 5 * 2
        assert matmul == 2 * (2 * n * 4 * 4 + 2 * 4 * 2)
        assert flops == matmul + 2 * (relu + mean + softmax)
        assert touched == distinct * 4 + 2 * (4 * 4 + 4) + 2 * (4 * 2 + 2)
        steps = record.samples.traces[path]
        assert steps[0] == ("embed", (n, distinct), 1)
        assert [step[0] for step in steps[1:]] == ["layer.1", "exit.1", "layer.2", "exit.2"]
    assert len(set(record.samples.traces)) == len(record.samples.traces)


def test_one_pass_answers_all_points(run: Run, tmp_path: Path) -> None:
    single = run(toys.write(tmp_path))
    plugin = toys.write(tmp_path, toys.SWEEP)
    swept = run(plugin)
    assert all(record.status == "ok" and record.audited == 24 for record in swept)
    for one, other in zip(single, swept, strict=True):
        key = {"key": one.key, "method": one.method}
        assert same_but_for_how(one, other.model_copy(update=key))
    log = (tmp_path / "runs" / "logs" / "mine-traced-toy.log").read_text()
    assert [line for line in log.splitlines() if line.startswith("sweep")] == ["sweep 8 4", "sweep 16 4"]


LIES = {
    "drops": ("invalid", "the trace may lack a step like it"),
    "drops many": ("invalid", "in a batch and layer.2 ("),
    "shape": ("invalid", "its trace's step 2 was layer.1 ("),
    "cheap": ("invalid", "the price of layer.2 ("),
    "value": ("invalid", " in a batch and "),
    "remembers": ("invalid", " in a batch and "),
    "tied": ("invalid", "answers 24 of 24 samples otherwise alone than in a batch"),
}


@pytest.mark.parametrize("lie", LIES)
def test_lies_in_traces_are_found_out(run: Run, tmp_path: Path, lie: str) -> None:
    """Each in a run of its own: what an honest point has rehearsed is no other point's to lie about."""
    (record,) = run(toys.write(tmp_path), points=[{"depth": 3, "lie": lie}])
    status, reason = LIES[lie]
    assert (record.status, record.samples, record.audited) == (status, None, 0)
    assert reason in record.reason


def test_a_lie_about_few_samples_is_found_by_auditing_all(run: Run, tmp_path: Path) -> None:
    changed = {'if self.lie == "shape" and many:': 'if many and sample.text.startswith("a "):'}
    plugin = toys.write(tmp_path, changed=changed)
    assert {text.startswith("a ") for text in texts(24)} == {False, True}
    (record,) = run(plugin, points=[{"depth": 1}])
    assert "its trace's step 2 was layer.1" in record.reason


def test_a_pass_that_fails_does_not_wait_for_samples_that_are_being_audited(run: Run, tmp_path: Path) -> None:
    head = "    def predict(self, samples):\n"
    hanging = "        if len(samples) == 1:\n            __import__('time').sleep(300)\n"
    changed = {head: f"{head}{hanging}        raise ValueError('no batches')\n"}
    plugin = toys.write(tmp_path, changed=changed)
    start = time.monotonic()
    records = run(plugin, points=[{"depth": 1}, {"depth": 2}], sample_seconds=200.0)
    assert time.monotonic() - start < 150
    assert [record.status for record in records] == ["failed"] * 2
    assert all("no batches" in record.reason for record in records)
