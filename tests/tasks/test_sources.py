"""Where the files of a split may lie, and that shards are one table."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from elue import tasks
from elue.errors import ElueError
from elue.tasks import TaskSpec

SPEC = TaskSpec("rte", "RTE", "classification", "accuracy", labels=("no", "yes"))


def write(path: Path, *texts: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in ("text,label", *(f"{text},yes" for text in texts))))
    return path


def texts(folder: Path, split: str = "validation", spec: TaskSpec = SPEC) -> list[str]:
    return [sample.text for sample in tasks.load(spec, split, folder).samples]


@pytest.mark.parametrize(
    "place",
    [
        "rte/validation.csv",
        "rte/dev.csv",
        "rte/val.csv",
        "RTE/dev.csv",
        "rte/data/validation.csv",
        "rte/validation-00000-of-00001.csv",
        "rte/data/dev-00000-of-00001.csv",
        "rte/validation/0000.csv",
    ],
)
def test_a_split_is_found_where_others_put_it(tmp_path: Path, place: str) -> None:
    write(tmp_path / place, "a", "b")
    assert texts(tmp_path) == ["a", "b"]
    inner = tmp_path / place.split("/")[0]
    assert texts(inner) == ["a", "b"], "the task's own folder as data folder"
    assert tasks.load(SPEC, "validation", inner).folder == inner.resolve(), "what a worker must not see"


def test_shards_are_one_table_in_their_order(tmp_path: Path) -> None:
    for number, text in ((1, "b"), (0, "a"), (2, "c")):
        write(tmp_path / f"rte/data/test-0000{number}-of-00003.csv", text)
    assert texts(tmp_path, "test") == ["a", "b", "c"]
    own = dataclasses.replace(SPEC, files={"test": tmp_path / "rte/data/test-*.csv"})
    assert texts(tmp_path / "nowhere", "test", own) == ["a", "b", "c"]
    (tmp_path / "rte/data/test-00001-of-00003.csv").unlink()
    for spec in (SPEC, own):
        with pytest.raises(ElueError, match="Only 2 of the 3 shards"):
            texts(tmp_path, "test", spec)


def test_shards_of_other_columns_and_doubled_places_are_refused(tmp_path: Path) -> None:
    write(tmp_path / "rte/dev.csv", "a")
    write(tmp_path / "rte/validation.csv", "a")
    with pytest.raises(ElueError, match=r"both validation\.csv and dev\.csv"):
        texts(tmp_path)
    for number in (0, 1):
        (tmp_path / f"rte/test-0000{number}-of-00002.csv").write_text(f"text,label{number}\na,1\n")
    with pytest.raises(ElueError, match="other columns"):
        texts(tmp_path, "test")
    with pytest.raises(ElueError, match="No file fits"):
        texts(tmp_path, "train", dataclasses.replace(SPEC, files={"train": tmp_path / "train-*.csv"}))


def test_a_folder_of_another_name_is_no_task_folder(tmp_path: Path) -> None:
    write(tmp_path / "qnli/dev.csv", "a")
    with pytest.raises(ElueError, match="no validation split of 'rte'"):
        texts(tmp_path / "qnli")


def test_files_without_a_header_have_their_columns_named(tmp_path: Path) -> None:
    (tmp_path / "cola.tsv").write_text("gj04\t1\t\tThey drank.\ngj04\t0\t*\tThey drank it are.\n")
    spec = dataclasses.replace(
        SPEC,
        files={"test": tmp_path / "cola.tsv"},
        header=("source", "label", "mark", "text"),
    )
    data = tasks.load(spec, "test")
    assert [(sample.text, label) for sample, label in zip(data.samples, data.labels, strict=True)] == [
        ("They drank.", 1),
        ("They drank it are.", 0),
    ]
