"""Live charts in a real browser: what they show, and what follows their controls."""

from __future__ import annotations

import pytest

from elue.record.files import read as read_record
from tests.leaderboard.browsing import MARKS, NEEDS_BROWSER, SUBMISSIONS, column

pytestmark = NEEDS_BROWSER


def loneliest(marks):
    """The mark farthest from its nearest neighbour, so that the pointer can only mean this one."""
    places = [complex(m.rect["x"] + m.rect["width"] / 2, m.rect["y"] + m.rect["height"] / 2) for m in marks]
    distances = [min(abs(here - there) for j, there in enumerate(places) if j != i) for i, here in enumerate(places)]
    return marks[distances.index(max(distances))]


def test_the_live_chart_shows_what_the_table_shows(browser, folder):
    from selenium.webdriver.common.action_chains import ActionChains

    browser.open(folder / "whole" / "tasks" / "diagnostic.html")
    marks = browser.all(MARKS)
    assert len(marks) == browser.count("table.runs tbody tr")
    mark = loneliest(marks)
    run, curve = browser.run("const d = arguments[0].__data__.datum; return [d.run, d.curve]", mark)
    row = browser.one(f"#{run}")
    ActionChains(browser.driver).move_to_element(mark).perform()
    card = browser.one(".card-tip").text
    assert card.splitlines()[0] == row.find_element("css selector", "th a").text
    assert row.find_element("css selector", "data").text in card
    before = browser.run("return window.scrollY")
    ActionChains(browser.driver).click().perform()
    assert "shown" in row.get_attribute("class")
    said = browser.one(".picked")
    assert row.find_element("css selector", "data").text in said.text
    assert [a.get_attribute("href").rpartition("/")[2] for a in said.find_elements("css selector", "a")] == [
        f"diagnostic.html#{run}",
        f"{run.removeprefix('run-')}.html",
    ]
    assert browser.one(f".legend [data-curve='{curve}']").get_attribute("aria-pressed") == "true"
    assert f"pin={curve}" in browser.run("return location.hash")
    assert browser.run("return window.scrollY") == before, "who clicks on a point stays where the chart is"
    assert browser.complaints() == []


def test_picking_a_curve_fades_the_others_in_chart_and_table(browser, folder):
    browser.open(folder / "whole" / "tasks" / "diagnostic.html")
    button = next(b for b in browser.all(".legend .curve") if b.text.startswith("switch"))
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    own = [row for row in browser.all("table.runs tbody tr") if "dim" not in (row.get_attribute("class") or "")]
    assert {row.find_element("css selector", "th a").text for row in own} == {"switch"}
    lit = [m for m in browser.all(MARKS) if float(m.get_attribute("opacity") or 1) == 1]
    assert len(lit) == len(own)
    button.click()
    assert browser.count("tr.dim") == 0


def test_the_chart_follows_axes_filters_families_and_zoom(browser, folder):
    page = folder / "whole" / "tasks" / "diagnostic.html"
    browser.open(page)
    everything = browser.count(MARKS)
    browser.choose("[data-axis=x]", "latency")
    browser.wait("document.querySelector('.canvas').textContent.includes('reference encoder')")
    assert browser.count(MARKS) == everything
    ticks = browser.run(
        "return [...document.querySelectorAll('.canvas .role-axis-label text')].map(t => t.textContent)"
    )
    assert any(float(tick) < 1 for tick in ticks), "a ratio stands as it is, not in thousandths"
    browser.choose("[data-axis=y]", "gain")
    browser.wait("document.querySelector('.canvas').textContent.includes('Adaptivity gain')")
    gains = browser.run(
        f"return [...document.querySelectorAll('{MARKS}')].map(m => m.__data__.datum).every(d => d.y === 2.5)"
    )
    assert gains is True
    times = browser.run(
        f"return [...document.querySelectorAll('{MARKS}')].map(m => m.__data__.datum).map(d => [d.x, d.front])"
    )
    quickest = min(time for time, _ in times)
    assert all(on_front == (time == quickest) for time, on_front in times), "of equal gains only the quickest"
    view = browser.run("return location.hash").removeprefix("#")
    browser.open(page, view=view)
    assert browser.one("[data-axis=x]").get_attribute("value") == "latency"
    assert browser.count(MARKS) < everything

    browser.open(page)
    browser.all(".legend .family")[0].click()
    browser.wait(f"document.querySelectorAll('{MARKS}').length === {everything - 6}")
    browser.one(".filters input").send_keys("threshold")
    shown = len(column(browser, 0))
    assert 0 < shown < everything
    browser.wait(f"document.querySelectorAll('{MARKS}').length === {shown}")

    browser.open(page)
    ticks = browser.one(".canvas").text
    browser.one("[data-zoom=in]").click()
    browser.wait("location.hash.includes('zoom=')")
    browser.wait(f"document.querySelector('.canvas').innerText !== {ticks!r}")
    browser.one("[data-zoom=reset]").click()
    assert "zoom=" not in browser.run("return location.hash")
    assert browser.complaints() == []


@pytest.mark.thorough
def test_the_published_curves_of_2022_come_and_go_on_the_chart(browser, folder):
    page = folder / "submissions" / "tasks" / "sst2_elue.html"
    records = [read_record(path) for path in sorted((SUBMISSIONS / "elue-2022" / "records").rglob("*.json"))]
    browser.open(page)
    first = browser.one(".canvas.live").get_attribute("id")
    marks = f"#{first} .mark-symbol:is(.runs_marks, .below_marks) path"
    own = browser.count(marks)
    browser.one(f".controls[data-for={first}] [data-published]").click()
    browser.wait(f"document.querySelectorAll('{marks}').length === {own + len(records)}")
    drawn = browser.run(
        f"return [...document.querySelectorAll('{marks}')].map(m => [m.__data__.datum, m.getAttribute('opacity')])"
        ".filter(([d]) => d.family === 'other').map(([d, o]) => [d.x, d.y, Number(o ?? 1)])"
    )
    assert sorted((x, y) for x, y, _ in drawn) == sorted((r.flops.mean, r.score.value) for r in records)
    assert {opacity for *_, opacity in drawn} == {1}, "asked for, they are to be seen"
    view = browser.run("return location.hash").removeprefix("#")
    browser.open(page, view=view)
    assert browser.count(marks) == own + len(records)
    browser.one(f".controls[data-for={first}] [data-published]").click()
    browser.wait(f"document.querySelectorAll('{marks}').length === {own}")
    assert browser.complaints() == []
