"""Attacks on the clock: what a plugin does to look fast changes nothing, or is flagged."""

from __future__ import annotations

import time
from pathlib import Path
from typing import cast

import pytest

from elue.evaluation.passes.clock import Stopwatch, warm_up_samples
from elue.evaluation.passes.latency import FASTEST, too_fast
from elue.evaluation.plan import plan_runs
from elue.protocol import Sample
from elue.record.files import Identity
from elue.record.schema import Record
from elue.worker import frames
from elue.worker.session import Worker
from tests.conftest import WritePlugin, WriteTask
from tests.running import evaluate_plugin, evaluation

pytestmark = pytest.mark.usefixtures("unread")

BEFORE = """
import threading, time
import torch
from elue.worker.inside import timing

W = torch.nn.Parameter(torch.full((512, 512), 0.01))
NOW, SEEN, BUSY = [None], set(), [True]
CLOCK, LAYER = time.perf_counter, torch.nn.TransformerEncoderLayer.forward


def metered():
    return torch._C._dispatch_tls_is_dispatch_key_included(torch._C._dispatch_key_parse("DeferredInit"))


def work():
    x = torch.ones(32, 512)
    for _ in range(24): x = torch.tanh(x @ W)


def slow(self, *given, **named):
    if NOW[0] == "slows the reference": time.sleep(0.05)
    return LAYER(self, *given, **named)


def burn():
    while True:
        if NOW[0] == "burns while it is not its turn" and not BUSY[0]: sum(range(10_000))
        else: time.sleep(0.001)


torch.nn.TransformerEncoderLayer.forward = slow
time.perf_counter = lambda: 0.0 if NOW[0] == "stops the clock" else CLOCK()
"""

PREDICT = """
    does, BUSY[0] = self.point["does"], True
    if does == "burns while it is not its turn" and threading.active_count() == 1:
        for _ in range(3): threading.Thread(target=burn, daemon=True).start()
    for s in samples:
        key = {
            "knows texts": s.text,
            "knows texts by their letters": "".join(sorted(s.text.lower().split())),
            "knows words": tuple(sorted(set(s.text.split()))),
            "knows ids": s.id,
        }.get(does)
        if key is None or key not in SEEN: work()
        if key is not None: SEEN.add(key)
    if does == "burns while it is not its turn": BUSY[0] = False
    return [Prediction(0) for s in samples]
    """
CONFIGURE = "self.point = dict(point); NOW[0] = point['does']"
DOES = (
    "honest",
    "knows texts",
    "knows texts by their letters",
    "knows words",
    "knows ids",
    "slows the reference",
    "stops the clock",
    "burns while it is not its turn",
)


@pytest.fixture(scope="module")
def texts() -> list[str]:
    names = ("amber", "birch", "cedar", "drift", "ember", "flint", "grove", "heath")
    return [f"{first} {second} number {i}" for i, first in enumerate(names) for second in names[:5]]


def test_no_way_to_look_fast_pays(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask, texts: list[str]
) -> None:
    """Each point's samples are read by the main worker before they are timed."""
    plugin = write_plugin(before=BEFORE, predict=PREDICT, configure=CONFIGURE, knobs="{'does': {'type': 'str'}}")
    task, points = write_task(len(texts), texts=texts), [{"does": does} for does in DOES]
    records = evaluate_plugin(tmp_path, plugin, task, points=points, latency=8)
    medians = {record.point["does"]: _median(record) for record in records}
    honest = medians.pop("honest")
    assert {does: ratio / honest for does, ratio in medians.items() if ratio < 0.6 * honest} == {}
    assert not [flag for record in records for flag in record.flags if flag.code.startswith("latency")]


def _median(record: Record) -> float:
    assert record.latency is not None, (record.reason, record.flags)
    return record.latency.median


def test_answers_that_are_there_beforehand_are_flagged_by_the_rate_of_their_flops(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    """A public split can be known by heart, whoever asks."""
    plugin = write_plugin(before=BEFORE, predict="if metered(): work()\nreturn [Prediction(0) for s in samples]")
    (record,) = evaluate_plugin(tmp_path, plugin, write_task(12), points=[{}], latency=12)
    (flag,) = record.flags
    assert flag.code == "latency_unexplained"
    assert "times as fast as encoder-6x384" in flag.detail


def test_rates_far_above_the_reference_s_are_flagged() -> None:
    assert too_fast([0.01, FASTEST, 99.0], "encoder") == ()
    (flag,) = too_fast([42_072.0] * 3, "encoder")
    assert "42,072.0 times as fast as encoder" in flag.detail


class Disturbed:
    """A worker on a machine where others are at work: most of its calls wait for them."""

    def __init__(self) -> None:
        self.empty = [0.05, 0.04, 0.0002, 0.03, 0.05, 0.04, 0.03, 0.05, 0.04]
        self.long = [0.9, 0.1, 0.8]

    def resume(self) -> None: ...

    def pause(self) -> None: ...

    def timed(self, asked: frames.RunReference, seconds: float) -> tuple[frames.Ran, float]:
        if asked.counted:
            return frames.Ran(10**9), 2.0
        return frames.Ran(0), (self.long if asked.tokens else self.empty).pop(0)


def test_a_busy_machine_makes_no_model_faster_than_it_is(tmp_path: Path, write_plugin: WritePlugin) -> None:
    """Nor the reference slower: a model that answers in a quiet moment would be said to have computed nothing."""
    watch = Stopwatch(evaluation(tmp_path, write_plugin(), "diagnostic", limit=2))
    watch.reference = lambda: cast(Worker, disturbed)  # type: ignore[method-assign]
    disturbed = Disturbed()
    with watch.turns() as turns:
        assert turns.overhead == 0.0002
        assert watch.rate(turns) == pytest.approx(10**9 / 0.0998)


def test_only_whose_turn_it_is_runs_and_no_text_is_read_twice(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask, texts: list[str]
) -> None:
    asked = evaluation(tmp_path, write_plugin(), write_task(len(texts), texts=texts), points=({},), repeat=1)
    identity = Identity("toy", "", None, "mine", "", "test", None, {}, asked.profile.digest, 0)
    (run,) = plan_runs(identity, [{}], tmp_path / "none", "all")
    watch = Stopwatch(asked)
    try:
        worker, first = watch.model(run, 15)
        again, second = watch.model(run, 15)
        assert worker is again
        assert not set(first) & set(second)
        worker, third = watch.model(run, 15)
        assert worker is not again
        assert len(set(third)) == 15
        everyone = (worker, watch.reference())
        with watch.turns() as turns:
            answered, seconds = turns.call(worker, frames.AnswerBare((Sample("a", texts[0]),)), 20.0)
            assert (answered.values, seconds > 0) == ((0.0,), True)
            assert turns.call(watch.reference(), frames.RunReference(asked.profile, 8), 20.0)[1] > 1e-4
            assert _settled(everyone, "T")
        assert _settled(everyone, "SRD")
    finally:
        watch.close()


def _settled(workers: tuple[Worker, ...], states: str) -> bool:
    """Whether the system says within a second that all the processes are in one of these states; T is stopped."""
    for _ in range(100):
        stats = [Path(f"/proc/{worker._process.pid}/stat").read_text() for worker in workers]
        if all(stat.rpartition(")")[2].split()[0] in states for stat in stats):
            return True
        time.sleep(0.01)
    return False


def test_a_model_warms_up_on_none_of_the_task_s_texts(texts: list[str]) -> None:
    samples = [Sample(str(i), text, None if i % 2 else "pair of it") for i, text in enumerate(texts)]
    made = warm_up_samples(samples, 50)
    assert len(made) == 50
    assert not {sample.text.casefold() for sample in made} & {text.casefold() for text in texts}
    assert {sample.pair is None for sample in made} == {True, False}
    words = {word for text in (*texts, "pair of it") for word in text.split()}
    assert {word for sample in made for word in sample.text.split()} <= words
    alone = warm_up_samples([Sample("a", "word")], 3)
    assert all(set(sample.text.split()) == {"word"} and sample.text != "word" for sample in alone)
