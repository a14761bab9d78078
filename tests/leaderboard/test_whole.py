"""Pages made of whole records, read back: scores, samples, retractions, addresses, and links that lead somewhere."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.leaderboard import build, details, manifests
from elue.leaderboard.links import checked
from elue.record.files import summary as summary_of
from tests.leaderboard.reading import numbers, read
from tests.leaderboard.samples import summary
from tests.leaderboard.whole import REASON, SUBMISSION
from tests.scoring import against_static

SUBMISSIONS = Path(__file__).parents[2] / "submissions"


def page(site, path):
    return read((site / path).read_text("utf-8"))


@pytest.fixture(scope="module")
def ranked(whole_records):
    """What `elue.scores.comparing` says of the board of the diagnostic task, without the run that was taken back."""
    own = [r for r in whole_records if r.task.name == "diagnostic"]
    return against_static([r for r in own if (r.method.name, r.point) != ("ltp", {"scale": 3.0})])


def test_ranks_scores_and_intervals_are_those_of_the_ranking(whole_site, ranked):
    table = page(whole_site, "tasks/diagnostic.html").one("table", class_="sortable compared")
    rows = table.one("tbody").all("tr")
    assert len(rows) == len(ranked.curves)
    for row, curve in zip(rows, ranked.curves, strict=True):
        new, old = curve.elue_1, curve.elue_2022
        found = [value for value, _ in numbers(row)]
        assert row.all("a")[0].text == curve.method
        assert found == [new.value, new.low, new.high, old.value, curve.best, curve.points, 1], "one training, no rank"
        assert "These weights" in row.text


def test_the_front_has_its_probability(whole_site, ranked):
    rows = page(whole_site, "tasks/diagnostic.html").one("table", class_="runs sortable").one("tbody").all("tr")
    likely = {f"run-{point.key[:16]}": point.front_probability for point in ranked.points}
    assert {row.attributes["id"] for row in rows} == set(likely)
    for row in rows:
        (chance,) = row.all("data", title="Probability of the front")
        assert float(chance.attributes["value"]) == likely[row.attributes["id"]]


def test_home_leaves_the_generated_task_out(whole_site):
    rows = page(whole_site, "index.html").one("table", id="overall").one("tbody").all("tr")
    assert len(rows) == 5
    for row in rows:
        values = [value for value, _ in numbers(row)]
        if row.all("a")[0].text != "static":
            assert values[1] <= values[0] <= values[2]
        assert "1 of 1" in row.text


def test_a_retracted_run_stays_with_its_reason_and_without_a_rank(whole_site, whole_records):
    gone = next(r for r in whole_records if r.method.name == "ltp" and r.point == {"scale": 3.0})
    task = page(whole_site, f"tasks/{gone.task.name}.html")
    row = task.one("tr", id=f"run-{gone.key[:16]}")
    assert row.attributes["class"] == "retracted"
    assert f"Retracted: {REASON} (2026-03-01)" in row.text
    assert REASON in page(whole_site, f"runs/{gone.key[:16]}.html").text
    assert manifests.retraction_of({}, summary(flags=[{"code": "retracted", "detail": "why"}])) == "why"


def test_a_run_page_holds_the_record_and_every_digest(whole_site, whole_records):
    record = next(r for r in whole_records if r.method.name == "cascadebert")
    run = page(whole_site, f"runs/{record.key[:16]}.html")
    told = json.loads(run.one("pre", class_="record").text)
    assert told == summary_of(record)
    for value in (record.key, record.command, record.profile.digest, record.weights.digest, record.flags[0].detail):
        assert value in run.text
    assert record.environment["torch"] in run.text


def test_a_method_page_shows_controls_latency_batch_and_the_card(whole_site, whole_records):
    method = page(whole_site, "methods/elasticbert.html")
    for said in (
        *SUBMISSION.authors,
        "1.2",
        "Apache-2.0",
        "elasticbert.safetensors",
        "Adaptivity gain",
    ):
        assert said in method.text
    assert "91.00" in method.text
    values = {float(data.attributes["value"]) for data in method.all("data")}
    for record in whole_records:
        if record.method.name == "elasticbert":
            assert {record.controls.gain, record.latency.median, record.batch.realised, record.claimed} <= values


def test_use_of_units_is_counted_by_sample(whole_records):
    record = next(r for r in whole_records if r.method.name == "elasticbert")
    spend = {each.unit: each for each in details.spend_of(record.samples)}
    for unit, each in spend.items():
        ran = [
            sum(shape[0] * times for name, shape, times in record.samples.traces[path] if name == unit)
            for path in record.samples.trace_of
            if any(name == unit for name, _, _ in record.samples.traces[path])
        ]
        assert each.share == pytest.approx(len(ran) / len(record.samples.trace_of))
        assert each.rows == pytest.approx(sum(ran) / len(ran))


def test_a_method_page_says_what_each_unit_spends(whole_site, whole_records):
    records = [r for r in whole_records if r.method.name == "elasticbert" and r.task.name == "diagnostic"]
    records.sort(key=lambda r: (r.flops.mean, r.key))
    first, last = records[0], records[-1]
    method = page(whole_site, "methods/elasticbert.html")
    tables = method.all("table", class_="units")
    ends = {}
    assert len(tables) == 2, "one for each task"
    for row in tables[0].one("tbody").all("tr"):
        cells = [[float(data.attributes["value"]) for data in cell.all("data")] for cell in row.all("td")]
        ends[row.one("th").text] = cells[0], cells[-1]
    for unit, (cheap, dear) in ends.items():
        assert cheap == ([first.units[unit]] if unit in first.units else [])
        assert dear == ([last.units[unit]] if unit in last.units else [])
    assert sum(sum(cheap) for cheap, _ in ends.values()) == pytest.approx(first.flops.mean)
    assert sum(sum(dear) for _, dear in ends.values()) == pytest.approx(last.flops.mean)
    assert "tell no FLOPs by unit" in page(whole_site, "methods/cascadebert.html").text
    assert "tell no FLOPs by unit" not in method.text


def test_a_page_of_a_method_with_experts_says_what_they_trade(whole_site, whole_records):
    method = page(whole_site, "methods/switch.html")
    records = [r for r in whole_records if r.method.name == "switch" and r.task.name == "diagnostic"]
    traded, loads = (
        next(table for table in method.all("table") if said in table.one("caption").text)
        for said in ("Memory, traffic and time", "Share of a layer’s tokens")
    )
    rows = traded.one("tbody").all("tr")
    assert len(rows) == len(records)
    shares = {float(row.all("data")[2].attributes["value"]) for row in rows}
    assert shares == {r.params.touched_mean / r.params.total for r in records}
    assert all(row.all("td")[4].text == "1.00" for row in rows), "one expert a token"
    names = [row.one("th").text for row in loads.one("tbody").all("tr")]
    assert names == [f"expert.{layer}.{expert}" for layer in (2, 4, 6) for expert in (1, 2, 3, 4)]
    assert any(row.all("bdi")[1:] for row in loads.one("tbody").all("tr")), "words of an expert"
    for number in range(len(names) // 4):
        layer = loads.one("tbody").all("tr")[4 * number : 4 * number + 4]
        assert sum(float(row.all("td")[0].text.rstrip(" %")) for row in layer) == pytest.approx(100, abs=2)
    assert "Experts’ load" not in page(whole_site, "methods/elasticbert.html").text


def test_a_histogram_counts_everything_once():
    assert details.histogram([1, 2, 4, 8, 8, 100, 0], 1, 16, bins=4) == (2, 1, 1, 3)
    assert sum(details.histogram([5, 5], 5, 5)) == 2


def test_the_database_holds_every_run(whole_site, whole_records):
    with sqlite3.connect(whole_site / "data" / "all.sqlite") as connection:
        stored = dict(connection.execute("SELECT key, score FROM runs WHERE score IS NOT NULL AND status = 'ok'"))
    assert {r.key: r.score.value for r in whole_records}.items() <= stored.items()


def test_pages_name_themselves_by_the_base_address(whole_site):
    (link,) = page(whole_site, "compare.html").all("link", rel="canonical")
    assert link.attributes["href"] == "https://elue.example/board/compare.html"


def test_a_bad_base_address_is_refused(tmp_path):
    with pytest.raises(ElueError) as caught:
        build([], tmp_path / "site", base_url="javascript:alert(1)")
    assert caught.value.code == "bad_base_url"


@pytest.mark.parametrize("target", ["gone.html", "a.html#gone", "../out.html", "ftp://x.example"])
def test_a_broken_link_ends_the_build(target):
    with pytest.raises(ElueError) as caught:
        list(checked([("a.html", f'<p id="here"><a href="#here">x</a><a href="{target}">y</a>')]))
    assert caught.value.code == "broken_link"
    assert list(checked([("a.html", '<a href="https://x.example">x</a><a href="#q=1">y</a>')]))


def test_manifests_are_read_by_method(tmp_path):
    (tmp_path / "baselines").mkdir()
    text = (SUBMISSIONS / "baselines" / "submission.toml").read_text("utf-8")
    text += '[[retracted]]\nmethod = "ltp"\nreason = "wrong data"\nwhen = "2026-01-01"\n'
    (tmp_path / "baselines" / "submission.toml").write_text(text)
    told = manifests.read(tmp_path)
    assert list(told) == ["static", "elasticbert", "ltp", "switch", "cascadebert"]
    assert (told["ltp"].version, told["ltp"].submission.authors) == ("0.1.0", ("The authors of ELUE",))
    assert [each.task for each in told["ltp"].weights] == ["sst2_elue"]
    assert manifests.retraction_of_all(told["ltp"]) == "wrong data (2026-01-01)"
    assert manifests.retraction_of_all(told["static"]) == ""
    (tmp_path / "baselines" / "submission.toml").write_text("= no")
    with pytest.raises(ElueError) as caught:
        manifests.read(tmp_path)
    assert caught.value.code == "bad_manifest"
    with pytest.raises(ElueError) as caught:
        manifests.read(tmp_path / "none")
    assert caught.value.code == "no_submissions"


def test_the_submissions_of_this_repository_are_read():
    told = manifests.read(SUBMISSIONS)
    assert {"static", "elasticbert", "ElasticBERT-patience", "LayerDrop"} <= told.keys()
