"""The downloads hold what the store holds."""

from __future__ import annotations

import csv
import io
import json

from elue.leaderboard import boards
from elue.leaderboard.downloads import COLUMNS, csv_of, json_of
from elue.record.board import is_ranked
from elue.record.files import summary as summary_of
from tests.leaderboard.samples import failed, store, summary


def lines_of(summaries):
    return list(csv.DictReader(io.StringIO(csv_of(boards.tasks(summaries)))))


def test_json_holds_the_summaries_as_they_are():
    runs = store()
    document = json.loads(json_of(boards.tasks(runs)))
    assert sorted(document["runs"], key=lambda s: s["key"]) == [
        summary_of(record) for record in sorted(runs, key=lambda record: record.key)
    ]
    assert {key for board in document["boards"] for key in board["runs"]} == {
        record.key for record in runs if is_ranked(record)
    }
    for board in document["boards"]:
        assert set(board["front"]) <= set(board["runs"])


def test_csv_has_one_line_a_run_with_exact_numbers():
    runs = {record.key: record for record in store()}
    lines = lines_of(list(runs.values()))
    assert len(lines) == len(runs)
    for line in lines:
        record = runs[line["key"]]
        assert list(line) == list(COLUMNS)
        assert json.loads(line["point"]) == record.point
        assert (line["ranked"] == "true") == is_ranked(record)
        if record.score:
            assert float(line["score"]) == record.score.value
            assert float(line["flops_mean"]) == record.flops.mean
            assert float(line["params_touched_mean"]) == record.params.touched_mean


def test_csv_leaves_empty_what_there_is_none_of():
    (line,) = lines_of([failed(weights=None, times={"cpu_seconds": None})])
    assert line["reason"] == "The worker ended with exit code 139."
    for name in ("score", "flops_mean", "params_total", "weights_digest", "limit", "cpu_seconds"):
        assert line[name] == "", name
    assert line["on_front"] == "false"


def test_a_spreadsheet_takes_no_name_for_a_formula():
    name = '=HYPERLINK("https://a.example")\n"b",c'
    (line,) = lines_of([summary(method={"name": name}, score={"value": -3.5, "low": -4.0, "high": -3.0})])
    assert line["method"] == f"'{name}"
    assert line["score"] == "-3.5"


def test_nothing_measured_gives_headings_and_an_empty_document():
    assert csv_of([]) == ",".join(COLUMNS) + "\n"
    assert json.loads(json_of([])) == {"schema": 1, "boards": [], "runs": []}
