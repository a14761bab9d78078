"""The table on the first page is that of the leads over the static model."""

from __future__ import annotations

import pytest

from elue.leaderboard.build import pages
from elue.record.schema import Record
from elue.scores.leads import Lead
from elue.scores.resampling import Column, column_of
from elue.scores.testing import mean_of
from elue.scores.weights import board_leads
from tests.leaderboard.reading import numbers, read
from tests.leaderboard.samples import curve
from tests.leaderboard.whole import reader_of, summaries_of, whole

TASKS = ("sst2_elue", "mrpc")


@pytest.fixture(scope="module")
def records():
    """Two tasks; on one of them a method has two seeds, and another method is missing."""
    chosen = [("static", 0), ("ltp", 0), ("ltp", 1), ("elasticbert", 0)]
    return [
        whole(base.model_copy(update={"task": base.task.model_copy(update={"name": task})}), i % 6 + 1, rich=False)
        for task in TASKS
        for method, seed in chosen
        if task == "mrpc" or (method, seed) not in (("ltp", 1), ("elasticbert", 0))
        for i, base in enumerate(curve("diagnostic" if task == "mrpc" else task, method, seed))
    ]


def leads(records: list[Record]) -> dict[str, Lead]:
    """The leads of a board's methods over its static one."""
    curves: dict[tuple[str, int], list[Column]] = {}
    for record in sorted(records, key=lambda record: (record.flops.mean, record.key)):  # type: ignore[union-attr]
        curves.setdefault((record.method.name, record.seed), []).append(column_of(record))
    methods: dict[str, list[list[Column]]] = {}
    for (method, _), points in curves.items():
        methods.setdefault(method, []).append(points)
    assert records[0].samples
    return board_leads(methods, methods["static"][0], records[0].samples.id)


def test_rows_are_the_mean_lead_over_tasks_with_all_of_a_methods_curves(records):
    home = read(str(dict(pages(summaries_of(records), reader_of(records)))["index.html"]))
    rows = [row for body in home.one("table", id="overall").all("tbody") for row in body.all("tr")]
    boards = [leads([r for r in records if r.task.name == task]) for task in TASKS]
    assert {row.all("a")[0].text for row in rows} == set(boards[1])
    for row in rows:
        method = row.all("a")[0].text
        own = [board[method].lead for board in boards if method in board]
        values = [value for value, _ in numbers(row)]
        assert f"{len(own)} of 2" in row.text
        if method == "static":
            assert values[0] == 0
            continue
        estimate = mean_of(own).estimate
        assert values[0] == pytest.approx(estimate.value), "no rank before the scores"
        assert values[1:3] == pytest.approx([estimate.low, estimate.high], abs=0.05), "drawn in another order"
        at = [mean_of([board[method].at[place] for board in boards if method in board]).value for place in range(3)]
        assert values[3:6] == pytest.approx(at)
    assert len(boards[1]["ltp"].trainings) == 2
    assert [row.all("a")[0].text for row in rows][-1] == "elasticbert", "whoever covers fewer tasks comes last"


@pytest.mark.parametrize(("seed", "seeds"), [(0, 1), (1, 2)])
def test_a_seed_trained_again_by_other_code_is_no_further_seed(records, seed, seeds):
    own = [record for record in records if record.method.name == "elasticbert"]
    later = {"method": own[0].method.model_copy(update={"source_digest": "e" * 64}), "seed": seed, "weights": None}
    again = [record.model_copy(update={**later, "key": f"{i:064x}"}) for i, record in enumerate(own)]
    home = read(str(dict(pages(summaries_of([*records, *again]), reader_of([*records, *again])))["index.html"]))
    table = home.one("table", id="overall")
    (place,) = [place for place, head in enumerate(table.one("thead").all("th")) if head.text.startswith("Seeds")]
    (row,) = [row for body in table.all("tbody") for row in body.all("tr") if row.all("a")[0].text == "elasticbert"]
    assert row.all("td")[place - 1].text == str(seeds)


def test_rows_of_several_profiles_say_which(records):
    other = records[0].profile.model_copy(update={"name": "mine", "digest": "9" * 64})
    again = [
        record.model_copy(update={"profile": other, "key": f"{i:064x}"})
        for i, record in enumerate(records)
        if record.method.name == "static"
    ]
    for given, profiles in ((records, []), ([*records, *again], ["mine"])):
        files = dict(pages(summaries_of(given), reader_of(given)))
        home = read(str(files["index.html"]))
        headings = [heading.text for heading in home.all("h2")]
        assert sum("mine" in heading for heading in headings) == len(profiles)
        told = [row.text for body in home.all("tbody") for row in body.all("tr") if "of 2" in row.text]
        assert len(told) == 3 + len(profiles)
        for name, boards in (("tasks/mrpc.html", 1), ("methods/static.html", len(TASKS))):
            headings = [heading.text for heading in read(str(files[name])).all("h2")]
            assert sum("mine" in heading for heading in headings) == (boards if profiles else 0)
