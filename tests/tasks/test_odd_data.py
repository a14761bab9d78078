"""Data as people have them: odd labels, odd headers, too little of it. What is made of them, or why nothing is."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from elue import tasks
from elue.errors import ElueError
from elue.protocol import TaskInfo
from elue.tasks.checking import check
from elue.tasks.drafting import draft
from elue.tasks.kinds import KINDS
from elue.tasks.tables import read


def table(folder: Path, cells: list[object], header: tuple[str, ...] = ("text", "label")) -> Path:
    """A CSV file of a text and a label a row; a header of three has the index that pandas writes before them."""
    path = folder / "mine.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(header)
        for number, cell in enumerate(cells):
            rows.writerow([*[number] * (len(header) - 2), f"this is the text of number {number}", cell])
    return path


@pytest.mark.parametrize(
    ("cells", "labels"),
    [
        ([-1, 1], ("-1", "1")),
        ([-1, 0, 1], ("-1", "0", "1")),
        ([-2, -1, 0, 1, 2], ("-2", "-1", "0", "1", "2")),
        (["1.0", "2.0", "3.0"], ("1", "2", "3")),
        (["yes", "no"], ("no", "yes")),
    ],
)
def test_each_value_of_the_labels_is_a_class_and_stays_it(tmp_path: Path, cells: list[object], labels) -> None:
    drafted = draft(table(tmp_path, cells * 30), tmp_path / "mine.toml")
    assert tasks.get(drafted.path).labels == labels
    report = check(drafted.path)
    assert report.faults == []
    counts = [sum(split.labels[label] for split in report.splits) for label in labels]
    assert counts == [30] * len(labels)


@pytest.mark.parametrize(("blank", "faults"), [("nan", 1), ("", 1), (-1, 1)])
def test_few_rows_without_a_label_are_told_and_no_class(tmp_path: Path, blank: object, faults: int) -> None:
    drafted = draft(table(tmp_path, [*([0, 1] * 50), blank]), tmp_path / "mine.toml")
    assert tasks.get(drafted.path).labels == ("0", "1")
    assert len(check(drafted.path).faults) == faults


def test_numbers_beside_a_nan_stay_numbers(tmp_path: Path) -> None:
    drafted = draft(table(tmp_path, [*(number / 8 for number in range(60)), "nan"]), tmp_path / "mine.toml")
    assert (drafted.proposal.kind, drafted.proposal.low, drafted.proposal.high) == ("regression", 0, 59 / 8)


@pytest.mark.parametrize("header", [("", "text", "label"), ("", "said", "mood")])
def test_the_index_of_pandas_makes_no_row_of_the_header(tmp_path: Path, header: tuple[str, ...]) -> None:
    drafted = draft(table(tmp_path, [0, 1] * 50, header), tmp_path / "mine.toml")
    assert (drafted.proposal.text, drafted.proposal.label) == header[1:]
    assert drafted.proposal.labels == ("0", "1")
    assert sum(drafted.rows.values()) == 100


@pytest.mark.parametrize("cells", [["1"] * 40, ["yes"] * 40, ["1.0", "1"] * 20])
def test_a_label_of_one_value_is_refused(tmp_path: Path, cells: list[object]) -> None:
    with pytest.raises(ElueError, match="one value alone"):
        draft(table(tmp_path, cells), tmp_path / "mine.toml")


@pytest.mark.parametrize("cells", [["a", "b"], [0, 1]])
def test_too_few_rows_for_three_splits_are_refused(tmp_path: Path, cells: list[object]) -> None:
    with pytest.raises(ElueError, match="too few texts"):
        draft(table(tmp_path, cells), tmp_path / "mine.toml")
    assert not list(tmp_path.glob("**/*.jsonl"))


def test_a_text_with_two_labels_is_said(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    rows = [f"this is the text of number {number},{number % 2}" for number in range(60)]
    twice = [f"this is the text of number {number},{1 - number % 2}" for number in range(10)]
    path.write_text("\n".join(["text,label", *rows, *twice]) + "\n")
    remarks = " ".join(check(draft(path, tmp_path / "mine.toml").path).remarks)
    assert "have a text that another row there labels otherwise" in remarks


STARS = TaskInfo("stars", "classification", ("1", "2", "3", "4", "5"))


@pytest.mark.parametrize(("cell", "label"), [("1", 0), (5, 4), ("5.0", 4), (1.0, 0), (0, None), ("0", None), (6, None)])
def test_a_number_is_no_index_where_classes_are_called_by_numbers(cell: object, label: int | None) -> None:
    assert KINDS["classification"].read(cell, STARS) == label


def test_the_labels_there_are_is_said_by_their_names() -> None:
    assert KINDS["classification"].readable(STARS) == "Labels are 1, 2, 3, 4, 5."


@pytest.mark.parametrize("name", ["mine.csv.gz", "mine.json", "mine.xlsx", "mine.txt"])
def test_a_file_of_another_kind_says_what_to_do(tmp_path: Path, name: str) -> None:
    with pytest.raises(ElueError, match="Unknown file kind") as refused:
        read(tmp_path / name)
    assert refused.value.hint
    assert "Known" not in refused.value.hint
