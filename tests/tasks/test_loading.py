"""Loading a split: what comes out, its revision, and one line for every way in which data can be wrong."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pytest
from pyarrow import parquet

from elue import tasks
from elue.errors import ElueError
from elue.protocol import Sample
from elue.tasks import TaskData, TaskSpec

SPEC = TaskSpec(
    name="mine",
    title="Mine",
    kind="classification",
    metric="accuracy",
    labels=("no", "maybe", "yes"),
    columns=tasks.Columns(text="first", pair="second", label="answer"),
    sizes={"test": (4, 3)},
)
STARS = TaskSpec(name="stars", title="Stars", kind="regression", metric="pearson_spearman", low=1, high=5)
ROWS: dict[str, list[Any]] = {
    "first": ["one", "two", "three", "four"],
    "second": ["a", "b", "c", "d"],
    "answer": [0, 2, 1, 0],
    "idx": [7, 8, 9, 3],
}

Load = Callable[..., TaskData]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """Load a test split from a Parquet file with these columns."""

    def with_columns(spec: TaskSpec, table: dict[str, list[Any]], limit: int | None = None) -> TaskData:
        folder = tmp_path / spec.name
        folder.mkdir(exist_ok=True)
        parquet.write_table(pyarrow.table(table), folder / "test.parquet")
        return tasks.load(spec, "test", tmp_path, limit)

    return with_columns


def test_rows_become_samples_and_labels(load):
    data = load(SPEC, ROWS)
    assert data.samples == (
        Sample("7", "one", "a"),
        Sample("8", "two", "b"),
        Sample("9", "three", "c"),
        Sample("3", "four", "d"),
    )
    assert data.labels == (0, 2, 1, 0)
    assert (data.spec, data.split, data.limit, data.difficulty) == (SPEC, "test", None, None)


def test_without_ids_rows_are_numbered(load):
    rows = {name: values for name, values in ROWS.items() if name != "idx"}
    assert [sample.id for sample in load(SPEC, rows).samples] == ["0", "1", "2", "3"]


def test_labels_may_be_names(load):
    data = load(SPEC, {**ROWS, "answer": ["no", "yes", "maybe", "no"]})
    assert data.labels == (0, 2, 1, 0)
    assert all(isinstance(label, int) for label in data.labels)


def test_revision_is_a_digest_of_the_rows(load):
    digest = hashlib.sha256()
    for row in (["7", "one", "a", 0], ["8", "two", "b", 2], ["9", "three", "c", 1], ["3", "four", "d", 0]):
        digest.update(json.dumps(row, separators=(",", ":")).encode() + b"\n")
    assert load(SPEC, ROWS).revision == digest.hexdigest()


@pytest.mark.parametrize("column", ROWS)
def test_revision_sees_every_column(load, column):
    changed = [*ROWS[column][:-1], {"first": "x", "second": "y", "answer": 1, "idx": 4}[column]]
    assert load(SPEC, {**ROWS, column: changed}).revision != load(SPEC, ROWS).revision


def test_revision_is_the_same_from_every_kind_of_file(tmp_path, load):
    table = {"text": ["bad", "fine", "good"], "label": [1.0, 3.2, 4.75]}
    whole = load(STARS, {**table, "label": pyarrow.array(table["label"], pyarrow.float32())})
    for name, content in {
        "csv/stars/test.csv": "text,label\nbad,1\nfine,3.2\ngood,4.75\n",
        "tsv/stars/test.tsv": "label\ttext\n1.00\tbad\n3.2\tfine\n4.75\tgood\n",
        "jsonl/stars/test.jsonl": "".join(
            json.dumps({"text": text, "label": label}) + "\n" for text, label in zip(*table.values(), strict=True)
        ),
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True)
        path.write_text(content)
        data = tasks.load(STARS, "test", tmp_path / name.split("/")[0])
        assert (data.samples, data.labels, data.revision) == (whole.samples, whole.labels, whole.revision)
    assert whole.labels == (1.0, 3.2, 4.75)


def test_limit_spreads_over_a_sorted_split(load):
    spec = dataclasses.replace(SPEC, sizes={})
    rows = {"first": ["x"] * 1000, "second": ["y"] * 1000, "answer": [0] * 500 + [1] * 500}
    whole, some, fewer = load(spec, rows), load(spec, rows, 100), load(spec, rows, 50)
    assert (len(some.samples), len(fewer.samples), some.limit) == (100, 50, 100)
    assert 30 <= sum(some.labels) <= 70
    assert set(fewer.samples) < set(some.samples)
    numbers = [int(sample.id) for sample in some.samples]
    assert numbers == sorted(numbers)
    assert some.labels == tuple(whole.labels[number] for number in numbers)
    assert whole.revision == some.revision == fewer.revision
    assert load(spec, rows, 2000).samples == whole.samples


def change(column: str, row: int, value: Any) -> dict[str, list[Any]]:
    values = list(ROWS[column])
    values[row - 1] = value
    return {**ROWS, column: values}


@pytest.mark.parametrize(
    ("rows", "code", "words"),
    [
        (change("answer", 3, 3), "invalid_label", ("row 3", "'answer'", "3", "0 to 2 (no, maybe, yes)")),
        (change("answer", 3, -1), "invalid_label", ("row 3", "'answer'", "-1")),
        (change("answer", 2, None), "invalid_label", ("row 2", "None")),
        (change("answer", 2, float("nan")), "invalid_label", ("row 2", "nan")),
        (change("answer", 2, 0.5), "invalid_label", ("row 2", "0.5")),
        ({**ROWS, "answer": ["no", "yes", "perhaps", "no"]}, "invalid_label", ("row 3", "'perhaps'")),
        ({**ROWS, "answer": [-1] * 4}, "unlabelled_split", ("'answer'", "no labels")),
        (change("first", 2, "  "), "empty_text", ("row 2", "'first'")),
        (change("second", 4, None), "empty_text", ("row 4", "'second'")),
        (change("idx", 4, 7), "duplicate_id", ("row 4", "'idx'", "7", "row 1")),
        (change("idx", 4, None), "missing_id", ("row 4", "'idx'")),
        ({**ROWS, "frist": ROWS["first"], "first": None}, "missing_column", ("'first'", "Did you mean 'frist'")),
        ({name: values[:2] for name, values in ROWS.items()}, "wrong_split_size", ("2 rows", "4 or 3")),
        ({name: [] for name in ROWS}, "empty_split", ("no rows",)),
    ],
)
def test_wrong_rows_are_named(load, rows, code, words):
    rows = {name: values for name, values in rows.items() if values is not None}
    with pytest.raises(ElueError) as error:
        load(SPEC, rows)
    assert error.value.code == code
    for word in ("test.parquet", *words):
        assert word in str(error.value)
    assert "\n" not in str(error.value)


def test_declared_subset_is_accepted(load):
    assert len(load(SPEC, {name: values[:3] for name, values in ROWS.items()}).samples) == 3


@pytest.mark.parametrize("label", [0.9, 5.1, float("nan"), float("inf"), "many", None])
def test_regression_labels_are_in_range(load, label):
    table = {"text": ["a", "b"], "label": pyarrow.array([str(label), "3"]) if label else ["", "3"]}
    with pytest.raises(ElueError, match="from 1 to 5") as error:
        load(STARS, table)
    assert error.value.code == "invalid_label"


def test_missing_split_says_what_was_looked_for(tmp_path):
    with pytest.raises(ElueError) as error:
        tasks.load(SPEC, "train", tmp_path)
    assert str(tmp_path / "mine" / "train") in str(error.value)
    assert ".parquet, .csv, .tsv, .jsonl" in str(error.value)
    with pytest.raises(ElueError, match="no data folder"):
        tasks.load(SPEC, "train", tmp_path / "nowhere")


def test_two_files_for_one_split_are_refused(tmp_path):
    (tmp_path / "mine").mkdir()
    for kind in ("csv", "tsv"):
        (tmp_path / "mine" / f"test.{kind}").write_text("")
    with pytest.raises(ElueError, match=r"test\.csv and test\.tsv"):
        tasks.load(SPEC, "test", tmp_path)


def test_unknown_split_and_empty_limit(tmp_path):
    with pytest.raises(ElueError, match="Unknown split 'dev'"):
        tasks.load(SPEC, "dev", tmp_path)
    with pytest.raises(ElueError, match="limit 0"):
        tasks.load(SPEC, "test", tmp_path, 0)


def test_data_folder_from_the_environment(tmp_path, load, monkeypatch):
    whole = load(SPEC, ROWS)
    monkeypatch.setenv("ELUE_DATA", str(tmp_path))
    assert tasks.load(SPEC, "test") == whole
    with pytest.raises(ElueError, match="elsewhere"):
        tasks.load(SPEC, "test", tmp_path / "elsewhere")


def test_own_files_come_before_the_data_folder(tmp_path, load):
    load(SPEC, ROWS)
    own = tmp_path / "own.csv"
    own.write_text("first,second,answer\nown,words,maybe\n")
    spec = dataclasses.replace(SPEC, sizes={}, files={"test": own})
    assert tasks.load(spec, "test", tmp_path).samples == (Sample("0", "own", "words"),)


def test_without_folder_or_hub_there_is_no_source(monkeypatch):
    monkeypatch.delenv("ELUE_DATA", raising=False)
    with pytest.raises(ElueError, match=r"mine/test\.parquet by --data DIR or ELUE_DATA") as error:
        tasks.load(SPEC, "test")
    assert error.value.code == "no_source"


@pytest.mark.slow
@pytest.mark.skipif(not os.environ.get("ELUE_DATA"), reason="ELUE_DATA names no folder of real data")
@pytest.mark.parametrize("name", [name for name in tasks.names() if not tasks.get(name).generated])
@pytest.mark.parametrize("split", tasks.SPLITS)
def test_real_data_passes_every_check(name, split):
    data = tasks.load(tasks.get(name), split)
    assert len(data.samples) == len(data.labels) in data.spec.sizes[split]


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("null", "there is no text (null)"),
        ("5", "5 is a number, not a text"),
        ("true", "True is a bool, not a text"),
        ('["a"]', "['a'] is a list, not a text"),
        ('" "', "the text is empty"),
    ],
)
def test_what_is_no_text_is_told_with_its_line(tmp_path, value, said):
    (tmp_path / "mine.toml").write_text(
        'title = "mine"\nkind = "classification"\nlabels = ["no", "yes"]\nlicence = "CC0"\ncitation = "none"\n'
        'columns = { text = "text" }\n[files]\ntest = "test.jsonl"\n'
    )
    (tmp_path / "test.jsonl").write_text(f'{{"text": "a", "label": 0}}\n\n{{"text": {value}, "label": 1}}\n')
    with pytest.raises(ElueError) as error:
        tasks.load(tasks.get(str(tmp_path / "mine.toml")), "test")
    assert f"row 2 (line 3), column 'text': {said}." in error.value.message
    assert error.value.hint
