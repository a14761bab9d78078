"""Scores as CSV and LaTeX, with legends, labels and completion."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest

from elue.cli.forms import COLUMNS, Printer, form_of
from elue.errors import ElueError
from elue.record.labels import label_of, variants_of
from elue.record.schema import WeightsRef
from tests.commanding import elue
from tests.record.test_files import make_record

HEADER = ("method", "elue-1", "elue-1 95 %", "params", "note")
RIGHT = HEADER[1:4]
ROWS = [("a", "-1.50", "-2.00 to -1.00", "23,457,036", "said, twice"), ("b", "", "", "", "")]


def test_csv_is_one_table_of_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    printer = Printer("csv")
    for task in ("one", "two"):
        printer.say("for people")
        printer.table({"task": task, "track": ""}, HEADER, ROWS, RIGHT)
    rows = list(csv.DictReader(io.StringIO(capsys.readouterr().out)))
    assert [row["task"] for row in rows] == ["one", "one", "two", "two"]
    assert (rows[0]["elue-1"], rows[0]["elue-1 95 % low"], rows[0]["elue-1 95 % high"]) == ("-1.50", "-2.00", "-1.00")
    assert (rows[0]["params"], rows[0]["note"], rows[1]["elue-1 95 % low"]) == ("23457036", "said, twice", "")


def test_latex_is_a_table_a_board(capsys: pytest.CaptureFixture[str]) -> None:
    Printer("latex").table({"task": "sst_2", "track": ""}, HEADER, ROWS, RIGHT)
    made = capsys.readouterr().out
    assert made.count(r"\begin{tabular}{lrrrl}") == 1
    assert r"a & $-1.50$ & $-2.00$ to $-1.00$ & 23,457,036 & said, twice \\" in made
    assert r"\caption{sst\_2}" in made


def test_forms_exclude_each_other() -> None:
    assert form_of(csv=True, latex=False, as_json=False) == "csv"
    with pytest.raises(ElueError, match="exclude each other"):
        form_of(csv=True, latex=True, as_json=False)


def test_help_says_what_columns_are_and_shells_are_completed(tmp_path: Path) -> None:
    told = " ".join(elue("score", "--help", cwd=tmp_path).stdout.split())
    assert " ".join(COLUMNS["elue-1"].split()[:4]) in told
    for option in ("--csv", "--latex", "--legend"):
        assert option in told
    assert "--install-completion" in elue("--help", cwd=tmp_path).stdout


def test_variants_are_told_by_label_and_options() -> None:
    record = make_record()

    def trained(seed: int, **training: object):
        weights = WeightsRef(digest=f"{seed:064x}", training=training)
        return record.model_copy(update={"seed": seed, "weights": weights})

    runs = [trained(0, label="wide", options={"epochs": 3, "lr": 0.1}), trained(1, options={"epochs": 3})]
    first, second = variants_of(runs).values()
    assert first == {"label": "wide", "epochs": "3", "lr": "0.1"}
    assert second == {"label": "none", "epochs": "3", "lr": "none"}
    assert label_of(record.model_copy(update={"environment": {"label": "mine"}})) == "mine"
