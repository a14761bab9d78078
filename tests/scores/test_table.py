"""Tables of published points: reading them, every mistake in one line, and their scores."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.scores.table import read_points
from elue.scores.table_doubts import doubts
from elue.scores.table_scores import score_points
from tests.scoring import area, old_score

HEADER = "edition,task,method,kind,params_millions,mflops_per_sample,score\n"
ROWS = "e,mine,base,static,10,100,80\ne,mine,base,static,20,200,84\ne,mine,dyn,dynamic,20,150,83.5\n"


@pytest.fixture
def table(tmp_path: Path):  # type: ignore[no-untyped-def]
    def write(text: str) -> Path:
        path = tmp_path / "points.csv"
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_a_table_is_read(table) -> None:  # type: ignore[no-untyped-def]
    points = read_points(table("\ufeff" + HEADER + ROWS))
    assert [(p.line, p.method, p.mflops, p.score, p.params_millions) for p in points] == [
        (2, "base", 100, 80, 10),
        (3, "base", 200, 84, 20),
        (4, "dyn", 150, 83.5, 20),
    ]
    assert points[0].at == (1e8, 80)


def test_columns_may_stand_in_any_order_and_the_optional_ones_be_left_out(table) -> None:  # type: ignore[no-untyped-def]
    (point,) = read_points(table('score, method ,mflops_per_sample,task,more\n80,"a, b",1e2,mine,x\n'))
    assert (point.method, point.mflops, point.kind, point.params_millions) == ("a, b", 100, "", None)


def test_scores_of_a_table_by_hand(table) -> None:  # type: ignore[no-untyped-def]
    (board,) = score_points(read_points(table(HEADER + ROWS)), "base")
    found = {s.method: s for s in board.scores}
    base, dyn = [(100.0, 80.0), (200.0, 84.0)], [(150.0, 83.5)]
    assert (found["base"].elue_2022, found["base"].elue_1) == (0, 0)
    assert found["dyn"].elue_2022 == pytest.approx(old_score(dyn, base)) == 1.5
    assert found["dyn"].elue_1 == pytest.approx(area(dyn, 100, 200, 0) - area(base, 100, 200, 0), abs=1e-3)
    assert (found["dyn"].best.value, found["dyn"].points, found["dyn"].kind) == (83.5, 1, "dynamic")


def test_the_task_sets_the_floor(table) -> None:  # type: ignore[no-untyped-def]
    text = HEADER + ROWS.replace("mine", "sst2_elue")
    (board,) = score_points(read_points(table(text)), "base")
    found = {s.method: s for s in board.scores}
    base, dyn = [(100.0, 80.0), (200.0, 84.0)], [(150.0, 83.5)]
    assert found["dyn"].elue_1 == pytest.approx(area(dyn, 100, 200, 50) - area(base, 100, 200, 50), abs=1e-3)
    assert (board.low, board.high, board.floor, board.samples) == (1e8, 2e8, 50, 2210)
    low, high = found["dyn"].best.low, found["dyn"].best.high
    assert low is not None
    assert high is not None
    assert 1.4 < high - 83.5 < 83.5 - low < 1.7, "1.96 roots of 83.5 * 16.5 / 2210, a little further down"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        ("", "no_points", "is empty"),
        ("\n", "no_points", "is empty"),
        (HEADER, "no_points", "no rows"),
        (HEADER.replace("mflops_per_sample", "mflops"), "missing_column", "Did you mean its column 'mflops'"),
        (HEADER.replace("method", "methd") + ROWS, "missing_column", "Did you mean its column 'methd'"),
        ("a,b\n1,2\n", "missing_column", "no column 'task'"),
        (HEADER.replace("edition", "score") + ROWS, "bad_row", "'score' 2 times"),
        (HEADER + ROWS.replace("200", "2OO"), "bad_number", "line 3, column 'mflops_per_sample': '2OO'"),
        (HEADER + ROWS.replace("83.5", "nan"), "bad_number", "line 4, column 'score'"),
        *(
            (f"{HEADER}e,mine,base,static,10,{cost},80\n", "bad_number", "line 2, column 'mflops_per_sample'")
            for cost in ("nan", "inf", "-inf", "0", "-0.0", "-5", "1e305", "1e400", "abc", "")
        ),
        (HEADER + ROWS.replace("83.5", ""), "bad_number", "line 4, column 'score': ''"),
        (HEADER + ROWS.replace("83.5", "835"), "bad_number", "percent"),
        (HEADER + ROWS.replace("200", "0"), "bad_number", "more than 0"),
        (HEADER + ROWS.replace(",10,", ",-1,"), "bad_number", "params_millions"),
        (HEADER + ROWS.replace("dynamic", "dynamik"), "bad_row", "'dynamik'"),
        (HEADER + ROWS.replace("dyn,", ","), "bad_row", "empty 'method'"),
        (HEADER + ROWS + "e,mine,base\n", "bad_row", "line 5 has fewer cells"),
        (HEADER + ROWS + "e,mine,base,static,1,2,3,4\n", "bad_row", "line 5 has more cells"),
        (HEADER + ROWS + "e,mine,base,static,10,100.0,80\n", "duplicate_points", "lines 2 and 5"),
        (HEADER + ROWS.replace("e,mine,dyn", "f,mine,dyn"), "mixed_editions", "'e', 'f'"),
        (HEADER + 'e,mine,"base\n', "bad_row", "unexpected end"),
    ],
)
def test_mistakes_are_one_clear_line(table, text: str, code: str, words: str) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(ElueError) as caught:
        read_points(table(text))
    assert caught.value.code == code
    assert words in str(caught.value)
    assert "points.csv" in str(caught.value)


def test_a_file_that_is_not_there_or_no_text(tmp_path: Path) -> None:
    with pytest.raises(ElueError, match="Cannot read"):
        read_points(tmp_path / "none.csv")
    with pytest.raises(ElueError, match="Cannot read"):
        read_points(tmp_path)
    (tmp_path / "binary.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ElueError, match="not UTF-8"):
        read_points(tmp_path / "binary.csv")


def test_an_unknown_reference_lists_the_methods(table) -> None:  # type: ignore[no-untyped-def]
    points = read_points(table(HEADER + ROWS))
    with pytest.raises(ElueError, match=r"Did you mean 'base'\? Known: base, dyn") as caught:
        score_points(points, "bas")
    assert caught.value.code == "unknown_reference"


SOUND = HEADER + ROWS.replace("mine", "sst2_elue")


@pytest.mark.parametrize(
    ("text", "say"),
    [
        (SOUND.replace(",84\n", ",0.84\n").replace(",80\n", ",0.8\n").replace(",83.5", ",0.835"), "at most 1"),
        (SOUND.replace("00,8", "00000000,8").replace("150,", "150000000,"), "mflops_per_sample lie about 1.5e+08"),
        (SOUND.replace("00,8", "e-6,8").replace("150,", "1e-6,"), "mflops_per_sample lie about 1.5e-06"),
        (SOUND.replace("150,", "150000000,"), "mflops_per_sample of 'dyn' lie about 1.5e+08"),
        (
            SOUND + "e,mrpc,base,static,10,100,0.8\ne,mrpc,base,static,10,200,0.9\n",
            "All scores on 'mrpc' are at most 1",
        ),
        (SOUND.replace(",83.5", ",0.835"), "All scores of 'dyn' on 'sst2_elue' are at most 1"),
        (SOUND + "e,sst2_elue,dyn,dynamic,20,160,0.84\n", "The score 0.84 in line 5 is at most 1"),
        (SOUND + "e,sst2_elue,dyn,dynamic,20,160e6,84\n", "mflops_per_sample 1.6e+08 in line 5"),
        (SOUND.replace("150,", "0.15,"), "'dyn' costs about 0.15 MFLOPs on 'sst2_elue', 667 times below the cheapest"),
        (
            SOUND.replace("150,", "150e3,"),
            "'dyn' costs about 150000 MFLOPs on 'sst2_elue', 750 times above the dearest",
        ),
        (SOUND + "e,mrpc,base,static,10,100,80\n", "'base' has one budget alone on 'mrpc'"),
        (SOUND.replace("sst2_elue", "sst2-elue"), "Did you mean 'sst2_elue'"),
        (SOUND + "e,mrpc,dyn,dynamic,20,150,83.5\n", "'base' has no points on 'mrpc'"),
    ],
)
def test_what_looks_wrong_is_said(table, text: str, say: str) -> None:  # type: ignore[no-untyped-def]
    assert doubts(read_points(table(SOUND)), "base") == []
    found = doubts(read_points(table(text)), "base")
    assert len(found) == 1
    assert say in found[0]


def test_a_task_without_the_reference_does_not_fail_the_rest(table) -> None:  # type: ignore[no-untyped-def]
    points = read_points(table(SOUND + "e,mrpc,dyn,dynamic,20,150,83.5\n"))
    assert [board.task for board in score_points(points, "base")] == ["sst2_elue"]


def test_small_networks_that_are_cheap_are_not_asked_about(table) -> None:  # type: ignore[no-untyped-def]
    """A recurrent network may well cost a hundredth of one layer, and score 0."""
    text = SOUND + "e,sst2_elue,small,dynamic,1,0.5,70\ne,sst2_elue,small,dynamic,1,0.6,0\n"
    assert doubts(read_points(table(text)), "base") == []
