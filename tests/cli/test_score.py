"""`elue score` and `elue import-points` as a user meets them."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import numpy as np
import pytest

from elue.record import files as records
from tests.commanding import Elue
from tests.editions import GOOD, STATIC, World, edition_of, preview, toml_of
from tests.scores.test_curve import PUBLISHED
from tests.scoring import answers, run
from tests.submissions_of import submission

ROOT = Path(__file__).parent.parent.parent
POINTS = ROOT / "submissions" / "elue-2022" / "points.csv"


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """Two tasks; on each the static method, and one that is better and has twice the parameters."""
    generator = np.random.default_rng(0)
    for task in ("one", "two"):
        labels = [float(y) for y in generator.integers(0, 2, 200)]
        for method, quality in (("static", 0.7), ("good", 0.85)):
            for knob in (1, 2):
                values = answers(labels, quality + 0.05 * knob, generator)
                params = 10**6 * (2 if method == "good" else 1)
                record = run(method, values, labels, [100 * knob] * 200, knob=knob, task=task, params=params)
                records.write(record, tmp_path / "runs")
    return tmp_path / "runs"


def test_a_table_of_points_gives_the_published_scores(elue: Elue) -> None:
    done = elue("score", "--points", POINTS, "--reference", "ElasticBERT-BASE", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) == {"sst2_elue"}
    assert len(found["sst2_elue"]) == 6
    for scores in found["sst2_elue"].values():
        assert (scores["range"], scores["floor"], scores["samples"]) == ([1.06e9, 4.235e9], 50, 2210)
        assert scores["best"]["low"] < scores["best"]["value"] < scores["best"]["high"]
    for method, published in PUBLISHED.items():
        assert found["sst2_elue"][method]["elue-2022"] == pytest.approx(published, abs=0.04)
    shown = elue("score", "--points", POINTS, "--reference", "ElasticBERT-BASE").stdout
    (line,) = [line.split() for line in shown.splitlines() if line.startswith("ElasticBERT-BASE ")]
    assert line == ["ElasticBERT-BASE", "static", "0.00", "0.00", "4", "88.60", "87.2", "to", "89.9", "109", "M"]
    assert "elue-1 over 1,060.0 to 4,235.0 MFLOPs; a guess is 50" in shown
    assert "on 2,210 samples" in shown


def test_records_are_scored_by_task_and_over_all(elue: Elue, runs: Path) -> None:
    done = elue("score", "--runs", runs, "--json", "--resamples", "200")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert [(board["task"], board["track"]) for board in found["boards"]] == [("one", None), ("two", None)]
    for board in found["boards"]:
        assert [c["method"] for c in board["curves"]] == ["good", "static"]
        assert not any("rank" in curve for curve in board["curves"]), "ranks exist within an edition only"
        assert {curve["note"] for curve in board["curves"]} == {"these weights: 1 of 3 trainings"}
        assert set(board["curves"][0]["elue_1"]) == {"value", "low", "high", "error"}
    (overall,) = found["overall"]
    assert [(m["method"], m["tasks"]) for m in overall["methods"]] == [
        ("good", ["one", "two"]),
        ("static", ["one", "two"]),
    ]
    assert not any("rank" in method for method in overall["methods"])
    done = elue("score", "--runs", runs, "--resamples", "200")
    shown = done.stdout
    assert "they exist within an edition only" in done.stderr
    assert "rank" not in shown
    assert shown.count("these weights: 1 of 3 trainings") == 6
    assert shown.count("elue-1 over") == 2
    assert "all tasks, profile elue-1" in shown
    assert not (runs.parent / "elue.sqlite").exists()


def test_a_strangers_static_is_nobodys_reference(elue: Elue, tmp_path: Path) -> None:
    """Whatever its trust and number of points; alone it lets nothing be scored."""
    world = World()
    submission(tmp_path / "submissions", "baselines", [*world.method("static", STATIC), *world.method("good", GOOD)])
    before = json.loads(elue("score", "--runs", "submissions", "--json", "--resamples", "100").stdout)
    spoilt = world.method("static", {1: 0.5, 2: 0.5, 3: 0.5, 4: 0.5})
    submission(tmp_path / "submissions", "theirs", spoilt)
    (tmp_path / "alone").mkdir()
    submission(tmp_path / "alone", "theirs", [*spoilt, *world.method("other", GOOD)])
    after = json.loads(elue("score", "--runs", "submissions", "--json", "--resamples", "100").stdout)
    assert (before["boards"][0]["low"], before["boards"][0]["yardstick"]) == (
        after["boards"][0]["low"],
        after["boards"][0]["yardstick"],
    )
    shown = elue("score", "--runs", "submissions", "--resamples", "100").stdout
    assert "against static seed 0 of the submission baselines" in shown
    alone = elue("score", "--runs", "alone", "--resamples", "100")
    assert "no reference curve here: no scores" in alone.stdout, alone.stderr


def test_nothing_is_scored_where_points_are_chosen(elue: Elue, tmp_path: Path) -> None:
    for record in World().method("static", STATIC):
        task = record.task.model_copy(update={"split": "validation"})
        moved = record.model_copy(update={"task": task})
        records.write(moved.model_copy(update={"key": records.identity(moved).key}), tmp_path / "runs")
    done = elue("score", "--runs", "runs")
    assert "operating points are chosen on the validation split: no scores" in done.stdout, done.stderr
    assert {
        curve["elue_1"] for curve in json.loads(elue("score", "--runs", "runs", "--json").stdout)["boards"][0]["curves"]
    } == {None}


def test_a_task_and_tracks(elue: Elue, runs: Path) -> None:
    words = ["score", "--runs", runs, "--task", "two", "--track", "params<=1M", "--track", "flops<=150", "--json"]
    found = json.loads(elue(*words).stdout)
    assert [(board["task"], board["track"]) for board in found["boards"]] == [
        ("two", "params<=1M"),
        ("two", "flops<=150"),
    ]
    assert [[c["method"] for c in board["curves"]] for board in found["boards"]] == [["static"], ["good", "static"]]
    assert (found["boards"][1]["low"], found["boards"][1]["high"]) == (100, 150)
    assert found["overall"] == []


def test_the_generated_task_and_one_without_the_reference_touch_no_other(elue: Elue, runs: Path) -> None:
    """`static` and one method on `diagnostic` change nobody's mean; a task without `static` has no scores, no more."""
    before = json.loads(elue("score", "--runs", runs, "--json", "--resamples", "200").stdout)
    generator = np.random.default_rng(1)
    labels = [float(y) for y in generator.integers(0, 2, 200)]
    for task, method in (("diagnostic", "static"), ("diagnostic", "mine"), ("three", "good")):
        for knob in (1, 2):
            values = answers(labels, 0.6 + 0.05 * knob, generator)
            records.write(run(method, values, labels, [100 * knob] * 200, knob=knob, task=task), runs)
    done = elue("score", "--runs", runs, "--json", "--resamples", "200")
    assert done.returncode == 0, done.stderr
    after = json.loads(done.stdout)
    assert [board["task"] for board in after["boards"]] == ["diagnostic", "one", "three", "two"]
    assert [board for board in after["boards"] if board["task"] in ("one", "two")] == before["boards"]
    assert after["overall"] == before["overall"]
    shown = elue("score", "--runs", runs, "--task", "three").stdout
    assert "no reference curve here: no scores" in shown


def test_an_index_is_scored_as_its_records(elue: Elue, runs: Path) -> None:
    assert elue("db", "rebuild", "--runs", runs).returncode == 0
    assert elue("score", "--resamples", "200").stdout == elue("score", "--runs", runs, "--resamples", "200").stdout


def test_published_points_become_records_that_score_as_published(elue: Elue, tmp_path: Path) -> None:
    words = ["import-points", POINTS, "--out", "sub", "--reference", "ElasticBERT-BASE", "--published", "2022-11-01"]
    done = elue(*words)
    assert done.returncode == 0, done.stderr
    assert len(list(records.files(tmp_path / "sub"))) == 30
    (board,) = json.loads(elue("score", "--runs", "sub", "--json").stdout)["boards"]
    scores = {c["method"]: c["elue_2022"]["value"] for c in board["curves"]}
    assert all(scores[method] == pytest.approx(published, abs=0.04) for method, published in PUBLISHED.items())


@pytest.mark.parametrize(
    ("words", "say"),
    [
        (["--points", "none.csv", "--reference", "a"], "Cannot read none.csv"),
        (["--points", POINTS], "--reference METHOD"),
        (["--points", POINTS, "--reference", "ElasticBert-base"], "Did you mean 'ElasticBERT-BASE'"),
        (
            ["--points", POINTS, "--reference", "RoBERTa-BASE", "--track", "params<=40M"],
            "--track goes with records only",
        ),
        (["--points", POINTS, "--reference", "RoBERTa-BASE", "--runs", "."], "--runs goes with records only"),
        (["--points", POINTS, "--reference", "RoBERTa-BASE", "--task", "sst2"], "Did you mean 'sst2_elue'"),
        (["--runs", "nowhere"], "no runs folder nowhere"),
        (["--runs", "."], "no ranked runs"),
        (["--db", "sqlite:///none.sqlite"], "no database none.sqlite"),
        (["--runs", ROOT / "submissions" / "elue-2022", "--track", "params<40M"], "is no track"),
        (["--runs", ROOT / "submissions" / "elue-2022", "--task", "sst2"], "Did you mean 'sst2_elue'"),
    ],
)
def test_mistakes_are_one_line_and_leave_nothing(elue: Elue, tmp_path: Path, words: list[str | Path], say: str) -> None:
    done = elue("score", *words)
    assert done.returncode == 2
    assert done.stdout == ""
    assert say in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_a_reference_on_no_board_lists_the_methods(elue: Elue, runs: Path) -> None:
    done = elue("score", "--runs", runs, "--reference", "statik")
    assert done.returncode == 2
    assert "Did you mean 'static'? Known: good, static." in done.stderr


def test_an_index_made_by_an_older_version_says_how_to_mend_it(elue: Elue, tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / "elue.sqlite") as connection:
        connection.execute("CREATE TABLE runs (key TEXT)")
    done = elue("score")
    assert done.returncode == 2
    assert "elue db rebuild --db NEW" in done.stderr


def test_an_edition_is_scored_by_its_own_rules(elue: Elue, tmp_path: Path) -> None:
    world = World()
    static = world.method("static", STATIC)
    for record in [*static, *world.method("good", {1: 0.72, 2: 0.82, 4: 0.9}), *world.training("single", STATIC)]:
        records.write(record, tmp_path / "runs")
    rules = edition_of(static)
    (tmp_path / "mine.toml").write_text(toml_of(rules))
    done = elue("score", "--edition", "mine.toml", "--runs", "runs", "--json")
    assert done.returncode == 0, done.stderr
    standing = json.loads(done.stdout)
    rows = {row["method"]: row for row in standing["tasks"][0]["rows"]}
    assert standing["digest"] == standing["tasks"][0]["digest"]
    assert rows["good"]["tested"]["rank"] == 1
    assert rows["good"]["tested"]["estimate"]["low"] > 0
    assert rows["single"]["tested"]["rank"] is None
    shown = elue("score", "--edition", "mine.toml", "--runs", "runs").stdout
    assert "not frozen yet" in shown
    assert "against baselines" in shown
    assert "these weights: 1 of 3 trainings" in " ".join(shown.split())
    assert "smallest lead" in shown


def test_an_edition_that_has_no_yardstick_yet_says_so(elue: Elue, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(preview())
    done = elue("score", "--edition", "mine.toml", "--runs", ROOT / "submissions" / "baselines" / "records")
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("no scores: the edition has no yardstick for this task yet") == 2


@pytest.mark.parametrize(
    ("words", "say"),
    [
        (["--edition", "2026-previev"], "Did you mean '2026-preview'"),
        (["--edition", "none.toml"], "Cannot read the edition none.toml"),
        (["--edition", "2026-preview", "--reference", "static"], "--reference does not go with --edition"),
        (["--edition", "2026-preview", "--track", "params<=40M"], "--track does not go with --edition"),
        (["--edition", "2026-preview", "--points", POINTS], "--points does not go with --edition"),
        (["--edition", "2026-preview", "--runs", ".", "--task", "mrcp"], "Did you mean 'mrpc'"),
        (["--edition", "2026-preview", "--runs", "nowhere"], "no runs folder nowhere"),
    ],
)
def test_mistakes_with_editions_are_one_line(elue: Elue, words: list[str | Path], say: str) -> None:
    done = elue("score", *words)
    assert (done.returncode, done.stdout) == (2, "")
    assert say in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_track_without_the_reference_says_that(elue: Elue, runs: Path) -> None:
    done = elue("score", "--runs", runs, "--track", "flops<=50")
    assert done.returncode == 0, done.stderr
    assert "no reference curve within flops<=50: no scores" in done.stdout
    assert "Did you mean" not in done.stderr


@pytest.mark.parametrize("track", ["params<=40M", "flops<=500"])
def test_a_track_is_not_blamed_where_no_reference_is(elue: Elue, tmp_path: Path, track: str) -> None:
    generator = np.random.default_rng(0)
    labels = [float(y) for y in generator.integers(0, 2, 200)]
    records.write(run("good", answers(labels, 0.9, generator), labels, [100] * 200, params=10**6), tmp_path)
    done = elue("score", "--runs", tmp_path, "--track", track)
    assert done.returncode == 0, done.stderr
    assert f"no reference curve {'within flops<=500' if 'flops' in track else 'here'}: no scores" in done.stdout
