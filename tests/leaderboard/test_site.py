"""The built pages, read back: numbers, links, hostile text, sizes from nothing to much, and the same bytes."""

from __future__ import annotations

import json
import posixpath
import random
import re
from functools import cache

import pytest

from elue.errors import ElueError
from elue.leaderboard import boards, build
from elue.leaderboard.build import pages
from elue.leaderboard.links import checked
from elue.leaderboard.text import clean, slug
from elue.record.board import is_ranked
from elue.record.schema import Record
from tests.leaderboard.reading import numbers, read
from tests.leaderboard.samples import curve, failed, store, summary

ODD = '</script><script>alert(1)</script><img src=x onerror="alert(1)">\'"&amp;{{ 7 * 7 }}\u202e'
ARABIC = "نموذج لغوي ديناميكي"
POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; base-uri 'none'; form-action 'none'"


def hostile() -> list[Record]:
    """Text that would like to be more than text, in every field that comes from someone else."""
    odd = {"name": ODD, "title": ODD, "paper": ODD}
    common = {
        "method": {**odd, "distribution": {"name": ODD, "version": ODD}},
        "task": {"name": ODD, "title": ODD, "split": ODD[:50], "revision": ODD, "metric": ODD},
        "point": {ODD: ODD},
        "profile": {"name": ODD},
        "environment": {ODD: {ODD: [ODD]}},
        "command": ODD,
    }
    training = {"weights": {"training": {ODD: ODD}}}
    bad = summary(complete=False, unknown={ODD: 1}, seed=1, **common)
    return [summary(**common, **training), failed(reason=ODD, **common), bad]


SETS = {
    "store": store,
    "nothing": list,
    "one run": lambda: [summary()],
    "only failures": lambda: [failed(), summary(complete=False, point={})],
    "hostile text": hostile,
    "long names": lambda: [
        summary(method={"name": "n" * 200, "title": "t" * 200}, task={"name": "k" * 200, "title": "l" * 200}),
        failed(reason="r" * 2000),
    ],
    "right to left": lambda: [
        summary(method={"name": ARABIC, "title": ARABIC}, task={"title": ARABIC}, point={"عتبة": 0.5})
    ],
    "no weights, no parameters": lambda: [summary(weights=None, params=None, method={"distribution": None})],
    "characters no file holds": lambda: [summary(method={"name": "a\x00\x0b\ufdd0", "title": "\x1b\ufffe"})],
}


@cache
def built(name):
    """The runs of a set, the files of its site, and the pages among them, read."""
    runs = SETS[name]()
    files = dict(checked(pages(runs)))
    return runs, files, {path: read(text) for path, text in files.items() if path.endswith(".html")}


@pytest.fixture(params=SETS)
def site(request):
    return built(request.param)


def test_every_link_resolves_inside_the_site(site):
    _, files, parsed = site
    ids = {name: {e.attributes["id"] for e in page.all() if "id" in e.attributes} for name, page in parsed.items()}
    for name, page in parsed.items():
        for element in page.all():
            for attribute in ("href", "src"):
                target = element.attributes.get(attribute)
                if target is None or (element.tag == "a" and target.startswith("https://")):
                    continue
                path, _, anchor = target.partition("#")
                path = posixpath.normpath(posixpath.join(posixpath.dirname(name), path)) if path else name
                assert path in files, f"{name} points to {target}"
                assert not anchor or anchor in ids[path], f"{name} points to {target}"


def test_no_page_loads_anything_from_elsewhere_or_runs_anything_inline(site):
    _, files, parsed = site
    for page in parsed.values():
        assert page.one("meta", http_equiv="Content-Security-Policy").attributes["content"] == POLICY
        for element in page.all():
            loads = element.attributes.get("src", "") + (
                element.attributes.get("href", "") if element.tag != "a" else ""
            )
            assert not re.match(r"[a-z]+:|//", loads), loads
            assert not [name for name in element.attributes if name.startswith("on") or name == "style"]
            assert element.tag not in ("style", "iframe", "object", "embed", "base", "form")
            if element.tag == "script" and "src" not in element.attributes:
                assert element.attributes["type"] == "application/json"
                json.loads(element.text)
    assert not re.search(r"@import|url\(|https?:", files["static/style.css"])
    assert not re.search(r"\beval\b|Function\(|innerHTML|fetch\(|https?:", files["static/site.js"])


def test_every_id_stands_once_and_every_reference_has_its_target(site):
    for page in site[2].values():
        ids = [element.attributes["id"] for element in page.all() if "id" in element.attributes]
        assert len(ids) == len(set(ids))
        for element in page.all():
            for name in ("aria-labelledby", "aria-describedby", "data-chart", "data-for"):
                for target in element.attributes.get(name, "").split():
                    assert target in ids


def test_pages_have_one_heading_a_language_and_named_tables(site):
    for page in site[2].values():
        assert page.one("html").attributes["lang"] == "en"
        assert page.one("h1").text
        assert page.one("title").text
        for table in page.all("table"):
            assert table.one("caption").text
            assert {th.attributes["scope"] for th in table.all("th")} <= {"col", "row"}
            width = len(table.one("thead").all("th"))
            assert {len(row.all("td") + row.all("th")) for row in table.one("tbody").all("tr")} <= {width}
        for figure in page.all("figure"):
            assert figure.all("figcaption")[0].text


def test_every_task_and_method_has_a_page_linked_from_home(site):
    runs, files, parsed = site
    links = {a.attributes["href"] for a in parsed["index.html"].all("a")}
    assert {f"tasks/{slug(s.task.name)}.html" for s in runs} <= links & files.keys()
    assert {f"methods/{slug(s.method.name)}.html" for s in runs} <= links & files.keys()


def rows_by_run(page):
    return {row.attributes["id"]: row for row in page.all("tr") if row.attributes.get("id", "").startswith("run-")}


def test_numbers_on_the_pages_are_those_of_the_store(site):
    runs, _, parsed = site
    rows = {path: rows_by_run(page) for path, page in parsed.items()}
    for s in runs:
        for where in (f"tasks/{slug(s.task.name)}.html", f"methods/{slug(s.method.name)}.html"):
            row = rows[where][f"run-{s.key[:16]}"]
            found = numbers(row)
            if not is_ranked(s):
                assert [value for value, _ in found] == ([s.score.value, s.flops.mean] if s.score else [])
                continue
            score, flops, params = s.score, s.flops, s.params
            exact = [score.value, score.low, score.high, flops.mean, flops.p95, flops.matmul_mean]
            exact += [params.total, params.touched_mean] if params else []
            assert [value for value, _ in found] == exact
            assert [text for _, text in found[:3]] == [f"{value:.2f}" for value in exact[:3]]
            for value, text in found[3:]:
                shown = float(text.replace(",", ""))
                assert any(abs(shown * size - value) <= 0.051 * size for size in (1, 1e3, 1e6, 1e9)), (value, text)


def test_ranked_runs_stand_by_score_and_only_they_are_on_the_front(site):
    runs, _, parsed = site
    for task in boards.tasks(runs):
        page = parsed[f"tasks/{task.slug}.html"]
        tables = page.all("table", class_="runs sortable")
        assert len(tables) == len(task.boards)
        for table, board in zip(tables, task.boards, strict=True):
            rows = table.one("tbody").all("tr")
            marked = [row.attributes["id"] for row in rows if row.attributes.get("class") == "front"]
            assert [row.attributes["id"] for row in rows][: len(marked)] == marked, "the front is first"
            scores = [numbers(row)[0][0] for row in rows]
            for part in (scores[: len(marked)], scores[len(marked) :]):
                assert part == sorted(part, reverse=True)
            marked = set(marked)
            assert marked == {run.anchor for run in board.front}
            assert marked == {row.attributes["id"] for row in rows if row.all("span", class_="badge gold")}


def test_home_counts_what_there_is():
    runs, _, parsed = built("store")
    home = parsed["index.html"]
    facts = [dd.text for dd in home.one("dl", class_="facts").all("dd")]
    assert facts == ["2", "5", str(len(runs) - 3), "3"]
    published = [summary(measure="declared", seed=k) for k in range(4)]
    home = read(dict(pages([*runs, *published]))["index.html"])
    facts = {div.one("dt").text: div.one("dd").text for div in home.one("dl", class_="facts").all("div")}
    assert facts["Measured runs"] == str(len(runs) - 3)
    assert facts["Published points, not measured here"] == "4"


def test_hostile_text_stands_as_text():
    _, files, parsed = built("hostile text")
    for path, page in parsed.items():
        assert "<script>alert" not in files[path]
        assert "<img src=x" not in files[path]
        assert "49" not in page.one("h1").text
    page = parsed[f"methods/{slug(ODD)}.html"]
    assert page.one("h1").text == clean(ODD)
    assert {pre.text for pre in page.all("pre")} == {clean(ODD)}


def test_partial_runs_are_marked_and_apart():
    runs = curve("sst2_elue", "static") + curve("sst2_elue", "static", limit=200)
    page = read(dict(pages(runs))["tasks/sst2_elue.html"])
    full, partial = page.all("section", class_="board")
    assert not full.all("span", class_="badge warn")
    assert full.one("h2").text == "Test split, 2,210 samples"
    assert partial.one("h2").text == "Test split Partial: 200 samples"
    assert len(full.one("tbody").all("tr")) == len(partial.one("tbody").all("tr")) == 6


def test_unranked_runs_tell_why():
    page = built("store")[2]["tasks/sst2_elue.html"]
    unranked = next(table for table in page.all("table") if table.one("caption").text == "Runs that are not ranked")
    rows = [row.text for row in unranked.one("tbody").all("tr")]
    assert len(rows) == 3
    assert any("timeout" in row and "No answer within 30 s on one sample." in row for row in rows)
    assert any("incomplete" in row and "aten.bar.out (3x), aten.foo.default (12x)" in row for row in rows)


def test_provenance_holds_digests_command_and_training():
    (s,), _, parsed = built("one run")
    section = parsed["methods/elasticbert.html"].all("section")[-1]
    for value in (s.weights.digest, s.method.source_digest, s.profile.digest, s.command):
        assert value in section.text
    terms = [dt.text for dt in section.all("dt")]
    pairs = dict(zip(terms, [dd.text for dd in section.all("dd")], strict=True))
    assert pairs["options.learning_rate"] == "2e-05"
    assert pairs["sandbox.memory_bytes"] == str(4 << 30)


def test_the_same_summaries_give_the_same_bytes_in_any_order():
    runs, first, _ = built("store")
    runs = runs[:]
    random.Random(5).shuffle(runs)
    assert dict(pages(runs)) == first


def test_build_returns_the_page_it_wrote_and_builds_again_over_it(tmp_path):
    index = build([summary()], tmp_path / "site")
    assert index == tmp_path / "site" / "index.html"
    before = {p: p.read_bytes() for p in (tmp_path / "site").rglob("*") if p.is_file()}
    build([summary()], tmp_path / "site")
    assert {p: p.read_bytes() for p in (tmp_path / "site").rglob("*") if p.is_file()} == before


def test_build_refuses_someones_folder_before_any_work(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ElueError) as caught:
        build([summary()], tmp_path)
    assert caught.value.code == "folder_in_use"


def test_pages_name_the_documentation_where_it_is_published():
    files = dict(checked(pages([], docs="https://elue.example/docs/")))
    assert '<a href="https://elue.example/docs">Documentation</a>' in files["index.html"]
    assert "Documentation</a>" not in dict(pages([]))["index.html"]


def test_a_documentation_that_was_built_lies_beside_the_board(tmp_path):
    made = tmp_path / "html"
    for name in ("index.html", "guide/scores.html", "_static/docs.css", ".doctrees/index.doctree", ".buildinfo"):
        (made / name).parent.mkdir(parents=True, exist_ok=True)
        (made / name).write_text(f'{name} <a href="nowhere.html">')
    out = tmp_path / "site"
    build([], out, docs=str(made))
    build([], out, docs=str(made))  # over itself
    beside = {path.relative_to(out / "docs").as_posix() for path in (out / "docs").rglob("*") if path.is_file()}
    assert beside == {"index.html", "guide/scores.html", "_static/docs.css"}
    assert '<a href="docs/index.html">Documentation</a>' in (out / "index.html").read_text()
    with pytest.raises(ElueError, match=r"no folder with an index\.html"):
        build([], out, docs=str(tmp_path))


@pytest.mark.parametrize(
    ("changes", "marks"),
    [
        ([{}], [""]),
        ([{}, {"profile": {"digest": "2e" * 32}}], ["profile 1f1f1f1f", "profile 2e2e2e2e"]),
        (
            [{"task": {"revision": "aaaaaaaa1"}}, {"task": {"revision": "bbbbbbbb1"}}],
            ["data aaaaaaaa", "data bbbbbbbb"],
        ),
    ],
)
def test_boards_of_a_task_that_are_called_alike_say_what_sets_them_apart(changes, marks):
    made = dict(pages([summary(**change) for change in changes]))
    page = read(next(text for name, text in made.items() if name.startswith("tasks/")))
    headings = [section.one("h2").text for section in page.all("section", class_="board")]
    assert len(set(headings)) == len(changes)
    assert all(any(mark in heading for heading in headings) for mark in marks)
    assert marks[0] or not any("profile" in heading or "data" in heading for heading in headings)
