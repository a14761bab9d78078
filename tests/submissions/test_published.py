"""Published points as records: they say what they are, come out the same again, and score as published."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from scipy.stats import binomtest

from elue.errors import ElueError
from elue.record import files as records
from elue.record.schema import Record
from elue.record.store import Store
from elue.submissions.published import import_table
from elue.tasks import metrics
from tests.scores.test_curve import PUBLISHED
from tests.scores.test_table import HEADER
from tests.scoring import against_static

ROOT = Path(__file__).parents[2] / "submissions" / "elue-2022"
ROWS = "e,sst2_elue,base,static,10,100,80\ne,sst2_elue,dyn,dynamic,20,150,83.5\n"


def plain(record: Record) -> dict[str, Any]:
    """All but what hangs on the operator table: the records need not be made anew with each new operator."""
    document = records.summary(record)
    return {name: value for name, value in document.items() if name not in ("key", "profile")}


def test_the_committed_records_are_made_from_the_committed_table(tmp_path: Path) -> None:
    made = import_table(ROOT / "points.csv", tmp_path, "ElasticBERT-BASE", "2022-11-01")
    again = import_table(ROOT / "points.csv", tmp_path, "ElasticBERT-BASE", "2022-11-01")
    assert len(set(made)) == 30
    assert made == again

    def order(record: Record) -> tuple[str, float]:
        return record.method.name, record.flops.mean if record.flops else 0

    committed = sorted(map(records.read, records.files(ROOT / "records")), key=order)
    assert [plain(r) for r in committed] == [plain(r) for r in sorted(map(records.read, made), key=order)]


@pytest.mark.parametrize("path", list(records.files(ROOT / "records")), ids=lambda path: path.stem[:8])
def test_a_declared_record_says_so(path: Path) -> None:
    record = records.read(path)
    assert record.key == path.stem == records.identity(record).key
    assert (record.measure, record.trust, record.audited) == ("published", "self_reported", 0)
    assert record.profile.name == "elue-2022"
    assert [flag.code for flag in record.flags] == ["declared"]
    assert record.environment["declared"] == {"table": "points.csv", "reference": "ElasticBERT-BASE"}
    assert record.samples is None
    assert record.score
    assert record.flops
    assert record.claimed == record.flops.mean
    assert record.score.low < record.score.value < record.score.high


def test_a_store_of_them_gives_the_published_scores(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'index.sqlite'}")
    assert store.rebuild([ROOT]) == 30
    (key,) = store.boards()
    found = against_static(store.records(board=key, ranked=True))
    assert (found.profile, found.floor, found.low, found.high) == ("elue-2022", 50, 1060e6, 4235e6)
    scores = {c.method: c.elue_2022.value for c in found.curves if c.elue_2022}
    for method, published in PUBLISHED.items():
        assert scores[method] == pytest.approx(published, abs=0.04)


def test_measured_runs_never_share_their_board(tmp_path: Path) -> None:
    store = Store(f"sqlite:///{tmp_path / 'index.sqlite'}")
    store.rebuild([ROOT, ROOT.parent / "baselines"])
    assert len(store.boards()) == len({record.profile.name for record in store.records()}) == 3


@pytest.mark.parametrize(("right", "samples"), [(1900, 2210), (3, 10), (0, 50), (50, 50)])
def test_the_interval_of_a_share_is_wilsons(right: int, samples: int) -> None:
    expected = binomtest(right, samples).proportion_ci(method="wilson")
    low, high = metrics.known_interval("accuracy", 100 * right / samples, samples)
    assert (low, high) == pytest.approx((100 * expected.low, 100 * expected.high), abs=1e-6)


def test_the_interval_of_a_correlation_is_fishers() -> None:
    low, high = metrics.known_interval("pearson_spearman", 80.0, 103)
    assert math.atanh(high / 100) - math.atanh(0.8) == pytest.approx(0.1959964)
    assert math.atanh(0.8) - math.atanh(low / 100) == pytest.approx(0.1959964)
    assert metrics.known_interval("pearson_spearman", 100.0, 103) == (100, 100)


@pytest.mark.parametrize(
    ("rows", "reference", "published", "words"),
    [
        (ROWS, "bass", "2022-11-01", "Did you mean 'base'"),
        (ROWS, "base", "November", "is no date"),
        (ROWS.replace("sst2_elue", "sst2_elu"), "base", "2022-11-01", "Unknown task 'sst2_elu'"),
        (ROWS.replace("dyn,", "../dyn,"), "base", "2022-11-01", "cannot name a folder"),
        (ROWS + "e,sst2_elue,dyn,dynamic,20,150,84\n", "base", "2022-11-01", "two points at one cost"),
    ],
)
def test_mistakes_write_nothing(tmp_path: Path, rows: str, reference: str, published: str, words: str) -> None:
    table = tmp_path / "points.csv"
    table.write_text(HEADER + rows)
    with pytest.raises(ElueError, match=words):
        import_table(table, tmp_path / "out", reference, published)
    assert not (tmp_path / "out").exists()


def test_an_unknown_family_is_named(tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    table.write_text("task,method,mflops_per_sample,score,family\nsst2_elue,a,100,80,early_exits\n")
    with pytest.raises(ElueError, match="Did you mean 'early_exit'"):
        import_table(table, tmp_path / "out", "a", "2022-11-01")
