"""A split that its holder keeps: measured, packed, validated and shown without a text, a label or an id of it."""

from __future__ import annotations

import csv
import json
import subprocess
from pathlib import Path

import pytest

from elue import tasks
from elue.errors import ElueError
from elue.record import files as records
from elue.tasks.generated import diagnostic
from tests.commanding import start
from tests.conftest import WritePlugin

ROWS = [(f"mine-{n}", f"My very own text {n}, kept in a drawer", n % 2) for n in range(8)]


@pytest.fixture
def drawer(tmp_path: Path) -> Path:
    folder = tmp_path / "drawer"
    (folder / "diagnostic").mkdir(parents=True)
    write(folder, ROWS)
    return folder


def write(folder: Path, rows: list[tuple[str, str, int]]) -> None:
    with (folder / "diagnostic" / "private.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("idx", "text", "label"), *rows])


def test_ids_are_opaque_and_in_no_order_of_the_file(drawer: Path) -> None:
    spec = tasks.get("diagnostic")
    data = tasks.load(spec, tasks.PRIVATE, drawer)
    assert {(sample.text, label) for sample, label in zip(data.samples, data.labels, strict=True)} == {
        (text, label) for _, text, label in ROWS
    }
    ids = [sample.id for sample in data.samples]
    assert ids == sorted(set(ids))
    assert [sample.text for sample in data.samples] != [text for _, text, _ in ROWS]
    assert data == tasks.load(spec, tasks.PRIVATE, drawer)
    write(drawer, [*ROWS[:-1], ("mine-7", ROWS[-1][1], 0)])
    other = tasks.load(spec, tasks.PRIVATE, drawer)
    assert other.revision != data.revision
    assert not {sample.id for sample in other.samples} & set(ids), "whoever lacks one label cannot make an id"


def test_there_is_none_but_in_a_folder_of_one_s_own(monkeypatch: pytest.MonkeyPatch, drawer: Path) -> None:
    monkeypatch.setenv("ELUE_DATA", str(drawer))
    with pytest.raises(ElueError, match="private"):
        tasks.load(tasks.get("diagnostic"), tasks.PRIVATE)
    assert tasks.load(tasks.get("diagnostic"), "test").samples[0].text == diagnostic.generate("test")[0].text


@pytest.mark.thorough
def test_a_private_run_is_measured_validated_and_shown_as_one(
    tmp_path: Path, drawer: Path, write_plugin: WritePlugin
) -> None:
    before = "import torch\nW = torch.nn.Parameter(torch.ones(3, 3))"
    plugin = write_plugin(before=before, predict="torch.ones(1, 3) @ W\nreturn [Prediction(1) for s in samples]")
    places = ["--runs", tmp_path / "runs", "--db", f"sqlite:///{tmp_path / 'index.sqlite'}"]
    said = run(tmp_path, "evaluate", plugin, "--private", drawer, "--latency", "0", "--json", *places)
    (told,) = json.loads(said.stdout)
    assert (told["split"], told["n"], told["score"]["value"]) == ("private", 8, 50.0)
    (file,) = records.files(tmp_path / "runs")
    text, record = file.read_text(), records.read(file)
    assert record.samples is not None
    assert "--private PRIVATE" in record.command
    assert record.explained == ()
    assert not [word for word in ("mine-", "drawer", "very own") if word in text or word in str(record.samples)]
    assert record.task.revision == tasks.load(tasks.get("diagnostic"), tasks.PRIVATE, drawer).revision
    out = tmp_path / "submissions" / "toy"
    run(tmp_path, "submit", plugin, "--runs", tmp_path / "runs", "--out", out)
    found = run(tmp_path, "validate", out, ok=None).stdout
    assert "R604" in found
    assert not [code for code in ("E20", "E3") if code in found], found
    run(tmp_path, "site", "--db", f"sqlite:///{tmp_path / 'index.sqlite'}", "--out", tmp_path / "site")
    page = (tmp_path / "site" / "tasks" / "diagnostic.html").read_text()
    assert "Private split." in page
    assert "anyone can make them again" in page


def run(folder: Path, *words: object, ok: int | None = 0) -> subprocess.CompletedProcess[str]:
    """What `elue` says; it has to end well unless `ok` is None."""
    process = start([str(word) for word in words], folder)
    out, errors = process.communicate(timeout=300)
    assert ok is None or process.returncode == ok, errors
    return subprocess.CompletedProcess([], process.returncode, out, errors)


def test_a_private_split_is_no_other_split(tmp_path: Path, drawer: Path, write_plugin: WritePlugin) -> None:
    said = run(tmp_path, "evaluate", write_plugin(), "--private", drawer, "--split", "train", ok=2)
    assert "is a split of its own" in said.stderr
