"""What may not bend a board, as its pages show it: few trainings, published numbers, other splits, generated tasks."""

from __future__ import annotations

import pytest

from elue.leaderboard import boards
from elue.leaderboard.build import pages
from elue.record.index import SET_ASIDE, SubmissionRef
from elue.record.schema import Flag, Record
from tests.leaderboard.reading import Element, read
from tests.leaderboard.samples import curve, summary
from tests.leaderboard.whole import reader_of, summaries_of, whole


def runs(method: str, seeds: int, task: str = "sst2_elue", family: int = 0) -> list[Record]:
    """Whole records of so many trainings."""
    made = []
    for seed in range(seeds):
        for place, base in enumerate(curve(task, method, seed)):
            assert base.weights
            weights = base.weights.model_copy(update={"digest": f"{method}-{seed}"})
            made.append(whole(base.model_copy(update={"weights": weights}), place % 6 + 1, rich=False))
    return made


def rows_of(records: list[Record], page: str = "tasks/sst2_elue.html") -> dict[str, Element]:
    built = dict(pages(summaries_of(records), reader_of(records)))
    table = read(str(built[page])).one("table", class_="sortable compared")
    return {row.all("a")[0].text: row for row in table.one("tbody").all("tr")}


def test_without_an_edition_nothing_has_a_rank_and_few_trainings_are_these_weights() -> None:
    records = [*runs("static", 3), *runs("ltp", 3), *runs("elasticbert", 1)]
    built = dict(pages(summaries_of(records), reader_of(records)))
    rows = rows_of(records)
    assert {label: "These weights" in row.text for label, row in rows.items()} == {
        **{f"{method} · seed {seed}": False for method in ("static", "ltp") for seed in range(3)},
        "elasticbert": True,
    }
    for name in ("index.html", "tasks/sst2_elue.html"):
        page = read(str(built[name]))
        assert not page.all("td", class_="num rank")
        assert "No rank: no edition covers this board" in page.text
        assert {head.text for head in page.all("th", scope="col")}.isdisjoint({"Rank", "Score", "elue-2"})


@pytest.mark.parametrize(("announced", "few"), [(3, False), (20, True)])
def test_the_best_three_of_those_announced_are_these_weights(announced: int, few: bool) -> None:
    ref = SubmissionRef(slug="mine", seeds=announced)
    own = [record.model_copy(update={"submission": ref}) for record in runs("ltp", 3)]
    rows = rows_of([*runs("static", 3), *own])
    assert ("These weights" in rows["ltp · seed 0"].text) == few


def test_ninety_nine_percent_at_one_flop_published_touches_no_front() -> None:
    """Under the revision and profile of measured runs it is a board by itself all the same."""
    measured = runs("static", 3)
    free = summary(
        method={"name": "paper"},
        measure="published",
        weights=None,
        params=None,
        point={"mflops": 1e-6},
        flops=dict.fromkeys(("mean", "p50", "p95", "max", "matmul_mean"), 1.0),
        score={"value": 99.0, "low": 98.0, "high": 99.5},
    )
    given = [*summaries_of(measured), free]
    (task,) = boards.tasks(given)
    alone = boards.tasks(summaries_of(measured))[0].boards[0]
    board, block = task.boards
    assert [run.key for run in board.front] == [run.key for run in alone.front]
    assert [run.key for run in block.runs] == [free.key]
    built = dict(pages(given, reader_of([*measured, free])))
    home = read(str(built["index.html"]))
    assert "paper" not in home.one("table", id="overall").text
    assert "paper" in home.one("table", id="published").text
    page = read(str(built["tasks/sst2_elue.html"]))
    assert "Published block." in page.all("section", class_="board")[1].text
    assert "Published block." not in page.all("section", class_="board")[0].text


@pytest.mark.thorough
def test_the_split_that_points_are_chosen_on_has_no_ranks() -> None:
    test = [*runs("static", 3), *runs("ltp", 3)]
    tuned = [
        record.model_copy(
            update={"task": record.task.model_copy(update={"split": "validation"}), "key": f"{place:064x}"}
        )
        for place, record in enumerate(test)
    ]
    built = dict(pages(summaries_of([*test, *tuned]), reader_of([*test, *tuned])))
    first, second = read(str(built["tasks/sst2_elue.html"])).all("section", class_="board")
    assert first.all("table", class_="sortable compared")
    assert not second.all("table", class_="sortable compared")
    assert "operating points are chosen on this split" in second.text
    alone = read(str(dict(pages(summaries_of(test), reader_of(test)))["index.html"]))
    both = read(str(built["index.html"]))
    assert both.one("table", id="overall").text == alone.one("table", id="overall").text


@pytest.mark.thorough
def test_the_generated_task_has_no_part_in_the_overall_rank() -> None:
    real = [*runs("static", 3), *runs("ltp", 3)]
    made = [*runs("static", 3, "diagnostic"), *runs("switch", 3, "diagnostic")]
    tables = [
        read(str(dict(pages(summaries_of(records), reader_of(records)))["index.html"])).one("table", id="overall").text
        for records in (real, [*real, *made])
    ]
    assert tables[0] == tables[1]
    only = read(str(dict(pages(summaries_of(made), reader_of(made)))["index.html"])).one("table", id="overall")
    assert len(only.one("tbody").all("tr")) == 2, "alone it is shown"
    assert "Rank" not in only.one("thead").text


def test_a_row_that_was_set_aside_says_why() -> None:
    flag = Flag(code=SET_ASIDE, detail="the name 'static' is reserved")
    (task,) = boards.tasks([summary(), summary(point={"threshold": 9}).model_copy(update={"flags": (flag,)})])
    assert len(task.boards[0].runs) == 1
    (run,) = task.unranked
    assert run.why == "Set aside: the name 'static' is reserved"
    page = read(dict(pages([run.record]))["tasks/sst2_elue.html"])
    assert "set aside" in page.one("table").text


def test_who_disagrees_with_whom_is_told_by_method_over_trainings() -> None:
    records = [*runs("static", 3), *runs("ltp", 2), *runs("elasticbert", 1)]
    built = dict(pages(summaries_of(records), reader_of(records)))
    table = read(str(built["samples/sst2_elue.html"])).one("table", class_="differing")
    errors: dict[str, list[tuple[float, ...]]] = {}
    for method, weights in sorted({(record.method.name, str(record.weights)) for record in records}):
        own = [r for r in records if (r.method.name, str(r.weights)) == (method, weights)]
        best = min(own, key=lambda record: (-record.score.value, record.flops.mean, record.key))
        assert best.samples
        errors.setdefault(method, []).append(best.samples.error)
    told = {row.all("th")[0].text: [cell.text for cell in row.all("td")] for row in table.one("tbody").all("tr")}
    assert list(told) == ["elasticbert", "ltp", "static"]
    for method, cells in told.items():
        for other, cell in zip(told, cells, strict=True):
            pairs = [(a, b) for a in errors[method] for b in errors[other] if a is not b]
            apart = [sum(x != y for x, y in zip(a, b, strict=True)) / len(a) for a, b in pairs]
            assert cell == (f"{100 * sum(apart) / len(apart):.1f} %" if apart else "–")
    assert told["elasticbert"][0] == "–" != told["static"][2]
