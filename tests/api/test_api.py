"""The public face, from a method's file to a page, as a script calls it."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import elue
from elue import api
from elue.errors import ElueError
from tests.conftest import WritePlugin, WriteTask

README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
QUICK = {"latency": 0, "repeat": 0}


@pytest.fixture
def majority(tmp_path: Path) -> Path:
    """The README's hello world."""
    path = tmp_path / "majority.py"
    path.write_text(re.findall(r"```python\n(.*?)```", README, re.DOTALL)[0])
    return path


def test_the_public_parts_are_named_and_come_when_asked_for() -> None:
    assert elue.__all__ == ["api", "conformance", "meter", "modeling", "protocol"]
    assert elue.protocol.Sample.__name__ == "Sample"
    assert all(f"`elue.{name}`" in (elue.__doc__ or "") for name in elue.__all__)
    with pytest.raises(AttributeError, match="has no attribute 'hidden'"):
        _ = elue.hidden
    code = "import sys, elue; print(*(name for name in sys.modules if name.startswith('elue.')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_everything_named_is_there_and_says_what_it_does() -> None:
    for name in api.__all__:
        assert getattr(api, name).__doc__, name


@pytest.mark.thorough
def test_from_a_file_to_a_page_without_torch_in_the_parent(tmp_path: Path, majority: Path) -> None:
    script = """
        import json, sys
        from elue import api

        task = api.load_task("diagnostic", limit=40)
        method = api.find_method("majority.py")
        new = list(api.evaluate(method, task, latency=0, repeat=4, explain=0))
        again = list(api.evaluate("majority.py", task, latency=0, repeat=4, explain=0))
        read = list(api.read_records("runs"))
        (board,) = api.score(read)
        index = api.build_site("runs", "site")
        print(json.dumps({
            "points": [record.point for record in new],
            "scores": [record.score.value for record in new],
            "labels": [sum(label == answer for label in task.labels) for answer in (0, 1)],
            "flops": [record.flops.mean for record in new],
            "same": new == again,
            "read": sorted(record.key for record in read) == sorted(record.key for record in new),
            "curves": [curve.method for curve in board.curves],
            "best": board.curves[0].best,
            "index": str(index),
            "heavy": [name for name in ("torch", "transformers") if name in sys.modules],
        }))
        """
    words = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == "", "nothing is said unless asked for"
    told = json.loads(done.stdout)
    assert told["points"] == [{"answer": 0}, {"answer": 1}]
    assert told["scores"] == [100 * count / 40 for count in told["labels"]]
    assert told["flops"] == [0, 0]
    assert told["same"]
    assert told["read"]
    assert told["curves"] == ["majority"]
    assert told["best"] == max(told["scores"])
    assert "majority" in (tmp_path / told["index"]).read_text("utf-8")
    assert told["heavy"] == []


def test_progress_is_told_of_each_run(tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask) -> None:
    said = []

    class Telling:
        def run_started(self, run: object, samples: int) -> None:
            said.append(("started", samples))

        def sample_done(self, run: object, count: int = 1) -> None:
            said.append(("done", count))

        def run_ended(self, run: object, record: api.Record) -> None:
            said.append(("ended", record.status))

    plugin, task = write_plugin(), write_task(size=4)
    (record,) = api.evaluate(plugin, task, runs=tmp_path / "runs", progress=Telling(), **QUICK)
    assert record.score
    assert record.score.value == 50
    assert said[0] == ("started", 4)
    assert said[-1] == ("ended", "ok")
    assert sum(count for what, count in said if what == "done") == 4


def test_a_failing_run_is_a_record_and_a_mistake_is_an_error(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    plugin, task = write_plugin(predict="raise ValueError('no')"), write_task(size=2)
    (record,) = api.evaluate(plugin, task, runs=tmp_path / "runs", **QUICK)
    assert record.status == "failed"
    with pytest.raises(ElueError, match="no ranked runs"):
        api.score([record])
    with pytest.raises(ElueError, match="is no folder"):
        list(api.read_records(tmp_path / "nowhere"))
    with pytest.raises(ElueError, match="is no folder"):
        api.build_site([tmp_path / "nowhere"], tmp_path / "site")
    with pytest.raises(ElueError, match="no file"):
        api.evaluate(tmp_path / "nothing.py", task)
    with pytest.raises(ElueError, match="may not be shown"):
        api.evaluate(plugin, task, explain=3)
    assert list(api.evaluate(plugin, task, runs=tmp_path / "other", rerun="none", **QUICK)) == []


def test_training_gives_the_method_its_options_and_the_folder_back(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    plugin = write_plugin(
        before="import dataclasses, json\n@dataclasses.dataclass\nclass Options:\n    answer: int = 0\n",
        load="model = Model(); model.answer = json.loads((weights / 'elue.json').read_text())['answer']; return model",
        predict="return [Prediction(self.answer) for s in samples]",
    )
    lines = [
        "    options = Options",
        "    def train(self, job):",
        "        said = {'answer': int(job.options['answer']), 'size': len(job.train)}",
        "        (job.out / 'elue.json').write_text(json.dumps(said))",
    ]
    plugin.write_text(plugin.read_text() + "\n" + "\n".join(lines) + "\n")
    task = write_task(size=4, labels=[1, 1, 1, 0])
    weights = api.train(plugin, tmp_path / "weights", task, options={"answer": 1}, max_train_samples=3)
    assert json.loads((weights / "elue.json").read_text()) == {"answer": 1, "size": 3}
    (record,) = api.evaluate(plugin, task, weights=weights, runs=tmp_path / "runs", **QUICK)
    assert record.score
    assert record.score.value == 75
    with pytest.raises(ElueError, match="already holds"):
        api.train(plugin, weights, task)


def test_a_training_that_is_refused_says_why_in_its_error(tmp_path: Path) -> None:
    """A notebook does not show what a child prints."""
    with pytest.raises(ElueError, match="Option 'epochs' can't be 'many'"):
        api.train("static", tmp_path / "weights", options={"epochs": "many"}, max_train_samples=3)


def test_trust_and_retractions_come_with_the_records_of_submissions() -> None:
    committed = Path(__file__).parents[2] / "submissions"
    found = list(api.read_records(committed / "elue-2022", samples=False))
    assert found
    assert {record.trust for record in found} == {"self_reported"}
    assert {record.key for record in found} < {r.key for r in api.read_records(committed, samples=False)}


def test_boards_are_scored_apart(tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask) -> None:
    plugin = write_plugin(points="return [{'k': 1}, {'k': 2}]", predict="return [Prediction(self.point['k'] % 2)] * 1")
    task, data = write_task(size=6), tmp_path / "runs"
    whole = list(api.evaluate(plugin, task, runs=data, **QUICK))
    part = list(api.evaluate(plugin, api.load_task(task, limit=4), runs=data, **QUICK))
    boards = api.score([*part, *whole], reference="nobody")
    assert sorted(board.samples for board in boards) == [4, 6]
    assert all(board.curves[0].elue_1 is None for board in boards), "no reference, no scores"
