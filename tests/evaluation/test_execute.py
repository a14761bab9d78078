"""Evaluation end to end with plugins of all manners, good and bad, in real workers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from elue import tasks
from elue.errors import ElueError
from elue.evaluation import execute as evaluate
from elue.evaluation.plan import PlannedRun
from elue.evaluation.request import Evaluation
from elue.meter import profile
from elue.methods import registry
from elue.record import files as records
from elue.record.schema import Record
from tests.conftest import WritePlugin, WriteTask

MATMUL = "import torch\nW = torch.nn.Parameter(torch.ones(3, 3))\n"


class Watcher:
    """Remembers what an evaluation told."""

    def __init__(self) -> None:
        self.started: list[str] = []
        self.samples = 0
        self.ended: list[str] = []

    def run_started(self, run: PlannedRun, samples: int) -> None:
        self.started.append(run.identity.key)

    def sample_done(self, run: PlannedRun, count: int = 1) -> None:
        self.samples += count

    def run_ended(self, run: PlannedRun, record: Record) -> None:
        self.ended.append(record.status)


Evaluate = Callable[..., list[Record]]


@pytest.fixture
def run(tmp_path: Path, write_task: WriteTask) -> Evaluate:
    """Evaluate a plugin file on the small task; returns the records in the order they came."""

    def go(plugin: Path | str, points: Sequence[dict[str, Any]] = (), size: int = 6, **changes: Any) -> list[Record]:
        toml = write_task(size)
        evaluation = Evaluation(
            method=registry.find(str(plugin)),
            data=tasks.load(tasks.get(str(toml)), "test", None),
            profile=profile.load("elue-1"),
            points=tuple(points),
            runs=tmp_path / "runs",
            **{"weights": None, "seed": 0, "sample_seconds": 20.0, **changes},
        )
        return list(evaluate.execute(evaluation, evaluate.plan(evaluation), Watcher()))

    return go


def test_a_run_keeps_every_sample_in_the_task_s_order(run: Evaluate, write_plugin: WritePlugin) -> None:
    plugin = write_plugin(
        before=MATMUL,
        predict="""
            out = []
            for s in samples:
                n = len(s.text.split())
                torch.ones(n, 3) @ W
                out.append(Prediction(int(s.text.split()[2]) % 2))
            return out
            """,
    )
    (record,) = run(plugin)
    assert record.status == "ok"
    assert record.complete
    assert record.samples is not None
    assert record.samples.id == ("0", "1", "2", "3", "4", "5")
    assert record.samples.value == (0, 1, 0, 1, 0, 1)
    tokens = [3 + i for i in range(6)]
    assert record.samples.flops == tuple(2 * n * 3 * 3 for n in tokens)
    assert record.samples.matmul_flops == record.samples.flops
    assert record.samples.params_touched == (9,) * 6
    assert record.score is not None
    assert record.score.value == 100.0
    assert record.flops is not None
    assert record.flops.mean == sum(18 * n for n in tokens) / 6
    assert record.flops.max == 18 * 8


def test_one_worker_sweeps_all_points_with_one_load(run: Evaluate, write_plugin: WritePlugin) -> None:
    plugin = write_plugin(
        before="LOADS = []",
        load="LOADS.append(1)\nreturn Model()",
        points="return [{'k': 0}, {'k': 1}, {'k': 2}]",
        predict="assert len(LOADS) == 1\nreturn [Prediction(self.point['k'] % 2) for s in samples]",
    )
    result = run(plugin)
    assert [record.point for record in result] == [{"k": 0}, {"k": 1}, {"k": 2}]
    assert [record.status for record in result] == ["ok"] * 3


BAD = {
    "raises": ("raise ValueError('no luck')", "failed", "ValueError: no luck"),
    "leaves": ("import sys; sys.exit(3)", "failed", "SystemExit: 3"),
    "dies": ("import os; os._exit(7)", "crashed", "exit code 7"),
    "is killed": ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "crashed", "SIGKILL"),
    "sleeps": ("import time; time.sleep(3600)", "timeout", "within 2 s"),
    "spins": ("while True: pass", "timeout", "within 2 s"),
    "answers too few": ("return []", "invalid", "0 predictions for 1 samples"),
    "answers too many": ("return [Prediction(0)] * 2", "invalid", "2 predictions for 1 samples"),
    "answers nothing": ("return None", "invalid", "NoneType"),
    "answers no Prediction": ("return [0]", "invalid", "int where a Prediction belongs"),
    "answers NaN": ("return [Prediction(float('nan'))]", "invalid", "nan"),
    "answers text": ("return [Prediction('0')]", "invalid", "'0', not a number"),
    "answers no label": ("return [Prediction(2)]", "invalid", "not a label index in 0..1"),
    "answers half a label": ("return [Prediction(0.5)]", "invalid", "not a label index"),
    "answers NaN scores": ("return [Prediction(0, (float('nan'),))]", "invalid", "scores are not finite"),
    "asks for labels": ("return [Prediction(s.label) for s in samples]", "failed", "no attribute 'label'"),
    "forks": ("import os; os.fork(); return [Prediction(0)]", "forbidden", "start a process (os.fork)"),
    "forks and hides it": (
        "import os\ntry: os.fork()\nexcept OSError: pass\nreturn [Prediction(0)]",
        "forbidden",
        "start a process (os.fork)",
    ),
    "runs a program": ("import subprocess; subprocess.run(['true'])", "forbidden", "start a process"),
    "opens a socket": (
        "import socket; socket.create_connection(('127.0.0.1', 9), 1)",
        "forbidden",
        "look up a network name",
    ),
}


def test_bad_plugins_end_their_run_with_a_status_and_the_others_go_on(
    run: Evaluate, write_plugin: WritePlugin, subtests: pytest.Subtests
) -> None:
    branches = [
        f"if self.point['does'] == {name!r}:\n" + "\n".join("    " + line for line in body.splitlines())
        for name, (body, _, _) in BAD.items()
    ]
    plugin = write_plugin(predict="\n".join([*branches, "return [Prediction(1) for s in samples]"]))
    points = [{"does": name} for name in (*BAD, "well")]
    by_name = {record.point["does"]: record for record in run(plugin, points=points, sample_seconds=2.0, workers=2)}
    assert by_name["well"].status == "ok"
    for name, (_, status, reason) in BAD.items():
        with subtests.test(name):
            record = by_name[name]
            assert record.status == status
            assert reason in record.reason
            assert "log: logs/mine-toy.log" in record.reason
            assert (record.score, record.flops, record.samples, record.complete) == (None, None, None, False)


def test_printing_harms_nothing_and_goes_to_the_log(run: Evaluate, write_plugin: WritePlugin, tmp_path: Path) -> None:
    predict = """
        import os, sys
        print('{"predictions": []}', flush=True)
        os.write(1, b'\\x00\\x00\\x00\\x05[1,2]'); os.write(2, b'noise')
        return [Prediction(0) for s in samples]
        """
    (record,) = run(write_plugin(predict=predict))
    assert record.status == "ok"
    assert '{"predictions": []}' in (tmp_path / "runs" / "logs" / "mine-toy.log").read_text(errors="replace")


def test_an_unasked_answer_is_invalid(run: Evaluate, write_plugin: WritePlugin) -> None:
    predict = """
        import os, struct
        frame = b'{"predictions": []}'
        for fd in range(3, 64):
            try: os.write(fd, struct.pack('>I', len(frame)) + frame)
            except OSError: pass
        return [Prediction(0) for s in samples]
        """
    (record,) = run(write_plugin(predict=predict))
    assert record.status == "invalid"
    assert record.score is None


def test_a_plugin_sees_no_labels_ids_or_environment(
    run: Evaluate, write_plugin: WritePlugin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "42")
    predict = """
        import os
        s = samples[0]
        seen = {f: getattr(s, f) for f in s.__slots__}
        print(repr((seen, sorted(os.environ), os.getcwd(), os.listdir('.'), os.environ['HOME'])), flush=True)
        return [Prediction(0)]
        """
    (record,) = run(write_plugin(predict=predict))
    assert record.status == "ok"
    log = (tmp_path / "runs" / "logs" / "mine-toy.log").read_text()
    seen = [eval(line) for line in log.splitlines() if line.startswith("({'id'")]
    assert len(seen) == 6
    assert {tuple(s[0]) for s in seen} == {("id", "text", "pair")}
    assert len({s[0]["id"] for s in seen}) == 6
    assert not {s[0]["id"] for s in seen} & {str(i) for i in range(6)}
    assert [s[0]["text"].split()[2] for s in seen] != ["0", "1", "2", "3", "4", "5"]
    assert "SECRET_TOKEN" not in log
    assert all(s[3] == [] and s[2] == s[4] for s in seen)


def test_the_same_evaluation_twice_gives_the_same_record_but_for_times(
    run: Evaluate, write_plugin: WritePlugin
) -> None:
    plugin = write_plugin(before=MATMUL, predict="torch.randn(2, 3) @ W\nreturn [Prediction(int(torch.rand(1) > 0.5))]")
    (first,) = run(plugin, size=20)
    (second,) = run(plugin, size=20, rerun="all")
    assert first.times.started <= second.times.started
    assert records.dumps(first.model_copy(update={"times": second.times})) == records.dumps(second)


def test_an_operator_without_a_rule_makes_the_run_incomplete(run: Evaluate, write_plugin: WritePlugin) -> None:
    before = """
        import torch
        @torch.library.custom_op("toy::mystery", mutates_args=())
        def mystery(x: torch.Tensor) -> torch.Tensor:
            return x * 2
        """
    predict = "mystery(torch.ones(3)); return [Prediction(0) for s in samples]"
    (record,) = run(write_plugin(before=before, predict=predict))
    assert record.status == "ok"
    assert not record.complete
    assert record.unknown == {"toy.mystery.default": 6}
    assert "no rule for toy.mystery.default" in record.reason
    assert "elue.meter.register_formula(" in record.reason


def test_finished_runs_are_not_repeated(run: Evaluate, write_plugin: WritePlugin) -> None:
    plugin = write_plugin(points="return [{'k': 0}, {'k': 1}]")
    assert len(run(plugin)) == 2
    assert run(plugin) == []
    assert len(run(plugin, points=[{"k": 1}, {"k": 2}])) == 1
    assert len(run(plugin, rerun="all")) == 2


def test_points_side_by_side_give_the_same_records(run: Evaluate, write_plugin: WritePlugin) -> None:
    plugin = write_plugin(
        before=MATMUL,
        points="return [{'k': k} for k in range(4)]",
        predict=("for _ in range(self.point['k']): torch.ones(1, 3) @ W\nreturn [Prediction(0)]"),
    )
    alone = {r.key: r.samples for r in run(plugin)}
    together = {r.key: r.samples for r in run(plugin, rerun="all", workers=2)}
    assert alone == together


def test_a_process_left_running_by_the_import_is_forbidden(run: Evaluate, write_plugin: WritePlugin) -> None:
    passing = write_plugin(before="import subprocess; subprocess.run(['true'])", name="passing")
    (record,) = run(passing)
    assert record.status == "ok"
    staying = write_plugin(before="import subprocess; STAYS = subprocess.Popen(['sleep', '600'])", name="staying")
    (record,) = run(staying, points=[{}])
    assert (record.status, record.score) == ("forbidden", None)
    assert "keep a process running" in record.reason


def test_a_plugin_that_cannot_be_imported(run: Evaluate, write_plugin: WritePlugin) -> None:
    with pytest.raises(ElueError, match="failed before its first run: RuntimeError: not today"):
        run(write_plugin(before="raise RuntimeError('not today')"))
    (record,) = run(write_plugin(before="raise RuntimeError('not today')"), points=[{}])
    assert (record.status, record.score) == ("failed", None)


def test_a_task_the_method_does_not_serve(run: Evaluate, write_plugin: WritePlugin) -> None:
    file = write_plugin()
    file.write_text(file.read_text() + "\n    def supports(self, task):\n        return 'only regression'\n")
    with pytest.raises(ElueError, match="does not serve 'mine': only regression"):
        run(file)


def test_a_user_s_mistake_in_a_point_is_the_user_s_to_mend(run: Evaluate, write_plugin: WritePlugin) -> None:
    configure = """
        from elue.errors import unknown
        raise unknown('knob', 'treshold', ['threshold'])
        """
    with pytest.raises(ElueError, match="Did you mean 'threshold'"):
        run(write_plugin(configure=configure), points=[{"treshold": 1}])


def test_kill_9_loses_no_finished_run_and_repeats_none(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    plugin = write_plugin(
        points="return [{'k': k} for k in range(8)]", predict="import time; time.sleep(0.05); return [Prediction(0)]"
    )
    runs, database = tmp_path / "runs", tmp_path / "index.sqlite"
    command = [sys.executable, "-m", "elue", "evaluate", str(plugin), "--task", str(write_task(10)), "--json"]
    command += ["--runs", str(runs), "--db", f"sqlite:///{database}"]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 120
    while len(list(records.files(runs))) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    workers = subprocess.run(
        ["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True
    ).stdout.split()
    process.send_signal(signal.SIGKILL)
    process.wait()
    finished = {path: path.read_bytes() for path in records.files(runs)}
    assert 2 <= len(finished) < 8
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"{len(finished)} of 8 runs are done already" in done.stderr
    assert [run["point"]["k"] for run in json.loads(done.stdout)] == list(range(8))
    assert all(path.read_bytes() == content for path, content in finished.items())
    assert len(list(records.files(runs))) == 8
    assert workers
    assert not [pid for pid in workers if Path(f"/proc/{pid}/cmdline").exists()]
