"""Tables of commands: on narrow terminals, with real minus signs, and as CSV and LaTeX."""

from __future__ import annotations

import csv
import io

import pytest

from elue.cli.output import budgets
from elue.cli.tables import as_csv, as_latex, folded, shown, table

HEADER = ("method", "score", "95 %", "points", "note")
ROWS = [("elasticbert", "-1.20", "-2.00 to -0.40", "14", ""), ("static", "0.00", "-0.00 to 0.00", "6", "these weights")]
RIGHT = ("score", "95 %", "points")


def printed(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, width: int) -> list[str]:
    monkeypatch.setenv("COLUMNS", str(width))
    table(HEADER, ROWS, RIGHT)
    return [line.rstrip() for line in capsys.readouterr().out.splitlines()]


@pytest.mark.parametrize("width", [24, 40, 60, 120])
def test_no_line_is_wider_and_no_cell_is_torn(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = printed(capsys, monkeypatch, width)
    assert max(map(len, lines)) <= max(width, len("elasticbert") + 2 + len("−2.00 to −0.40"))
    for cell in ("elasticbert", "−1.20", "−2.00 to −0.40", "0.00 to 0.00", "14", "these weights"):
        assert any(cell in line for line in lines), cell
    tables = "\n".join(lines).split("\n\n")
    assert (len(tables) == 1) == (width >= 60)
    for part in tables:
        assert [line.split()[0] for line in part.splitlines()] == ["method", "elasticbert", "static"]


def test_long_texts_are_folded_before_columns_go_apart(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "50")
    table(("name", "what it is"), [("a", "word " * 30)])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 3
    assert max(map(len, lines)) <= 50
    assert sum(line.count("word") for line in lines) == 30


def test_cells_may_be_anything_that_can_be_written(capsys: pytest.CaptureFixture[str]) -> None:
    table(("option", "default"), [("epochs", 3.0), ("name", None), ("on", True)])
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["default", "3.0", "None", "True"]


def test_a_point_names_its_row_beside_the_method() -> None:
    parts = list(folded(("method", "point", "a", "b"), [6, 10, 20, 20], (), 45))
    assert parts == [[0, 1, 2], [0, 1, 3]]


@pytest.mark.parametrize(
    ("number", "written"),
    [("-1.20", "−1.20"), ("-0.00", "0.00"), ("+0.00", "0.00"), ("-1.0 to 2.0", "−1.0 to 2.0"), ("a-b", "a-b")],
)
def test_minus_signs(number: str, written: str) -> None:
    assert shown(number) == written


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (178.4e6, 534.5e6, "178.4 to 534.5 MFLOPs"),
        (353, 4217, "353.0 to 4,217.0 FLOPs"),
        (2e3, 35e3, "2.0 to 35.0 KFLOPs"),
        (1e6, 8e9, "0.001 to 8.0 GFLOPs"),
    ],
)
def test_budgets_are_in_a_unit_that_fits(low: float, high: float, said: str) -> None:
    assert budgets(low, high) == said


def test_csv_reads_back() -> None:
    rows = [("a,b", 'say "no"', None, 1.5)]
    assert list(csv.reader(io.StringIO(as_csv(("m", "n", "o", "p"), rows)))) == [
        ["m", "n", "o", "p"],
        ["a,b", 'say "no"', "", "1.5"],
    ]


def test_latex_escapes_and_sets_minus_signs() -> None:
    made = as_latex(("method", "95 %"), [("fast_bert & co", "-1.00 to 2.00")], ("95 %",), "on task_a")
    assert r"\begin{tabular}{lr}" in made
    assert r"method & 95 \% \\" in made
    assert r"fast\_bert \& co & $-1.00$ to 2.00 \\" in made
    assert r"\caption{on task\_a}" in made
