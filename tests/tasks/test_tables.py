"""Tables: the same rows from every kind of file, damaged files in one line, and the hub by `datasets` itself."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import textwrap
from pathlib import Path

import pyarrow
import pytest
from pyarrow import parquet

from elue.errors import ElueError
from elue.tasks import tables

TEXTS = ['He said "no", twice', "NA", "12", "naïve café", "tab-free"]
LABELS = [0, 1, 1, 0, 1]


def write(folder: Path, kind: str, texts: list[str] = TEXTS) -> Path:
    path = folder / f"test{kind}"
    if kind == ".parquet":
        parquet.write_table(pyarrow.table({"text": texts, "label": LABELS}), path)
    elif kind == ".jsonl":
        rows = [{"text": text, "label": label} for text, label in zip(texts, LABELS, strict=True)]
        path.write_text("\n\n".join(json.dumps(row) for row in rows), encoding="utf-8")
    else:
        quoted = [text if kind == ".tsv" else '"' + text.replace('"', '""') + '"' for text in texts]
        lines = [
            f"{text}{',' if kind == '.csv' else chr(9)}{label}" for text, label in zip(quoted, LABELS, strict=True)
        ]
        header = "text,label" if kind == ".csv" else "text\tlabel"
        path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8-sig")
    return path


@pytest.mark.parametrize("kind", tables.READERS)
def test_every_kind_holds_the_same_rows(tmp_path, kind):
    table = tables.read(write(tmp_path, kind))
    assert table["text"] == TEXTS
    assert [int(label) for label in table["label"]] == LABELS


def test_csv_holds_line_breaks(tmp_path):
    texts = ["two\nlines", "one", "a,b", "c", "d"]
    assert tables.read(write(tmp_path, ".csv", texts))["text"] == texts


@pytest.mark.parametrize("kind", tables.READERS)
def test_a_cell_may_be_as_long_as_a_book(tmp_path, kind):
    book = "word " * 400_000
    assert tables.read(write(tmp_path, kind, [book, *TEXTS[1:]]))["text"][0] == book


def test_each_row_knows_its_place(tmp_path):
    (tmp_path / "one.csv").write_text('text,label\n"two\nlines",1\n\nb,0\n')
    (tmp_path / "two.csv").write_text("text,label\nc,1\n")
    one = tables.read(tmp_path / "one.csv")
    assert [one.place(row) for row in (1, 2)] == ["row 1 (line 2)", "row 2 (line 5)"]
    both = tables.read_all([tmp_path / "one.csv", tmp_path / "two.csv"])
    assert both.place(3) == "row 3 (two.csv line 2)"
    assert tables.Table(text=["a"]).place(1) == "row 1"


def test_json_lines_may_lack_a_column(tmp_path):
    path = tmp_path / "test.jsonl"
    path.write_text('{"text": "a"}\n{"text": "b", "label": 1}\n')
    assert tables.read(path) == {"text": ["a", "b"], "label": [None, 1]}


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("test.csv", b"text,label\ngood,1\nbad\n", "line 3 has 1 fields, the header 2"),
        ("test.csv", b'text,label\n"a\nb",1\nbad\n', "line 4 has 1 fields, the header 2"),
        ("test.csv", b'text,label\ngood,1\n"good,1\nand,1\n', "line 3: a quote is not closed (unexpected end of data)"),
        ("test.csv", b'text,label\n"good"er,1\n', "line 2: "),
        ("test.csv", b"text,label,text\na,1,b\n", "line 1: the column 'text' is there 2 times (fields 1, 3)"),
        ("test.tsv", b"text\ttext\na\tb\n", "line 1: the column 'text' is there 2 times (fields 1, 2)"),
        ("test.csv", b"text,label\na\x00b,1\n", "line 2 holds a NUL character"),
        ("test.csv", "text,label\na,1\n".encode("utf-16"), "it is UTF-16, not UTF-8"),
        ("test.tsv", b"text\tlabel\na\t1\nna\xefve\t1\n", "line 3 is not UTF-8 (byte 0xef)"),
        ("test.jsonl", b'{"text": "a"}\n{"text": "na\xefve"}\n', "line 2 is not UTF-8 (byte 0xef)"),
        ("test.jsonl", b'{"text": "a"}\n{"text": "a", "text": "b"}\n', "line 2: the key 'text' is there twice"),
        ("test.csv", b"", "it is empty"),
        ("test.tsv", b"\n\n", "it is empty"),
        ("test.jsonl", b"", "it is empty"),
        ("test.csv", b"\xef\xbb\xbf", "it is empty"),
        ("test.tsv", b"text\tlabel\ngood\t1\tx\n", "line 2 has 3 fields, the header 2"),
        ("test.csv", b"text,label\nna\xefve,1\n", "codec can't decode"),
        ("test.jsonl", b'{"text": "a"}\n{"text": \n', "line 2: "),
        ("test.jsonl", b'["a", 1]\n', "line 1 is not an object"),
        ("test.parquet", b"PAR1 but not really", "Parquet"),
        ("test.parquet", b"", "cannot be read"),
    ],
)
def test_damaged_file_is_one_line(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(ElueError) as error:
        tables.read(path)
    assert error.value.code == "unreadable_data"
    assert str(path) in str(error.value)
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert error.value.hint or "Parquet" in message


def test_truncated_parquet(tmp_path):
    path = write(tmp_path, ".parquet")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ElueError, match="cannot be read"):
        tables.read(path)


def test_missing_file_and_unknown_kind(tmp_path):
    with pytest.raises(ElueError, match=r"no file .*test\.csv") as error:
        tables.read(tmp_path / "test.csv")
    assert error.value.code == "missing_data"
    with pytest.raises(ElueError, match=r"test\.xlsx: Unknown file kind '\.xlsx'"):
        tables.read(tmp_path / "test.xlsx")


def hub(folder: Path, code: str, **environment: str) -> dict:
    """Run code in a process of its own, whose cache is empty, and return the JSON it prints last."""
    start = """
        import json, sys, time
        from pathlib import Path
        from elue import tasks
        from elue.errors import ElueError
        from elue.tasks import tables

        def refused(call):
            start = time.monotonic()
            try:
                call()
            except ElueError as error:
                return {"code": error.code, "text": str(error), "seconds": time.monotonic() - start}
    """
    process = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(start) + textwrap.dedent(code)],
        env={**os.environ, "HF_HOME": str(folder / "cache"), "ELUE_DATA": "", **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == 0, process.stderr
    return json.loads(process.stdout.splitlines()[-1])


def test_hub_layout_loads_by_datasets_without_torch(tmp_path):
    """A folder laid out as a hub dataset: configurations, shards, other column names, named and missing labels."""
    for config, rows in {"plain": 3, "scored": 6}.items():
        folder = tmp_path / "repository" / config
        folder.mkdir(parents=True)
        for shard in range(2):
            names = ["yes", "no", "-"] * (rows // 3)
            texts = [f"{config} {shard} {row}" for row in range(rows)]
            table = pyarrow.table({"first": texts, "second": texts[::-1], "gold": names})
            parquet.write_table(table, folder / f"dev-{shard:05}-of-00002.parquet")
    configs = [
        f"- config_name: {config}\n  data_files:\n  - split: dev\n    path: {config}/dev-*\n"
        for config in ("plain", "scored")
    ]
    card = "---\nconfigs:\n" + "".join(configs) + "---\n"
    (tmp_path / "repository" / "README.md").write_text(card)
    (tmp_path / "mine.toml").write_text(
        textwrap.dedent(f"""
        kind = "classification"
        labels = ["no", "yes"]
        columns = {{ text = "text", pair = "pair" }}
        sizes = {{ validation = 8 }}
        [hub]
        path = "{tmp_path / "repository"}"
        name = "scored"
        splits = {{ validation = "dev", test = "exam" }}
        skip = ["-"]
        columns = {{ text = "first", pair = "second", label = "gold" }}
        """)
    )
    found = hub(
        tmp_path,
        """
        spec = tasks.get("mine.toml")
        data = tasks.load(spec, "validation")
        print(json.dumps({
            "texts": [sample.text for sample in data.samples],
            "pairs": [sample.pair for sample in data.samples],
            "ids": [sample.id for sample in data.samples],
            "labels": data.labels,
            "torch": "torch" in sys.modules,
            "split": refused(lambda: tasks.load(spec, "test")),
            "train": refused(lambda: tasks.load(spec, "train")),
        }))
        """,
    )
    rows = [0, 1, 3, 4]
    assert found["texts"] == [f"scored {shard} {row}" for shard in range(2) for row in rows]
    assert found["pairs"] == [f"scored {shard} {5 - row}" for shard in range(2) for row in rows]
    assert found["ids"] == [str(number) for number in range(8)]
    assert found["labels"] == [1, 0] * 4
    assert found["torch"] is False
    assert found["split"]["code"] == "hub_failed"
    assert "'exam'" in found["split"]["text"]
    assert found["train"]["code"] == "no_source"


LOAD_MRPC = """
    print(json.dumps(refused(lambda: tasks.load(tasks.get("mrpc"), "test"))))
"""


@pytest.mark.parametrize("environment", [{"HF_ENDPOINT": "http://127.0.0.1:9"}, {"HF_HUB_OFFLINE": "1"}])
def test_hub_out_of_reach_names_the_way_out(tmp_path, environment):
    found = hub(tmp_path, LOAD_MRPC, **environment)
    assert found["code"] in {"hub_unreachable", "hub_failed"}
    assert "nyu-mll/glue" in found["text"]
    assert "--data DIR" in found["text"]
    assert "\n" not in found["text"]
    assert found["seconds"] < 20


def test_hub_that_never_answers_does_not_hang(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        found = hub(
            tmp_path,
            "    import elue.hub; elue.hub.REACH_SECONDS = 0.5\n" + LOAD_MRPC,
            HF_ENDPOINT=endpoint,
            NO_PROXY="*",
        )
    assert found["code"] == "hub_unreachable"
    assert found["seconds"] < 20
