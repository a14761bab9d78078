"""The rules that keep scores from being bent, each broken by a submission that all else finds sound."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from elue.methods import registry
from elue.record import files as records
from elue.record.board import board_of
from elue.record.schema import Crossing, Record, WeightsRef
from elue.record.store import Store
from elue.scores import edition as editions
from elue.submissions.checks.rules import MOST_POINTS
from elue.submissions.packing import Packing, pack
from elue.submissions.standing import as_it_stands
from elue.submissions.validate import validate
from tests.submissions.breaking import codes, commit, edit, files, manifest, part
from tests.submissions.conftest import FIELDS, measure

COMMITTED = Path(__file__).parents[2] / "submissions"


def said(folder: Path, code: str, base: str | None = None) -> list[str]:
    return [finding.what for finding in validate(folder, base=base).findings if finding.code == code]


def add(folder: Path, record: Record) -> Path:
    """One record more, under the key that is right."""
    return records.write(record.model_copy(update={"key": records.identity(record).key}), folder / "records")


def trained(folder: Path, seed: int, digit: str, **options: object) -> None:
    """One training more: the first record's answers, as if of weights of their own."""
    record = records.read(files(folder)[0])
    training = {"method": "hello", "seed": seed, "options": {"learning_rate": 0.1, **options}, "samples": {"train": 9}}
    add(folder, record.model_copy(update={"weights": WeightsRef(digest=digit * 64, training=training)}))


@pytest.fixture
def published(tmp_path: Path) -> Path:
    """A copy of the committed published block."""
    return Path(shutil.copytree(COMMITTED / "elue-2022", tmp_path / "elue-2022"))


def test_a_measured_run_that_calls_itself_published_is_refused(hello: Path) -> None:
    edit(hello, measure="published", samples=None)
    whats = said(hello, "E702")
    assert "E702" in codes(validate(hello))
    for words in ("which is no published block (leaderboard-2022)", "beside measured ones", "there is no table"):
        assert any(words in what for what in whats)


def test_the_committed_block_stands_and_nobody_else_s(published: Path) -> None:
    assert said(published, "E702") == []
    mine = Path(shutil.copytree(published, published.parent / "mine"))
    manifest(mine, 'slug = "elue-2022"', 'slug = "mine"')
    whats = said(mine, "E702")
    assert len(whats) == 30
    assert set(whats) == {
        "it holds published numbers in the block 'leaderboard-2022', which is that of the submission elue-2022"
    }


def test_a_published_row_has_its_row_in_the_table(published: Path) -> None:
    edit(published, score=part(published, "score", value=99.0, low=98.0, high=99.5))
    assert said(published, "E702") == ["it is none of the rows of points.csv"]
    (published / "points.csv").unlink()
    assert said(published, "E702") == ["there is no table 'points.csv' that its published numbers are from"]


@pytest.mark.thorough
def test_ninety_nine_percent_at_one_flop_under_a_measured_revision(tmp_path: Path) -> None:
    """It is refused and, where it gets into the index all the same, is on no board that anything measured is on."""
    folder = Path(shutil.copytree(COMMITTED / "baselines", tmp_path / "submissions" / "mine"))
    manifest(folder, 'slug = "baselines"', 'slug = "mine"')
    kept = [path for path in files(folder) if path.parent.name == "switch"]
    for path in files(folder):
        if path not in kept:
            path.unlink()
    record = records.read(kept[0])
    assert record.flops
    cheap = record.flops.model_copy(update=dict.fromkeys(("mean", "p50", "p95", "max", "matmul_mean"), 1.0))
    assert record.score
    best = record.score.model_copy(update={"value": 99.0, "low": 98.0, "high": 99.5})
    changed = record.model_copy(
        update={
            "measure": "published",
            "point": {"mflops": 1e-6},
            "samples": None,
            "flops": cheap,
            "score": best,
            "units": {},
            "weights": None,
        }
    )
    add(folder, changed)
    assert any("which is no published block" in what for what in said(folder, "E702"))
    store = Store(f"sqlite:///{tmp_path / 'index.sqlite'}")
    store.rebuild([folder / "records"], as_it_stands([folder / "records"]))
    (row,) = [shown for shown in store.summaries() if shown.measure == "published"]
    assert [flag.code for flag in row.flags][-1] == "set_aside"
    assert board_of(row) not in store.boards()
    assert all(shown.measure != "published" for board in store.boards() for shown in store.records(board, ranked=True))


def test_sixteen_points_a_training_and_no_more(hello: Path) -> None:
    record = records.read(files(hello)[0])
    for passes in range(1, MOST_POINTS + 1):
        add(hello, record.model_copy(update={"point": {"passes": passes}}))
    assert len(files(hello)) == MOST_POINTS
    assert said(hello, "E703") == []
    add(hello, record.model_copy(update={"point": {"passes": 99}}))
    assert said(hello, "E703") == ["hello has 17 operating points on diagnostic test under elue-1, more than 16"]
    text = '\n[[retracted]]\nmethod = "hello"\npoint = { passes = 99 }\nreason = "bad"\nwhen = "now"\n'
    with (hello / "submission.toml").open("a") as file:
        file.write(text)
    assert said(hello, "E703"), "a point taken back was seen all the same"


def test_crossings_are_not_counted_and_only_a_rule_that_is_not_its_own_makes_one(hello: Path) -> None:
    record = records.read(files(hello)[0])
    assert said(hello, "E706") == []
    for passes in range(1, MOST_POINTS + 2):
        crossing = Crossing(rule="patience", own=("entropy",))
        add(hello, record.model_copy(update={"point": {"passes": passes}, "crossing": crossing}))
    assert said(hello, "E703") == []
    what = "its rule is None, its method's own are none, and it says otherwise"
    assert said(hello, "E706") == [what] * (MOST_POINTS + 1)


def test_the_editions_take_as_many_points() -> None:
    assert {editions.load(name).points for name in editions.names()} == {MOST_POINTS}


def test_trainings_of_one_family_lie_together(hello: Path) -> None:
    untrained = files(hello)
    for seed in range(3):
        trained(hello, seed, digit=str(seed))
    for path in untrained:
        path.unlink()
    assert said(hello, "E704") == []
    assert not any("sets of weights" in what for what in said(hello, "E107")), "each has its seed"
    trained(hello, seed=3, digit="3", learning_rate=0.2)
    assert said(hello, "E704") == [
        "the 4 trainings of hello on diagnostic differ in more than their seed: learning_rate"
    ]
    trained(hello, seed=3, digit="4")
    assert any("seed 3, was measured with 2 sets of weights" in what for what in said(hello, "E107"))


def test_as_many_trainings_as_were_announced(hello: Path) -> None:
    for path in files(hello)[1:]:
        path.unlink()
    for seed in range(3):
        trained(hello, seed, digit=str(seed))
    next(path for path in files(hello) if records.read(path).weights is None).unlink()
    (what,) = said(hello, "R705")
    assert what == "hello on diagnostic has 3 trainings, and 1 announced: it gets no rank"
    manifest(hello, "seeds = 1", "seeds = 3")
    assert said(hello, "R705") == []
    files(hello)[0].unlink()
    trained(hello, seed=19, digit="9")
    assert "not 0 to 2" in said(hello, "R705")[0]


def test_a_run_with_a_seed_of_its_own(hello: Path) -> None:
    """Of a method that draws at inference, the luckiest of many runs could be picked."""
    trained(hello, seed=2, digit="2")
    for path in [path for path in files(hello) if records.read(path).weights is None]:
        path.unlink()
    assert not any("was run with" in what for what in said(hello, "R705"))
    (path,) = files(hello)
    record = records.read(path)
    path.unlink()
    add(hello, record.model_copy(update={"seed": 17}))
    what = "hello on diagnostic was run with seed 17, neither 0 nor its training's: it gets no rank"
    assert what in said(hello, "R705")


def test_an_announcement_stands(hello: Path) -> None:
    root = hello.parent.parent
    (root / "note").write_text("x")
    shutil.move(hello, root / "aside")
    commit(root)
    shutil.move(root / "aside", hello)
    assert said(hello, "R504", base="HEAD") == []
    manifest(hello, "seeds = 1", "seeds = 3")
    assert said(hello, "R504", base="HEAD") == ["3 trainings are announced together with their results"]
    commit(root)
    assert said(hello, "R504", base="HEAD") == []
    manifest(hello, "seeds = 3", "seeds = 2")
    assert said(hello, "E503", base="HEAD") == ["it announces 2 trainings, and 3 at HEAD"]
    manifest(hello, "version = 1\ntitle", "version = 2\ntitle")
    assert said(hello, "E503", base="HEAD") == []
    assert said(hello, "R504", base="HEAD") == ["it announces 2 trainings, and 3 at HEAD"]


def test_validation_records_are_taken_beside_those_on_test(measured: Path, tmp_path: Path) -> None:
    plugin = measured / "hello.py"
    runs = Path(shutil.copytree(measured / "runs", tmp_path / "runs"))
    assert [record.status for record in measure(plugin, runs, split="validation")] == ["ok", "ok"]
    folder = tmp_path / "submissions" / "hello"
    packed = pack(Packing([registry.find(str(plugin))], runs, folder, fields=FIELDS))
    assert packed.records == 4
    assert validate(folder).findings == ()
    store = Store(f"sqlite:///{tmp_path / 'index.sqlite'}")
    store.rebuild([folder / "records"], as_it_stands([folder / "records"]))
    assert sorted((board.split, len(list(store.records(board)))) for board in store.boards()) == [
        ("test", 2),
        ("validation", 2),
    ]
    for path in files(folder):
        if records.read(path).task.split == "test":
            path.unlink()
    assert set(said(folder, "E205")) == {
        "it is on the validation split, and no record of these weights is on the test split"
    }
