"""A share is plain data in and out, so that any executor makes the same records."""

from __future__ import annotations

import multiprocessing
import pickle
import time
from collections.abc import Sequence
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from elue import tasks
from elue.errors import ElueError
from elue.evaluation.events import RunEnded, RunStarted, SamplesAnswered, ShareFailed
from elue.evaluation.execute import execute, plan
from elue.evaluation.executor import perform
from elue.evaluation.request import Evaluation
from elue.evaluation.share import share
from elue.meter import profile
from elue.methods import registry
from elue.record import files as records
from elue.record.schema import Record, Times
from elue.worker.confinement import machine
from elue.worker.confinement.sandbox import Limits
from elue.worker.failure import WorkerFailure
from tests import traced_toys as toys
from tests.conftest import WritePlugin, WriteTask
from tests.evaluation.conftest import Watcher

POINTS = ({"depth": 1}, {"depth": 2}, {"depth": 3})


def evaluation(folder: Path, plugin: Path, task: Path, points: Sequence[dict[str, Any]], **changes: Any) -> Evaluation:
    return Evaluation(
        method=registry.find(str(plugin)),
        data=tasks.load(tasks.get(str(task)), "test", None),
        profile=profile.load("elue-1"),
        weights=None,
        points=tuple(points),
        seed=0,
        runs=folder / "runs",
        **{"sample_seconds": 20.0, "rerun": "all", **changes},
    )


def memory_of(record: Record) -> int:
    """Bytes that the worker of a run could have."""
    return int(record.environment["sandbox"]["limits"]["RLIMIT_DATA"])


def timeless(record: Record) -> Record:
    nothing = Times(started="", wall_seconds=0, cpu_seconds=None, peak_memory_bytes=None)
    return record.model_copy(update={"times": nothing})


class Here(Executor):
    """Runs what it is given at once, all of it crossing as bytes."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        sent = pickle.loads(pickle.dumps((fn, args, kwargs)))
        future.set_result(pickle.loads(pickle.dumps(sent[0](*sent[1], **sent[2]))))
        return future


@pytest.mark.thorough
def test_processes_that_share_nothing_make_the_records_that_threads_make(tmp_path: Path, write_task: WriteTask) -> None:
    plugin, task = toys.write(tmp_path, toys.SWEEP, toys.LADDER), write_task(12)
    request = evaluation(tmp_path, plugin, task, POINTS, workers=2, audit=4)
    planned = plan(request)
    here = {record.key: timeless(record) for record in execute(request, planned, Watcher())}
    watcher = Watcher()
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        there = list(execute(request, planned, watcher, pool))
    assert {memory_of(record) for record in there} == {request.limits.memory // 2}
    assert {record.key: timeless(record) for record in there} == here
    assert sorted(watcher.started) == sorted(here)
    assert (watcher.samples, watcher.ended) == (3 * 12, ["ok"] * 3)
    assert {path.stem for path in records.files(request.runs)} == here.keys()
    assert all(records.read(path) in there for path in records.files(request.runs))


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, None])
def test_shares_on_this_machine_have_its_memory_together_and_are_no_more_than_it_bears(
    pool: type[Executor] | None, tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    limits = Limits(memory=int(1.5 * machine.LEAST))
    asked = evaluation(tmp_path, write_plugin(), write_task(2), [{"k": 0}, {"k": 1}], workers=2, limits=limits)
    many = replace(asked, limits=Limits(memory=4 * machine.LEAST))
    assert (limits.fitting, many.limits.fitting, Limits(memory=1).fitting) == (1, 4, 1)
    with pool(2) if pool else nullcontext() as executor:  # type: ignore[call-arg]
        few = [memory_of(record) for record in execute(asked, plan(asked), Watcher(), executor)]
        halves = [memory_of(record) for record in execute(many, plan(many), Watcher(), executor)]
        there = list(execute(many, plan(many), Watcher(), Here()))
    assert few == [limits.memory] * 2, "one share, after the other"
    assert halves == [2 * machine.LEAST] * 2
    assert [memory_of(record) for record in there] == [4 * machine.LEAST] * 2, "it may be anywhere"


def test_what_goes_in_and_comes_out_crosses_as_bytes(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    request = evaluation(tmp_path, write_plugin(), write_task(4), [{"k": 0}, {"k": 1}])
    planned = plan(request)
    assert pickle.loads(pickle.dumps((request, planned))) == (request, planned)
    events = share(request, planned)
    assert pickle.loads(pickle.dumps(events)) == events
    assert [type(event) for event in events] == [RunStarted, *[SamplesAnswered] * 4, RunEnded] * 2
    assert not list(records.files(request.runs))


def test_errors_cross_as_bytes() -> None:
    mistake = pickle.loads(pickle.dumps(ElueError("bad", "It is wrong.", "Mend it.")))
    assert (mistake.code, mistake.message, mistake.hint, str(mistake)) == (
        "bad",
        "It is wrong.",
        "Mend it.",
        "It is wrong. Mend it.",
    )
    failure = pickle.loads(pickle.dumps(WorkerFailure("timeout", "took too long")))
    assert (failure.status, failure.reason) == ("timeout", "took too long")


def test_a_mistake_on_an_executor_is_raised_here_after_the_records_before_it(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    configure = """
    if "treshold" in point:
        from elue.errors import unknown
        raise unknown("knob", "treshold", ["threshold"])
    """
    points = [{"threshold": 1}, {"treshold": 1}, {"threshold": 2}]
    plugin = write_plugin(configure=configure, knobs="{'threshold': {'type': 'int'}, 'treshold': {'type': 'int'}}")
    request = evaluation(tmp_path, plugin, write_task(4), points)
    made = execute(request, plan(request), Watcher(), Here())
    assert next(made).point == {"threshold": 1}
    with pytest.raises(ElueError, match="Did you mean 'threshold'"):
        next(made)
    assert len(list(records.files(request.runs))) == 1
    events = share(request, plan(request))
    assert isinstance(events[-1], ShareFailed)


def test_nothing_due_starts_nothing(tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask) -> None:
    request = evaluation(tmp_path, write_plugin(knobs="{'depth': {'type': 'int'}}"), write_task(4), POINTS)
    assert list(perform(request, [])) == list(perform(request, [], Here())) == []


def test_who_stops_listening_ends_the_shares(tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask) -> None:
    plugin = write_plugin(predict="import time; time.sleep(0.2); return [Prediction(0)]")
    request = evaluation(tmp_path, plugin, write_task(100), [{"k": k} for k in range(4)], workers=2)
    events = perform(request, plan(request))
    assert isinstance(next(events), RunStarted)
    begin = time.monotonic()
    events.close()
    assert time.monotonic() - begin < 15
