"""`elue edition freeze`, end to end: from submissions to an edition that ranks them."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from elue import tasks
from elue.record import files as records
from elue.scores import edition as editions
from elue.scores.edition import content_of
from elue.scores.edition_file import text_of
from tests.commanding import Elue
from tests.editions import STATIC, World, edition_of, unfilled
from tests.leaderboard.reading import read
from tests.submissions_of import submission

GOOD = {1: 0.72, 2: 0.82, 4: 0.9}


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    """Submissions of the house and of others, one of which calls its method as the house's, and an edition's file."""
    monkeypatch.delenv("ELUE_DATA", raising=False)  # their task is nowhere to be loaded from
    world = World()
    static = world.method("static", STATIC)
    submission(tmp_path / "submissions", "baselines", static)
    submission(tmp_path / "submissions", "theirs", world.method("good", GOOD))
    submission(tmp_path / "submissions", "spoilt", world.method("static", {1: 0.5, 3: 0.5, 4: 0.5}))
    submission(tmp_path / "submissions", "alone", world.training("single", GOOD), seeds=1)
    (tmp_path / "mine.toml").write_text(text_of(unfilled(edition_of(static))), encoding="utf-8")
    return world


def freeze(elue: Elue, *words: str | Path, yardstick: str = "baselines") -> subprocess.CompletedProcess[str]:
    return elue("edition", "freeze", "mine.toml", "--yardstick", yardstick, "--runs", "submissions", *words)


def test_a_frozen_edition_ranks_what_was_submitted(elue: Elue, world: World, tmp_path: Path) -> None:
    before = elue("score", "--edition", "mine.toml", "--runs", "submissions")
    assert "no scores: the edition has no yardstick for this task yet" in before.stdout, before.stderr
    done = freeze(elue)
    assert done.returncode == 0, done.stderr
    made = editions.load(tmp_path / "mine.toml")
    assert made.frozen
    assert f"frozen as {made.rules} in mine.toml" in done.stderr
    yardstick = made.tasks["mine"].yardstick
    assert (yardstick.submission, yardstick.method, len(yardstick.runs)) == ("baselines", "static", 9)
    known = made.tasks["mine"].trainings
    assert known
    assert known.degrees == 2, "of the yardstick alone: no other method is of the house"
    assert all(0.1 < spread < 4 for spread in known.spread)
    shown = elue("score", "--edition", "mine.toml", "--runs", "submissions", "--json")
    assert shown.returncode == 0, shown.stderr
    standing = json.loads(shown.stdout)
    assert (standing["digest"], standing["frozen"]) == (made.rules, True)
    rows = {row["method"]: row["tested"] for row in standing["tasks"][0]["rows"]}
    assert rows["good"]["rank"] == 1
    assert rows["single"]["rank"] is None
    assert "static" not in rows, "the spoilt copy is set aside, the true one is the yardstick"


def test_a_draft_ranks_and_can_be_filled_again_and_frozen(elue: Elue, world: World, tmp_path: Path) -> None:
    done = freeze(elue, "--draft")
    assert done.returncode == 0, done.stderr
    assert "filled, and not frozen yet, as " in done.stderr
    draft = editions.load(tmp_path / "mine.toml")
    assert not draft.frozen
    shown = elue("score", "--edition", "mine.toml", "--runs", "submissions")
    assert "not frozen yet" in shown.stdout, shown.stderr
    standing = json.loads(elue("score", "--edition", "mine.toml", "--runs", "submissions", "--json").stdout)
    rows = {row["method"]: row["tested"] for row in standing["tasks"][0]["rows"]}
    assert rows["good"]["rank"] == 1
    assert freeze(elue, "--draft").returncode == 0
    assert editions.load(tmp_path / "mine.toml") == draft
    assert freeze(elue).returncode == 0
    assert editions.load(tmp_path / "mine.toml").rules == draft.rules, "all but the digest stands in the draft"


@pytest.mark.thorough
def test_a_damaged_record_denies_nobody_the_scores(elue: Elue, world: World, tmp_path: Path) -> None:
    """Half a FLOP in one sample: the index takes the summary, and the whole record can't be read."""
    assert freeze(elue).returncode == 0
    before = json.loads(elue("score", "--edition", "mine.toml", "--runs", "submissions", "--json").stdout)
    half = world.method("half", GOOD)
    assert half[0].samples
    flops = (0.5, *half[0].samples.flops[1:])
    half[0] = half[0].model_copy(update={"samples": half[0].samples.model_copy(update={"flops": flops})})
    submission(tmp_path / "submissions", "hostile", half)
    for words in (["--edition", "mine.toml"], []):
        done = elue("score", *words, "--runs", "submissions", "--json")
        assert done.returncode == 0, done.stderr
        assert "skipped: " in done.stderr
        if words:
            rows = {row["method"]: row for row in json.loads(done.stdout)["tasks"][0]["rows"]}
            for row in before["tasks"][0]["rows"]:
                assert rows[row["method"]]["tested"]["lead"] == row["tested"]["lead"]
    done = elue("db", "rebuild", "--runs", "submissions")
    assert done.returncode == 0, done.stderr
    done = elue("site", "--out", "site", "--edition", "mine.toml")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("skipped: ") == 1
    assert half[0].key in done.stderr
    assert not (tmp_path / "site" / "runs" / f"{half[0].key[:16]}.html").exists()


def test_the_site_ranks_by_it(elue: Elue, world: World, tmp_path: Path) -> None:
    assert freeze(elue).returncode == 0
    assert elue("db", "rebuild", "--runs", "submissions").returncode == 0
    done = elue("site", "--out", "site", "--edition", "mine.toml")
    assert done.returncode == 0, done.stderr
    page = read((tmp_path / "site" / "tasks" / "mine.html").read_text("utf-8"))
    rows = page.one("table", class_="sortable standing").one("tbody").all("tr")
    assert [row.all("td", class_="num rank")[0].text for row in rows if row.all("a")[0].text == "good"] == ["1"]
    assert "not frozen yet" not in (tmp_path / "site" / "index.html").read_text("utf-8")
    twice = elue("site", "--out", "other", "--edition", "mine.toml", "--edition", "./mine.toml")
    assert (twice.returncode, "Two editions are called 'mine'" in twice.stderr) == (2, True)


@pytest.mark.thorough
def test_what_is_retracted_counts_on(elue: Elue, world: World, tmp_path: Path) -> None:
    """On the command line as on the site: the part of the level of who is left does not grow."""
    made = [*world.method("better", GOOD), *world.method("worse", {1: 0.55, 2: 0.6, 4: 0.7})]
    submission(tmp_path / "submissions", "two", made)
    assert freeze(elue).returncode == 0

    def tested() -> tuple[dict[str, float], dict[str, float]]:
        assert elue("db", "rebuild", "--runs", "submissions").returncode == 0
        assert elue("site", "--out", "site", "--edition", "mine.toml").returncode == 0
        shown = json.loads((tmp_path / "site" / "data" / "edition-mine.json").read_text("utf-8"))
        told = json.loads(elue("score", "--edition", "mine.toml", "--json").stdout)
        one, other = (
            {row["method"]: row["tested"]["p_adjusted"] for row in standing["tasks"][0]["rows"]}
            for standing in (shown, told)
        )
        return one, other

    before = tested()
    done = elue("retract", "submissions/two", "--method", "worse", "--reason", "it came out worse")
    assert done.returncode == 0, done.stderr
    after = tested()
    for was, now in zip(before, after, strict=True):
        assert "worse" not in now
        assert now["better"] == was["better"] < 1


def test_the_digests_are_those_of_the_submissions_runs(elue: Elue, world: World, tmp_path: Path) -> None:
    assert elue("db", "rebuild", "--runs", "submissions").returncode == 0
    done = elue("edition", "freeze", "mine.toml", "--yardstick", "baselines", "--out", "other.toml", "--json")
    assert done.returncode == 0, done.stderr
    own = [records.read(path) for path in records.files(tmp_path / "submissions" / "baselines" / "records")]
    made = editions.load(tmp_path / "other.toml")
    assert made.name == "other"
    assert set(made.tasks["mine"].yardstick.runs) == {content_of(record) for record in own}
    assert json.loads(done.stdout)["digest"] == made.rules
    assert not editions.load(tmp_path / "mine.toml").frozen


@pytest.mark.parametrize(
    ("yardstick", "words", "say"),
    [
        ("spoilt", [], "'spoilt' has no runs of 'static' on mine"),
        ("nobody", [], "'nobody' has no runs of 'static' on mine"),
        ("theirs", [], "'theirs' has no runs of 'static' on mine"),
        ("alone", ["--method", "single"], "'single' can't be the yardstick on mine: these weights: 1 of 3 trainings"),
        ("baselines", ["--out", "other.json"], "other.json is no edition's file"),
        ("baselines", ["--out", "taken.toml"], "taken.toml is there already"),
        ("baselines", ["--data", "."], "mine"),
    ],
)
def test_what_can_be_no_yardstick_leaves_the_file_as_it_was(
    elue: Elue, world: World, tmp_path: Path, yardstick: str, words: list[str], say: str
) -> None:
    (tmp_path / "taken.toml").touch()
    before = (tmp_path / "mine.toml").read_bytes()
    done = freeze(elue, *words, yardstick=yardstick)
    assert (done.returncode, done.stdout) == (2, "")
    assert say in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert (tmp_path / "mine.toml").read_bytes() == before
    assert not (tmp_path / "other.json").exists()


def test_a_frozen_edition_is_not_frozen_again(elue: Elue, world: World, tmp_path: Path) -> None:
    assert freeze(elue).returncode == 0
    again = freeze(elue)
    assert again.returncode == 2
    assert "is frozen already" in again.stderr
    text = (tmp_path / "mine.toml").read_text("utf-8")
    (tmp_path / "mine.toml").write_text(text.replace("seeds = 3", "seeds = 2"), encoding="utf-8")
    done = elue("score", "--edition", "mine.toml", "--runs", "submissions")
    assert done.returncode == 2
    assert "A frozen edition never changes" in done.stderr


def paraphrases(folder: Path, split: str, count: int) -> None:
    """Made-up rows of `mrpc`, as many as the split has; two in three are equivalent, two in a row share a sentence."""
    rows = [f"sentence {split} {place // 2},other {split} {place},{int(place % 3 > 0)}" for place in range(count)]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{split}.csv").write_text("\n".join(["sentence1,sentence2,label", *rows]) + "\n", encoding="utf-8")


def test_floors_and_revisions_are_made_anew_of_data(elue: Elue, tmp_path: Path) -> None:
    for split, count in (("test", 1725), ("validation", 408)):
        paraphrases(tmp_path / "data" / "mrpc", split, count)
    test, validation = (tasks.load(tasks.get("mrpc"), split, tmp_path / "data") for split in ("test", "validation"))
    static = World("mrpc", samples=1725).method("static", STATIC)
    told = [
        record.model_copy(update={"task": record.task.model_copy(update={"revision": test.revision})})
        for record in static
    ]
    told = [record.model_copy(update={"key": records.identity(record).key}) for record in told]
    submission(tmp_path / "submissions", "baselines", told)
    (tmp_path / "mine.toml").write_text(text_of(unfilled(edition_of(told))), encoding="utf-8")
    done = freeze(elue, "--data", "data")
    assert done.returncode == 0, done.stderr
    assert "mrpc: floor is 73.3" in done.stderr
    assert "and was 50" in done.stderr
    made = editions.load(tmp_path / "mine.toml").tasks["mrpc"]
    assert (made.revision, made.validation) == (test.revision, validation.revision)
    # always "equivalent" on two of three: accuracy 2/3, F1 4/5
    assert made.floor == pytest.approx(100 * (2 / 3 + 4 / 5) / 2, abs=1e-3)
    assert len(made.clusters) == 1725
    assert (len(set(made.clusters)), made.clusters[:5]) == (863, (0, 0, 1, 1, 2))


def test_the_generated_task_is_in_no_edition(elue: Elue, world: World, tmp_path: Path) -> None:
    text = (tmp_path / "mine.toml").read_text("utf-8").replace('[tasks."mine"]', "[tasks.diagnostic]")
    (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
    done = freeze(elue)
    assert done.returncode == 2
    assert "is generated" in done.stderr
