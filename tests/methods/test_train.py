"""Training from the parent's side: which data a child is handed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from elue import tasks
from elue.disk import alone_in
from elue.errors import ElueError
from elue.methods import registry
from elue.methods import train as training
from elue.methods.train import TrainingRequest
from elue.tasks import TaskData


def test_the_test_split_is_never_touched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded, jobs = [], []

    def load(spec: Any, split: str, data: Path | None) -> TaskData:
        loaded.append(split)
        return tasks.load(spec, split, data)

    def run(command: list[str], request: TrainingRequest, hub: Mapping[str, str]) -> int:
        jobs.append(json.loads(Path(command[-1]).read_text()))
        return 0

    monkeypatch.setattr(training, "load", load)
    monkeypatch.setattr(training, "_run", run)
    spec, out = tasks.get("diagnostic"), tmp_path / "weights"
    training.train(TrainingRequest(registry.find("static"), spec, None, "tiny", out, 0, "cpu", {}))
    assert sorted(loaded) == ["train", "validation"]
    (job,) = jobs[0]["tasks"]
    told = {text for split in ("train", "validation") for _, text, _, _ in job[split]}
    unseen = {sample.text for sample in tasks.load(spec, "test").samples} - {
        sample.text for split in ("train", "validation") for sample in tasks.load(spec, split).samples
    }
    assert unseen
    assert not unseen & told
    assert (len(job["train"]), len(job["validation"])) == (6000, 500)


def test_an_option_that_is_none_is_refused_before_anything_is_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[object] = []
    monkeypatch.setattr(training, "load", lambda *given: begun.append(given))
    monkeypatch.setattr(training, "_run", lambda *given: begun.append(given))
    asked = TrainingRequest(
        registry.find("elasticbert"), tasks.get("diagnostic"), None, "tiny", tmp_path / "w", 0, "cpu", {"epocs": "1"}
    )
    with pytest.raises(ElueError, match="Did you mean 'epochs'"):
        training.train(asked)
    assert begun == []
    assert not (tmp_path / "w").exists()


def test_a_folder_that_a_training_writes_into_is_no_other_trainings(tmp_path: Path) -> None:
    """It is the training's until the last that holds it has ended, be it the child alone."""
    asked = TrainingRequest(registry.find("static"), tasks.get("diagnostic"), None, "tiny", tmp_path, 0, "cpu", {})
    with alone_in(tmp_path, "Another training", "--out") as held:
        child = subprocess.Popen(["sleep", "60"], pass_fds=(held,))
        with pytest.raises(ElueError, match="Another training writes into") as refused:
            training.train(asked)
    assert refused.value.code == "in_use"
    with pytest.raises(ElueError, match="Wait for it, or choose another --out"), alone_in(tmp_path, "It", "--out"):
        pass
    child.kill()
    child.wait()
    with alone_in(tmp_path, "It", "--out"):
        assert list(tmp_path.iterdir()) == []


def test_threads_wait_asleep_unless_the_user_says_how(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = TrainingRequest(
        registry.find("static"), tasks.get("diagnostic"), None, "tiny", tmp_path, 0, "cpu", {}, log=tmp_path / "log"
    )
    command = [sys.executable, "-c", "import os; print(os.environ['GOMP_SPINCOUNT'])"]
    said = []
    for value in ("", "7"):
        monkeypatch.delenv("GOMP_SPINCOUNT", raising=False)
        if value:
            monkeypatch.setenv("GOMP_SPINCOUNT", value)
        assert training._run(command, asked, {}) == 0
        said.append((tmp_path / "log").read_text().strip())
    assert said == [training.SPINS, "7"]


def several(folder: Path, monkeypatch: pytest.MonkeyPatch, *names: str, **splits: list[tuple[str, str]]) -> Any:
    """The job of a training on tasks of pairs, their splits as given: `a_train=[(text, pair), ...]`."""
    jobs = []

    def run(command: list[str], request: TrainingRequest, hub: Mapping[str, str]) -> int:
        jobs.append(json.loads(Path(command[-1]).read_text()))
        return 0

    monkeypatch.setattr(training, "_run", run)
    specs = []
    for name in names:
        (folder / name).mkdir(parents=True, exist_ok=True)
        spec = folder / f"{name}.toml"
        columns = '{ text = "text", pair = "pair" }'
        about = f'title = "{name}"\nkind = "classification"\nlabels = ["no", "yes"]\nmetric = "accuracy"\n'
        spec.write_text(f'{about}licence = "CC0"\ncitation = "none"\ncolumns = {columns}\n')
        specs.append(tasks.get(str(spec)))
        for split in ("train", "validation", "test"):
            if rows := splits.get(f"{name}_{split}"):
                lines = [json.dumps({"text": one, "pair": two, "label": 0}) for one, two in rows]
                (folder / name / f"{split}.jsonl").write_text("\n".join(lines))
    request = TrainingRequest(
        registry.find("task_moe"), specs[0], folder, "tiny", folder / "w", 0, "cpu", {}, also=tuple(specs[1:])
    )
    training.train(request)
    return jobs[0]


HERE = {
    "mrpc_train": [("one", "two"), ("Three!", "four"), ("five", "six")],
    "mrpc_validation": [("seven", "eight"), ("nine", "ten")],
    "stsb_train": [("eleven", "twelve"), ("one", "four")],
    "stsb_validation": [("thirteen", "fourteen")],
    "stsb_test": [("FOUR", "three"), ("ten", "nine."), ("five", "five")],
}


def test_texts_that_another_task_is_tested_on_are_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    job = several(tmp_path, monkeypatch, "mrpc", "stsb", **HERE, mrpc_test=[("twelve", "eleven"), ("x", "y")])
    (first, also) = job["tasks"]
    assert [row[1] for row in first["train"]] == ["one", "five"]
    assert [row[1] for row in first["validation"]] == ["seven"]
    assert [row[1] for row in also["train"]] == ["one"]
    assert (first["left_out"], also["left_out"]) == (2, 1)


def test_a_task_whose_texts_are_all_tested_on_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    everything = {**HERE, "stsb_test": HERE["mrpc_train"], "mrpc_test": [("x", "y")]}
    with pytest.raises(ElueError, match="All train rows of 'mrpc' are test rows of another task"):
        several(tmp_path, monkeypatch, "mrpc", "stsb", **everything)


def test_tasks_known_to_share_texts_need_both_test_splits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ElueError, match="Without the test split of 'mrpc' its texts can't be kept out of 'stsb'"):
        several(tmp_path, monkeypatch, "mrpc", "stsb", **HERE)


def test_other_tasks_go_without_a_test_split(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    splits = {"a_train": [("x", "y")] * 2, "a_validation": [("z", "z")], "b_train": [("u", "v")]}
    job = several(tmp_path, monkeypatch, "a", "b", **splits, b_validation=[("w", "w")])
    (first, also) = job["tasks"]
    assert (len(first["train"]), first["left_out"], also["left_out"]) == (2, 0, 0)


@pytest.mark.parametrize("seed", [2**63, -(2**63) - 1])
def test_a_seed_that_no_record_could_hold_is_refused(seed: int, tmp_path: Path) -> None:
    request = TrainingRequest(
        registry.find("static"), tasks.get("diagnostic"), None, "tiny", tmp_path / "w", seed, "cpu", {}
    )
    with pytest.raises(ElueError, match=f"--seed {seed} is a number of more than 64 bits"):
        training.train(request)
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize(
    ("left", "told"),
    [
        (b"No room.", "No room."),
        (b"\xff two\r\nlines\n", "\N{REPLACEMENT CHARACTER} two lines"),
        (b"x" * 10**6, "x" * 10_000),
    ],
)
def test_of_the_reason_that_a_training_leaves_no_more_than_a_line_is_told(
    left: bytes, told: str, tmp_path: Path
) -> None:
    (tmp_path / "reason.txt").write_bytes(left)
    assert training._reason(tmp_path / "reason.txt", tmp_path / "log") == told
    assert (tmp_path / "log").read_text("utf-8") == f"error: {told}\n"
    assert training._reason(tmp_path / "none", None) == ""
