"""Points that are timed side by side: what they share, what not, and what becomes of those that fail."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from elue.evaluation.passes import latency
from elue.evaluation.passes.clock import BESIDE, SPARE, WARM_UP, Stopwatch, Turns
from elue.worker import frames
from elue.worker.session import Worker
from tests.conftest import WritePlugin, WriteTask
from tests.running import evaluate_plugin, evaluation

pytestmark = pytest.mark.usefixtures("unread")
TEXTS = [f"{'word ' * (number % 5)}number {number}" for number in range(40)]
POINTS = [{"k": k} for k in range(4)]
PREDICT = """
    metered = torch._C._dispatch_tls_is_dispatch_key_included(torch._C._dispatch_key_parse("DeferredInit"))
    if self.point["k"] == 1 and not metered and samples[0].text.count("number") == 1: raise OSError("enough")
    return [Prediction(0) for s in samples]
    """


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Worker, Any]]:
    """Who was called for what while points were timed, from the first sample of a task on."""
    told: list[tuple[Worker, Any]] = []
    call = Turns.call

    def heard(turns: Turns, worker: Worker, asked: Any, seconds: float) -> Any:
        told.append((worker, asked))
        return call(turns, worker, asked, seconds)

    monkeypatch.setattr(Turns, "call", heard)
    return told


def test_a_sample_of_each_point_lies_between_two_runs_of_the_reference(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask, told: list[tuple[Worker, Any]]
) -> None:
    task = write_task(len(TEXTS), texts=TEXTS)
    records = evaluate_plugin(tmp_path, write_plugin(), task, points=POINTS, latency=10)
    assert [record.latency.samples for record in records if record.latency] == [10] * 4
    texts = [(worker, asked.samples[0].text) for worker, asked in told if isinstance(asked, frames.AnswerBare)]
    read = [(worker, text) for worker, text in texts if text in TEXTS]
    assert sorted(text for _, text in read) == sorted(TEXTS)
    assert sorted(Counter(worker for worker, _ in read).values()) == [10] * 4
    begin = next(at for at, (_, asked) in enumerate(told) if isinstance(asked, frames.AnswerBare))
    tokens, between, runs = 0, list[Worker](), 0
    by_length: dict[int, Counter[Worker]] = {}
    reference = evaluation(tmp_path, write_plugin(), task).profile.reference
    for worker, asked in told[begin + 4 * WARM_UP :]:
        if isinstance(asked, frames.RunReference):
            assert asked.tokens == tokens or not between
            tokens, between, runs = asked.tokens, [], runs + 1
        else:
            assert tokens == reference.tokens(asked.samples[0].text, None)
            assert worker not in between, "its next sample would find a warm processor"
            between.append(worker)
            by_length.setdefault(tokens, Counter())[worker] += 1
    assert not between
    assert runs == sum(1 + max(read.values()) for read in by_length.values())
    assert len(by_length) == 5


def test_one_that_fails_while_it_is_timed_ends_only_its_own_timing(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    plugin = write_plugin(before="import torch", predict=PREDICT)
    records = evaluate_plugin(tmp_path, plugin, write_task(len(TEXTS), texts=TEXTS), points=POINTS, latency=10)
    assert {record.point["k"]: record.latency is not None for record in records} == {
        0: True,
        1: False,
        2: True,
        3: True,
    }
    flags = {record.point["k"]: [flag.code for flag in record.flags] for record in records}
    assert flags[0] == flags[2] == flags[3] == []
    assert "latency" in flags[1]
    assert all(record.status == "ok" for record in records)


def test_what_takes_long_is_timed_one_after_the_other(
    tmp_path: Path,
    write_plugin: WritePlugin,
    write_task: WriteTask,
    told: list[tuple[Worker, Any]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Records wait for those that are timed beside them."""
    monkeypatch.setattr(latency, "LASTS", 0.0)
    task = write_task(len(TEXTS), texts=TEXTS)
    records = evaluate_plugin(tmp_path, write_plugin(), task, points=POINTS[:2], latency=10)
    assert all(record.latency for record in records)
    alone = [(worker, asked.samples[0].text) for worker, asked in told if isinstance(asked, frames.AnswerBare)]
    order = [worker for worker, text in alone if text in TEXTS]
    assert order == sorted(order, key=order.index)


def test_as_many_as_texts_and_memory_bear(tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask) -> None:
    watch = Stopwatch(evaluation(tmp_path, write_plugin(), write_task(len(TEXTS), texts=TEXTS)))
    memory = watch._evaluation.limits.memory
    assert [watch.room(most) for most in (1, 10, 13, 20, 21, 40, 100)] == [BESIDE, 4, 3, 2, 1, 1, 1]
    assert [watch.room(1, part) for part in (memory, memory // SPARE // 2, memory // SPARE // 3)] == [1, 2, 3]
