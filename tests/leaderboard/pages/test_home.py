"""The overall board on the first page is that of `elue.scores.overall`."""

from __future__ import annotations

import pytest

from elue.leaderboard.build import pages
from elue.scores import overall
from tests.leaderboard.reading import numbers, read
from tests.leaderboard.samples import curve
from tests.leaderboard.whole import reader_of, summaries_of, whole
from tests.scoring import against_static

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


def test_rows_are_the_overall_scores_with_the_mean_of_a_methods_curves(records):
    home = read(str(dict(pages(summaries_of(records), reader_of(records)))["index.html"]))
    rows = home.one("table", id="overall").one("tbody").all("tr")
    boards = [against_static([r for r in records if r.task.name == task]) for task in TASKS]
    expected = {score.method: score for score in overall.overall(boards)}
    assert {row.all("a")[0].text for row in rows} == expected.keys()
    for row in rows:
        score = expected[row.all("a")[0].text]
        values = [value for value, _ in numbers(row)]
        assert values[:3] == [score.elue_1.value, score.elue_1.low, score.elue_1.high], "no rank before the scores"
        assert f"{len(score.tasks)} of {score.of}" in row.text
    both = [c.elue_1.value for c in boards[list(TASKS).index("mrpc")].curves if c.method == "ltp" and c.elue_1]
    alone = [c.elue_1.value for c in boards[list(TASKS).index("sst2_elue")].curves if c.method == "ltp" and c.elue_1]
    assert len(both) == 2
    assert both[0] != both[1]
    assert expected["ltp"].elue_1.value == pytest.approx((sum(both) / 2 + alone[0]) / 2)
    assert expected["elasticbert"].tasks == ("mrpc",)
    assert [row.all("a")[0].text for row in rows][-1] == "elasticbert", "whoever covers fewer tasks comes last"


def test_rows_of_several_profiles_say_which(records):
    other = records[0].profile.model_copy(update={"name": "mine", "digest": "9" * 64})
    again = [
        record.model_copy(update={"profile": other, "key": f"{i:064x}"})
        for i, record in enumerate(records)
        if record.method.name == "static"
    ]
    for given, profiles in ((records, []), ([*records, *again], ["elue-1", "elue-1", "elue-1", "mine"])):
        files = dict(pages(summaries_of(given), reader_of(given)))
        table = read(str(files["index.html"])).one("table", id="overall")
        assert ("Profile" in table.one("thead").text) == bool(profiles)
        assert [row.text.split()[-1] for row in table.one("tbody").all("tr") if profiles] == profiles
        for name, boards in (("tasks/mrpc.html", 1), ("methods/static.html", len(TASKS))):
            headings = [heading.text for heading in read(str(files[name])).all("h2")]
            assert sum("mine" in heading for heading in headings) == (boards if profiles else 0)
