"""Plugins that fail, in every way: a status on the run, or a user's mistake in one line."""

from __future__ import annotations

import pytest

from elue.errors import ElueError
from tests.conftest import WritePlugin
from tests.evaluation.conftest import Evaluate

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
    body = "\n".join([*branches, "return [Prediction(1) for s in samples]"])
    plugin = write_plugin(predict=body, knobs="{'does': {'type': 'str'}}")
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
        run(write_plugin(configure=configure, knobs="{'treshold': {'type': 'int'}}"), points=[{"treshold": 1}])


@pytest.mark.parametrize(("knobs", "hint"), [("{'k': {'type': 'int'}}", "--point"), ("{}", "[{}]")])
def test_without_points_it_is_said_where_they_can_come_from(
    knobs: str, hint: str, run: Evaluate, write_plugin: WritePlugin
) -> None:
    with pytest.raises(ElueError, match="offers no operating points") as caught:
        run(write_plugin(points="return []", knobs=knobs))
    assert caught.value.code == "no_points"
    assert hint in caught.value.hint
