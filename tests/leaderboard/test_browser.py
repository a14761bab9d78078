"""The pages in a real browser, from the file system, with the network off."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import pytest

from elue.record.files import read as read_record
from tests.leaderboard.browsing import MARKS, NEEDS_BROWSER, column
from tests.leaderboard.samples import METHODS

pytestmark = NEEDS_BROWSER


def pages_of(site: Path) -> list[Path]:
    """All pages of a site but, of the runs' pages, which are alike, three."""
    runs = sorted((site / "runs").glob("*.html"))
    return sorted(set(site.rglob("*.html")) - set(runs[1:-2]))


KINDS = [
    "whole",
    "hostile text",
    "nothing",
    *(
        pytest.param(name, marks=pytest.mark.thorough)
        for name in ("ranked", "crossed", "submissions", "long names", "right to left", "only failures", "one run")
    ),
]


@pytest.mark.parametrize("name", KINDS)
def test_every_page_loads_from_files_without_a_complaint_and_fits_every_window(browser, folder, name):
    for page in pages_of(folder / name):
        browser.open(page)
        assert browser.complaints() == []
        asked = browser.requests()
        assert page.as_uri() in asked
        assert [a for a in asked if not a.startswith("file://") and a != "about:blank"] == []
        assert browser.count(".canvas") == browser.count(".canvas.live svg")
        browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
        for width in (360, 800, 1440):
            browser.widen(width)
            assert browser.run("return document.documentElement.scrollWidth") <= width, (page.name, width)
    assert browser.complaints() == []


@pytest.mark.thorough
@pytest.mark.parametrize("width", [390, 1400])
def test_the_matrix_of_rules_scrolls_within_its_frame(browser, folder, width):
    browser.open(folder / "crossed" / "crossings.html", width)
    wide, frame = browser.run("const e = document.documentElement; return [e.scrollWidth, e.clientWidth]")
    assert wide <= frame
    assert browser.one("table.matrix td data").is_displayed()
    assert browser.count("table.matrix td .badge.verified") == 1 + 3, "of the method, and of each training below"
    assert browser.complaints() == []


def test_columns_sort_both_ways_by_mouse_and_keyboard(browser, folder):
    from selenium.webdriver.common.keys import Keys

    browser.open(folder / "whole" / "tasks" / "sst2_elue.html")
    fronts = browser.run("return [...document.querySelectorAll('table.runs tbody tr')].map(r => r.matches('.front'))")
    assert fronts == sorted(fronts, reverse=True), "the front is first"
    heading = browser.all("table.runs thead th")[5]
    heading.find_element("css selector", "button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(browser, 5) == sorted(column(browser, 5), key=float)
    heading.find_element("css selector", "button").send_keys(Keys.ENTER)
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(browser, 5) == sorted(column(browser, 5), key=float, reverse=True)
    browser.all("table.runs thead th button")[0].click()
    assert column(browser, 0) == sorted(column(browser, 0))
    assert browser.count("table.runs thead [aria-sort]") == 1


def names(browser):
    """The methods whose rows are shown."""
    return [cell.split()[0] for cell in column(browser, 0, "#overall")]


def test_home_filters_counts_and_keeps_the_view_in_its_address(browser, folder):
    home = folder / "whole" / "index.html"
    browser.open(home)
    assert browser.one(".filters output").text == "5 of 5 shown"
    browser.choose(".facets label:nth-of-type(1) select", "Early exit")
    assert browser.one(".filters output").text == "1 of 5 shown"
    assert names(browser) == ["elasticbert"]
    browser.one(".filters .clear").click()
    assert browser.one(".filters output").text == "5 of 5 shown"
    browser.one(".filters input").send_keys("cas")
    browser.all("#overall thead button")[2].click()
    assert names(browser) == ["cascadebert"]
    view = browser.run("return location.hash").removeprefix("#")
    assert view == "q=cas&sort=lead-no-rank.d"
    browser.open(home, view="family=Skimming&sort=method.a")
    assert names(browser) == ["ltp"]
    assert browser.count("#overall [aria-sort=ascending]") == 1
    browser.run("location.hash = 'sort=method.d'")
    browser.wait("document.querySelector('.filters output').textContent === '5 of 5 shown'")
    assert names(browser) == sorted(names(browser), reverse=True)
    counts = browser.run("return [...document.querySelector('.facets select').options].map(o => o.textContent)")
    assert counts[:2] == ["All (5)", "Cascade (1)"]


def test_the_explorer_shows_what_a_method_did_with_a_sample(browser, folder, whole_records):
    page = folder / "whole" / "samples" / "diagnostic.html"
    record = next(r for r in whole_records if r.method.name == "ltp" and r.task.name == "diagnostic")
    each = record.explained[3]
    browser.open(page, view=f"run=run-{record.key[:16]}&sample={each.id}&sort=order")
    panel = browser.one("#explanation")
    assert panel.is_displayed()
    tokens = [span.text for span in panel.find_elements("css selector", ".heat > .token")]
    assert tokens == list(each.tokens)
    browser.run("document.querySelector('#explanation details').open = true")
    grid = browser.run(
        "return [...document.querySelectorAll('#explanation .grid tbody tr')].map(r => [...r.cells].slice(1, -1)"
        ".flatMap((c, i) => c.textContent ? [i] : []))"
    )
    assert grid == [list(kept) for kept in each.kept]
    flops = browser.run("return [...document.querySelectorAll('#samples tbody data')].map(d => Number(d.value))")
    assert flops[2::3] == list(record.samples.flops)
    browser.choose("[data-pick=sort]", "flops")
    shown = column(browser, 4, "#samples")
    assert [int(value) for value in shown] == sorted(record.samples.flops, reverse=True)

    record = next(r for r in whole_records if r.method.name == "elasticbert" and r.task.name == "diagnostic")
    browser.open(page, view=f"run=run-{record.key[:16]}&sample={record.explained[0].id}")
    assert f"Left at exit {len(record.explained[0].exits)}" in browser.one("#explanation").text
    record = next(r for r in whole_records if r.method.name == "switch" and r.task.name == "diagnostic")
    browser.open(page, view=f"run=run-{record.key[:16]}&sample={record.explained[0].id}")
    assert browser.count("#explanation .expert") == sum(map(len, record.explained[0].experts.values()))


@pytest.mark.parametrize(
    "method",
    ["ltp", *(pytest.param(name, marks=pytest.mark.thorough) for name in ("elasticbert", "switch", "cascadebert"))],
)
def test_an_opened_sample_fits_a_phone(browser, folder, whole_records, method):
    record = next(r for r in whole_records if r.method.name == method and r.task.name == "diagnostic")
    view = f"run=run-{record.key[:16]}&sample={record.explained[2].id}"
    browser.open(folder / "whole" / "samples" / "diagnostic.html", width=390, view=view)
    browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
    assert browser.one("#explanation").is_displayed()
    assert browser.run("return document.documentElement.scrollWidth") <= 390


@pytest.mark.thorough
def test_printed_pages_are_light_and_no_wider_than_a_sheet(browser, folder):
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    try:
        for path in ("index.html", "tasks/sst2_elue.html", "methods/ltp.html", "compare.html"):
            browser.open(folder / "submissions" / path, width=760)
            browser.run("document.documentElement.dataset.theme = 'dark'")
            assert browser.run("return document.documentElement.scrollWidth") <= 760, path
            ink = browser.run("return getComputedStyle(document.querySelector('h1')).color")
            assert max(map(int, re.findall(r"\d+", ink))) < 100, "dark ink also where pages are dark"
            unwanted = ".filters, .controls, .theme, .screen, button[data-save], input[type=range]"
            assert not any(each.is_displayed() for each in browser.all(unwanted))
            shapes = (
                "return [...document.querySelectorAll('.canvas.live svg')].map(s => [s.clientWidth / s.clientHeight,"
            )
            for shape, own in browser.run(shapes + " s.viewBox.baseVal.width / s.viewBox.baseVal.height])"):
                assert not shape or abs(shape / own - 1) < 0.02, "no room above and below what is drawn"
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_texts_that_are_not_ours_stay_out(browser, folder):
    site = folder / "whole"
    assert "friend" in "".join(p.read_text() for p in (site / "data").rglob("*.js"))
    sst2 = [p for p in site.rglob("*sst2*") if p.suffix in (".html", ".js", ".json")]
    assert sst2
    stored = [read_record(path) for path in (site / "data" / "records").glob("*.json")]
    assert [bool(r.explained) for r in stored] == [r.task.name == "diagnostic" for r in stored]
    assert "friend" not in "".join(p.read_text() for p in sst2)
    browser.open(site / "samples" / "sst2_elue.html")
    ids = browser.run("return [...document.querySelectorAll('#samples tbody th')].map(each => each.textContent)")
    assert len(ids) == browser.count("#samples tbody tr") > 0
    assert set(ids) <= {i for r in stored if r.task.name == "sst2_elue" and r.samples for i in r.samples.id}
    assert browser.count("#samples .long") == 0


def test_the_explorer_opens_on_what_adapts_most_and_says_where_samples_ended_and_who_disagrees(
    browser, folder, whole_records
):
    page = folder / "whole" / "samples" / "diagnostic.html"
    browser.open(page)
    own = [r for r in whole_records if r.task.name == "diagnostic" and r.point != {"scale": 3.0}]
    full = max((r for r in own if r.method.family == "static"), key=lambda r: r.flops.mean)
    full_flops = np.array(full.samples.flops)
    spreads = {r.key: np.std(np.log(np.array(r.samples.flops) / full_flops)) for r in own}
    opened = browser.one("[data-pick=run]").get_attribute("value")
    record = next(r for r in own if f"run-{r.key[:16]}" == opened)
    assert spreads[record.key] == pytest.approx(max(spreads.values()))
    all_cells = "return [...document.querySelectorAll(arguments[0])].map(r => [...r.cells].map(c => c.innerText))"
    traces = record.samples.traces
    depths = [sum(unit.startswith("exit.") for unit, _, _ in traces[place]) for place in record.samples.trace_of]
    bars = browser.run(all_cells, "#ways tbody tr")
    assert [[row[0], int(row[2])] for row in bars] == [[f"exit {k}", depths.count(k)] for k in sorted(set(depths))]
    assert "most" in browser.one("#ways").text
    best = {}
    for name in METHODS:
        best[name] = min((r for r in own if r.method.name == name), key=lambda r: (-r.score.value, r.flops.mean, r.key))
    for row, name in zip(browser.run(all_cells, ".differing tbody tr"), sorted(best), strict=True):
        assert row[0] == name
        for cell, other in zip(row[1:], sorted(best), strict=True):
            differing = np.mean(np.array(best[name].samples.error) != np.array(best[other].samples.error))
            assert cell == ("–" if other == name else f"{100 * differing:.1f} %")
    assert browser.complaints() == []


def test_the_chosen_theme_holds_on_the_next_page(browser, folder):
    ground = "return getComputedStyle(document.body).backgroundColor"
    browser.open(folder / "whole" / "index.html")
    light = browser.run(ground)
    browser.one("#theme").click()
    dark = browser.run(ground)
    browser.open(folder / "whole" / "tasks" / "diagnostic.html")
    assert browser.run(ground) == dark != light
    stroke = f"return getComputedStyle(document.querySelector('{MARKS}')).stroke"
    fills = browser.run(stroke)
    browser.one("#theme").click()
    assert browser.run(ground) == light
    assert browser.run(stroke) != fills


def test_keyboard_reaches_content_first_and_every_control(browser, folder):
    from selenium.webdriver.common.keys import Keys

    browser.open(folder / "whole" / "tasks" / "diagnostic.html")
    browser.one("body").send_keys(Keys.TAB)
    assert browser.run("return document.activeElement.className") == "skip"
    reach = (
        "return [...document.querySelectorAll('a, button, summary, select, input')].filter(e => e.tabIndex < 0).length"
    )
    assert browser.run(reach) == 0


def test_without_javascript_the_charts_and_tables_are_there(folder, still):
    still.driver.get((folder / "whole" / "tasks" / "diagnostic.html").as_uri())
    drawing = still.one(".canvas svg")
    assert drawing.is_displayed()
    assert drawing.rect["width"] > 300
    assert still.count("table.runs tbody tr") == 30
    assert not still.one("#theme").is_displayed()
    assert not still.one(".filters").is_displayed()


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_axe_finds_no_serious_violation(browser, folder, axe, theme):
    site = folder / "whole"
    samples = site / "samples" / "diagnostic.html"
    kinds = [site, *(folder / name for name in ("submissions", "crossed", "nothing", "only failures", "right to left"))]
    views = [(page, "") for kind in kinds for page in pages_of(kind)]
    views += [(samples, f"sample=diagnostic-{i}") for i in (1, 2)]
    found = []
    for page, view in views:
        browser.open(page, view=view)
        browser.run("document.documentElement.dataset.theme = arguments[0]", theme)
        browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
        browser.run(axe)
        result = browser.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations))"
        )
        for violation in result:
            if violation["impact"] in ("serious", "critical"):
                where = [node["html"][:160] for node in violation["nodes"][:3]]
                found.append((page.name, violation["id"], where))
    assert found == []
