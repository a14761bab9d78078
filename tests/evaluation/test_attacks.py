"""Attacks on a whole evaluation: what the worker is told, whom it answers for, and what it remembers."""

from __future__ import annotations

import json
import math
import pickle
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from elue import tasks
from elue.errors import ElueError
from elue.evaluation import execute as evaluate
from elue.evaluation.passes import lookup, observed
from elue.evaluation.passes.context import Context, start
from elue.evaluation.recording import Measured
from elue.evaluation.request import Evaluation
from elue.meter import profile
from elue.methods import registry
from elue.record.schema import Record
from elue.worker import wire
from elue.worker.decoding import plain
from elue.worker.frames import CallFrame
from tests.conftest import WritePlugin, WriteTask
from tests.evaluation.conftest import Evaluate, Watcher

MATMUL = "import torch\nW = torch.nn.Parameter(torch.ones(3, 3))\n"
NUMBER = "def number(sample): return next(int(word) for word in sample.text.split() if word.isdigit())\n"


def codes(record: Record) -> list[str]:
    return [flag.code for flag in record.flags]


@pytest.mark.usefixtures("unread")
def test_no_frame_holds_a_label_an_id_or_a_path_of_the_task(
    write_task: WriteTask, write_plugin: WritePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All that is sent to the worker is kept, and the worker looks through all that lives in it."""
    sent: list[Any] = []
    send = wire.send
    monkeypatch.setattr(wire, "send", lambda channel, message: (sent.append(message), send(channel, message))[1])
    predict = """
        import gc, sys
        frame, seen = sys._getframe(), []
        while frame:
            seen.append(repr(frame.f_locals)); frame = frame.f_back
        seen += [repr(each) for each in gc.get_objects() if type(each) in (dict, list, tuple) and len(each) < 50]
        backwards = ("372816.0", "vst.tset", "di-ym")  # so that what is looked for is not itself found
        found = [word for word in backwards for each in seen if word[::-1] in each]
        assert len(seen) > 1000 and not found, found
        return [Prediction(0.5)]
        """
    toml = write_task(3, labels=[0.618273, 0.182736, 0.273618])
    table = toml.parent / "test.tsv"
    lines = table.read_text().splitlines()
    table.write_text("\n".join(["id\t" + lines[0], *(f"my-id-{n}\t{line}" for n, line in enumerate(lines[1:]))]))
    old = 'kind = "classification"\nlabels = ["negative", "positive"]\nmetric = "accuracy"'
    new = 'kind = "regression"\nlow = 0.0\nhigh = 1.0\nmetric = "pearson_spearman"'
    toml.write_text(toml.read_text().replace(old, new).replace("[columns]", '[columns]\nid = "id"'))
    evaluation = Evaluation(
        method=registry.find(str(write_plugin(predict=predict))),
        data=tasks.load(tasks.get(str(toml)), "test", None),
        profile=profile.load("elue-1"),
        weights=None,
        points=({},),
        seed=0,
        runs=tmp_path / "runs",
    )
    assert [sample.id for sample in evaluation.data.samples] == ["my-id-0", "my-id-1", "my-id-2"]
    (record,) = evaluate.execute(evaluation, evaluate.plan(evaluation), Watcher())
    assert record.status == "ok", record.reason
    frames = json.dumps(sent, default=plain)
    assert sum(isinstance(message, CallFrame) and message.call == "predict" for message in sent) >= 3
    assert not [needle for needle in ("0.618273", "test.tsv", "my-id") if needle in frames]


@pytest.mark.parametrize("does", ["list(place.iterdir())", "open(place / 'test.tsv')", "open(place / 'train.tsv')"])
def test_the_folder_that_data_come_from_is_out_of_reach(
    write_task: WriteTask, write_plugin: WritePlugin, tmp_path: Path, does: str
) -> None:
    """As `--data DIR` or ELUE_DATA name it, which the task's own description does not."""
    toml = write_task(3)
    toml.write_text(toml.read_text().partition("[files]")[0])
    folder = tmp_path / "data" / "mine"
    (tmp_path / "data").mkdir()
    folder.mkdir()
    for file in toml.parent.glob("*.tsv"):
        file.rename(folder / file.name)
    predict = f"""
        from pathlib import Path
        place = Path({str(folder)!r})
        try: {does}
        except OSError: pass
        else: raise AssertionError("the labels are there")
        return [Prediction(0)]
        """
    evaluation = Evaluation(
        method=registry.find(str(write_plugin(predict=predict))),
        data=tasks.load(tasks.get(str(toml)), "test", tmp_path / "data"),
        profile=profile.load("elue-1"),
        weights=None,
        points=({},),
        seed=0,
        runs=tmp_path / "runs",
    )
    (record,) = evaluate.execute(evaluation, evaluate.plan(evaluation), Watcher())
    assert (record.status, record.samples) == ("forbidden", None)
    assert "tried to read" in record.reason


def test_answering_twice_is_invalid(run: Evaluate, write_plugin: WritePlugin) -> None:
    """The second answer waits for the next sample, and would be taken for that one's."""
    predict = """
        import os, stat, struct, threading, time
        there = [fd for fd in range(3, 99) if os.path.exists(f"/proc/self/fd/{fd}")]
        handle = next(fd for fd in there if stat.S_ISSOCK(os.fstat(fd).st_mode))
        body = b'{"answer": {}}'
        def later():
            time.sleep(0.2)
            os.write(handle, struct.pack(">I", len(body)) + body)
        if not hasattr(self, "sent"):
            self.sent = threading.Thread(target=later)
            self.sent.start()
        else:
            time.sleep(0.5)
        return [Prediction(0)]
        """
    (record,) = run(write_plugin(predict=predict), [{}], 16)
    assert (record.status, record.samples) == ("invalid", None)
    assert "sent no answer to 'predict'" in record.reason or "answered twice" in record.reason


def test_an_answer_for_another_sample_is_invalid(run: Evaluate, write_plugin: WritePlugin) -> None:
    predict = """
        import json, os, stat, struct
        if not hasattr(self, "first"):
            self.first = samples[0].id
            return [Prediction(0)]
        answers = {"values": [1], "traces": [0], "claimed": [None], "ties": []}
        took = dict.fromkeys(("flops", "matmul_flops", "params_touched", "bytes_read", "bytes_written"), 1)
        took |= {"unknown": {}, "registered": {}}
        answer = {"ids": [self.first], "answers": answers, "took": took, "calls": 1}
        answer["kinds"] = {"full": 1, "small": 0, "free": 0}
        body = json.dumps({"answer": answer | {"news": {"steps": [], "traces": [[]]}}}).encode()
        there = [fd for fd in range(3, 99) if os.path.exists(f"/proc/self/fd/{fd}")]
        handle = next(fd for fd in there if stat.S_ISSOCK(os.fstat(fd).st_mode))
        os.write(handle, struct.pack(">I", len(body)) + body)
        os._exit(0)
        """
    (record,) = run(write_plugin(predict=predict), [{}], 16)
    assert (record.status, record.samples) == ("invalid", None)
    assert "unknown ids" in record.reason


def test_what_is_remembered_from_point_to_point_is_flagged(run: Evaluate, write_plugin: WritePlugin) -> None:
    """Computes at the first point and recalls at the cheaper ones."""
    plugin = write_plugin(
        before=MATMUL + NUMBER + "SEEN = {}\n",
        predict="""
            out = []
            for s in samples:
                if s.text not in SEEN:
                    torch.ones(9, 3) @ W
                    SEEN[s.text] = number(s) % 2
                torch.ones(1, 3) @ W
                out.append(Prediction(SEEN[s.text]))
            return out
            """,
    )
    first, last = run(plugin, [{"k": 0}, {"k": 1}], 16, repeat=8)
    assert first.flops is not None
    assert last.flops is not None
    assert last.flops.mean < first.flops.mean
    assert "order_differs" in codes(last)


@pytest.fixture
def suspected(tmp_path: Path, write_task: WriteTask) -> Callable[[Path], list[str]]:
    """The codes of the flags that the look-up audit puts on a plugin."""

    def go(plugin: Path) -> list[str]:
        evaluation = Evaluation(
            method=registry.find(str(plugin)),
            data=tasks.load(tasks.get(str(write_task(16))), "test", None),
            profile=profile.load("elue-1"),
            weights=None,
            points=({},),
            seed=0,
            runs=tmp_path / "runs",
        )
        (planned,) = evaluate.plan(evaluation)
        started = start(evaluation)
        try:
            context = Context(evaluation, started, Watcher(), threading.Event())
            measured = Measured(*observed.measure(context, planned)[:2], 0.0, None)
            return [flag.code for flag in lookup.measure(context, planned, measured).flags]
        finally:
            started.worker.close()

    return go


def test_a_stored_table_is_flagged(suspected: Callable[[Path], list[str]], write_plugin: WritePlugin) -> None:
    table = {f"text number {i} {'word ' * i}".strip(): i % 2 for i in range(16)}
    plugin = write_plugin(
        before=MATMUL + f"TABLE = {table!r}\n",
        predict="torch.ones(1, 3) @ W\nreturn [Prediction(TABLE.get(s.text.removesuffix(' '), 0)) for s in samples]",
    )
    assert suspected(plugin) == ["looks_up"]


@pytest.mark.parametrize(
    "spelled",
    [
        "''.join(text.split()).casefold()",
        "re.sub(r'[^a-z0-9]', '', text.lower())",
        "hash(' '.join(sorted(text.lower().split())))",
    ],
)
def test_a_stored_table_is_flagged_however_its_keys_are_spelled(
    suspected: Callable[[Path], list[str]], write_plugin: WritePlugin, spelled: str
) -> None:
    texts = [f"text number {i} {'word ' * i}".strip() for i in range(16)]
    plugin = write_plugin(
        before=f"import re\n{MATMUL}def spell(text): return {spelled}\n"
        f"TABLE = {{spell(text): i % 2 for i, text in enumerate({texts!r})}}\n",
        predict="torch.ones(1, 3) @ W\nreturn [Prediction(TABLE.get(spell(s.text), 0)) for s in samples]",
    )
    assert suspected(plugin) == ["looks_up"]


@pytest.mark.parametrize(("worse", "better", "flagged"), [(7, 0, True), (6, 0, False), (12, 2, True), (9, 4, False)])
def test_answers_that_only_change_are_no_sign_of_a_table(worse: int, better: int, flagged: bool) -> None:
    chance = sum(math.comb(worse + better, many) for many in range(worse, worse + better + 1)) / 2 ** (worse + better)
    assert (worse - better > 6 and chance < 0.01) == flagged
    assert lookup.is_table(24, worse, better) == flagged


def test_answers_without_any_computing_are_flagged(
    suspected: Callable[[Path], list[str]], write_plugin: WritePlugin
) -> None:
    rule = "return [Prediction(number(s) % 2) for s in samples]"
    assert suspected(write_plugin(predict=rule, before=NUMBER)) == ["no_compute"]


def test_one_who_computes_is_not_flagged(suspected: Callable[[Path], list[str]], write_plugin: WritePlugin) -> None:
    rule = "torch.ones(1, 3) @ W\nreturn [Prediction(number(s) % 2) for s in samples]"
    assert suspected(write_plugin(predict=rule, before=MATMUL + NUMBER)) == []


class Evil:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[Any, ...]:
        return open, (str(self.marker), "w")


@pytest.mark.parametrize(
    ("reads", "status", "reason"),
    [
        ("import pickle\npickle.load(open(weights / 'model.bin', 'rb'))", "forbidden", "unpickle"),
        ("import torch\ntorch.load(weights / 'model.bin', weights_only=False)", "failed", "UnpicklingError"),
        (
            "import os, torch\nos.environ.clear()\ntorch.load(weights / 'model.bin', weights_only=False)",
            "forbidden",
            "unpickle",
        ),
        ("from safetensors.torch import load_file\nload_file(weights / 'model.safetensors')", "failed", "Safetensor"),
    ],
)
def test_a_pickle_dressed_as_weights_does_nothing(
    run: Evaluate, write_plugin: WritePlugin, tmp_path: Path, reads: str, status: str, reason: str
) -> None:
    weights, marker = tmp_path / "weights", tmp_path / "ran"
    weights.mkdir()
    for name in ("model.bin", "model.safetensors"):
        (weights / name).write_bytes(pickle.dumps(Evil(marker)))
    (record,) = run(write_plugin(load=f"{reads}\nreturn Model()"), [{}], 16, weights=weights)
    assert (record.status, record.samples) == (status, None)
    assert reason in record.reason
    assert not marker.exists()


@pytest.mark.parametrize("name", ["<script>alert(1)</script>", "../../runs", "a b", "x\ny", '"onload="', ".hidden"])
def test_a_script_or_a_path_is_no_method_s_name(write_plugin: WritePlugin, name: str, tmp_path: Path) -> None:
    file = tmp_path / "named.py"
    write_plugin(name="named")
    file.write_text((tmp_path / "named_plugin.py").read_text().replace("'named'", repr(name)))
    with pytest.raises(ElueError, match="broken") as caught:
        registry.find(str(file))
    assert caught.value.code == "broken_method"
