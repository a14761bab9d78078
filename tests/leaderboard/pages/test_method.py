"""A method's page: its own paper, code, differences and tuning, a summary over tasks, and a fold a task."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.leaderboard import build, manifests, origins
from elue.record.store import Store
from elue.submissions import manifest
from tests.leaderboard.reading import Element, read

SUBMISSIONS = Path(__file__).parents[3] / "submissions"
MODULES = {"static": "plugins/static.py", "elasticbert": "plugins/early_exit/elasticbert.py"}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    root = tmp_path_factory.mktemp("methods")
    store = Store(f"sqlite:///{root / 'index.sqlite'}")
    store.rebuild([SUBMISSIONS])
    kept = [s for s in store.summaries() if s.method.name in (*MODULES, "ALBERT-PABEE")]
    build(kept, root / "site", None, manifests.read(SUBMISSIONS))
    return root / "site"


def facts(page: Element) -> dict[str, str]:
    facts = page.all("dl", class_="facts small")[0]
    return {dt.text: dd.text for dt, dd in zip(facts.all("dt"), facts.all("dd"), strict=True)}


@pytest.mark.parametrize("name", MODULES)
def test_paper_code_and_tuning_are_its_own(site: Path, name: str) -> None:
    page = read((site / "methods" / f"{name}.html").read_text("utf-8"))
    told = facts(page)
    submission = manifest.read(SUBMISSIONS / "baselines")
    assert MODULES[name] in told["Code"]
    assert told["Paper"] != submission.paper, "that of all its methods at once"
    assert told["Operating points chosen on"] == ("nothing" if name == "static" else "validation")
    assert "What differs from the paper." in page.text
    assert origins.differences()[name].split(". ")[0] in page.text


def test_a_summary_has_a_row_a_board_and_each_board_a_fold(site: Path) -> None:
    page = read((site / "methods" / "elasticbert.html").read_text("utf-8"))
    folds = page.all("details", class_="board source fold")
    rows = page.one("table", class_="summary").one("tbody").all("tr")
    assert len(rows) == len(folds) > 2
    assert ["open" in fold.attributes for fold in folds] == [True] + [False] * (len(folds) - 1)
    links = [row.all("a")[0].attributes["href"].removeprefix("#") for row in rows]
    assert links == [fold.one("h2").attributes["id"] for fold in folds]


def test_a_published_method_says_nothing_of_tuning_or_hardware(site: Path) -> None:
    (path,) = (site / "methods").glob("albert-pabee*.html")
    told = facts(read(path.read_text("utf-8")))
    assert told.keys().isdisjoint({"Operating points chosen on", "Hardware", "Code", "Division", "Trainings announced"})
    assert "Zhou et al." in told["Paper"]


def test_each_measured_board_says_what_is_kept_and_moved(site: Path) -> None:
    page = read((site / "methods" / "static.html").read_text("utf-8"))
    told = [line.text for line in page.all("p", class_="quiet") if line.text.startswith("It keeps")]
    assert len(told) == len(page.all("details", class_="board source fold")) > 2
    assert all(line.startswith("It keeps 22.71 M parameters, 90.86 MB at four bytes each. A sample") for line in told)
    assert any("touches 1.942 M to 10.81 M of them and moves 9.988 MB to 53.85 MB." in line for line in told)
    (published,) = (site / "methods").glob("albert-pabee*.html")
    assert "It keeps" not in published.read_text("utf-8")
