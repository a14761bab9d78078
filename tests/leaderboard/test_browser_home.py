"""The first page in a real browser: budget, picture in every window, and what a reader asks, two clicks away."""

from __future__ import annotations

import json

import pytest

from tests.leaderboard.browsing import NEEDS_BROWSER

pytestmark = [*NEEDS_BROWSER, pytest.mark.thorough]

HOUSE = {"static", "elasticbert", "pabee"}
"""Methods that the committed board holds, whatever else it does."""


def told(browser):
    return json.loads(browser.run("return document.getElementById('budget-data').textContent"))


def slide(browser, share):
    browser.run(
        "const s = document.getElementById('budget'); s.value = arguments[0];"
        "s.dispatchEvent(new Event('input')); s.dispatchEvent(new Event('change'))",
        share,
    )


def best(browser):
    return browser.run("return [...document.querySelectorAll('#best li a')].map(a => a.textContent)")


def shown_ruler(browser):
    """Where the visible ruler stands, as a share of full compute."""
    return browser.run(
        "const r = [...document.querySelectorAll('.ruler')].find(r => r.getClientRects().length && "
        "r.closest('svg').getBoundingClientRect().width); const d = r.dataset;"
        "const x = Number(/\\(([\\d.]+)/.exec(r.getAttribute('transform'))[1]);"
        "return d.low * (d.high / d.low) ** ((x - d.left) / d.width)"
    )


@pytest.mark.parametrize("name", ["submissions", "ranked"])
def test_the_budget_lists_the_best_and_moves_the_ruler(browser, folder, name):
    browser.open(folder / name / "index.html", 1400)
    data = told(browser)
    for share in (30, 55, 90):
        slide(browser, share)
        place = next(i for i, (_, high) in enumerate(data["budgets"]) if share / 100 < high)
        assert best(browser) == [entry[0] for entry in data["best"][place]]
        assert browser.one("#budget-said").text == f"{share} %"
        assert shown_ruler(browser) == pytest.approx(share / 100, rel=0.01)
    assert "budget=90" in browser.run("return location.hash")
    browser.open(folder / name / "index.html", 1400, view="budget=30")
    assert browser.one("#budget-said").text == "30 %"
    assert browser.complaints() == []


@pytest.mark.parametrize("name", ["submissions", "ranked"])
def test_the_first_screen_holds_picture_budget_and_finding(browser, folder, name):
    for width in (390, 820, 1400, 2200):
        browser.open(folder / name / "index.html", width)
        assert browser.run("return document.documentElement.scrollWidth") <= width
        drawings = browser.run(
            "return [...document.querySelectorAll('#picture-drawn svg')].filter(s => s.getBoundingClientRect().width)"
            ".map(s => s.getBoundingClientRect().width / s.viewBox.baseVal.width * 12)"
        )
        assert len(drawings) == 1
        assert drawings[0] >= 9, "its text stays readable"
        if width >= 1400:
            assert browser.run("return document.querySelector('.finding').getBoundingClientRect().top") < 860
            assert browser.run("return document.querySelector('.budget').getBoundingClientRect().bottom") < 860


@pytest.mark.parametrize("name", ["submissions", "ranked"])
def test_methods_stay_in_sight_where_the_table_is_scrolled_and_all_of_it_fits_a_desk(browser, folder, name):
    browser.open(folder / name / "index.html", 390)
    browser.run("document.querySelector('#overall').parentElement.scrollLeft = 300")
    places = browser.run(
        "const frame = document.querySelector('#overall').parentElement.getBoundingClientRect().left;"
        "return [...document.querySelectorAll('#overall tbody .name')].map(e => e.getBoundingClientRect().left - frame)"
    )
    assert places == pytest.approx([1] * len(places), abs=1)
    browser.open(folder / name / "index.html", 1440)
    wide, frame = browser.run(
        "const f = document.querySelector('#overall').parentElement; return [f.scrollWidth, f.clientWidth]"
    )
    assert wide <= frame + 2


def test_another_task_is_drawn_when_it_is_chosen(browser, folder):
    browser.open(folder / "ranked" / "index.html", 1400)
    before = browser.run("return document.querySelector('#picture-drawn').innerHTML")
    tasks = browser.run("return [...document.getElementById('picture-task').options].map(o => o.value)")
    assert len(tasks) == 2
    browser.choose("#picture-task", tasks[1])
    browser.wait(f"document.querySelector('#picture-drawn').innerHTML !== {json.dumps(before)}")
    link = browser.one("#picture-page").get_attribute("href")
    assert link.endswith("tasks/other.html")
    assert all("home-other-" in a.get_attribute("href") for a in browser.all(".take"))
    slide(browser, 50)
    assert shown_ruler(browser) == pytest.approx(0.5, rel=0.01)
    browser.choose("#picture-task", tasks[0])
    browser.wait("document.querySelector('#picture-page').href.endsWith('tasks/mine.html')")
    assert browser.complaints() == []


def test_without_javascript_picture_list_and_tables_are_there(folder, still):
    still.driver.get((folder / "submissions" / "index.html").as_uri())
    assert still.one("#picture-drawn svg").size["width"] > 300
    assert still.one("#best li a").text == "elasticbert"
    assert not still.one("#budget").is_displayed()
    assert "elasticbert" in still.one(".finding").text
    assert {name.text for name in still.all("#overall tbody th a")} >= HOUSE


def test_what_a_reader_asks_is_answered_within_two_clicks(browser, folder):
    home = folder / "submissions" / "index.html"
    browser.open(home, 1400)
    slide(browser, 40)
    first = browser.one("#best li")
    assert first.find_element("css selector", "a").text == "elasticbert", "the best at 40 %"
    assert "sure" in first.text, "how sure"
    heads = browser.run("return [...document.querySelectorAll('#overall thead th')].map(t => t.textContent.trim())")
    assert "Keeps quality at" in heads, "what keeps full quality at the least compute"
    browser.run(
        "[...document.querySelectorAll('#overall th button')].find(b => b.textContent.includes('Packs')).click()"
    )
    fastest = browser.run(
        "return [...document.querySelector('#overall').tBodies[0].rows].map(r => Number(r.cells["
        f"{heads.index('Packs ×')}].querySelector('data')?.value ?? 0))"
    )
    assert fastest == sorted(fastest, reverse=True), "the fastest in packs, and last what was not measured in any"
    assert fastest[0] > 0
    families = browser.run(
        "return [...new Set([...document.querySelector('#overall').tBodies[0].rows].map(r => r.cells["
        f"{heads.index('Family')}].textContent.trim()))]"
    )
    assert browser.count(".heatmap tbody tr") == len({*families} - {"Static"}) > 0, "which family where"
    assert browser.count(".told tbody tr") == len(fastest), "whether A is better than B"
    assert browser.count("main a[href='compare.html']") == 1
    assert browser.one(".news time").text, "what is new"
    cited = browser.count("#overall a[href$='.bib']")
    assert cited == browser.count("#overall tbody th") >= len(HOUSE), "how to cite it"
    browser.one("#m-elasticbert th a").click()
    browser.wait("location.pathname.endsWith('methods/elasticbert.html')")
    text = browser.one("main").text
    assert "Code" in text, "the code of the winner"


@pytest.mark.parametrize("name", ["submissions", "ranked"])
def test_what_a_seed_changes_is_one_click_away(browser, folder, name):
    browser.open(folder / name / "index.html", 1400)
    browser.one("main h2 a[href^='editions/']").click()
    browser.wait("location.pathname.includes('/editions/')")
    rows = browser.run(
        "return [...document.querySelectorAll('table.standing tbody tr')].map(r => ({"
        "lead: r.cells[2].querySelector('data')?.value, count: r.querySelector('.trainings > data').value,"
        "each: [...r.querySelectorAll('.trainings .quiet data')].map(d => Number(d.value))}))"
    )
    several = [row for row in rows if row["lead"] is not None and int(row["count"]) > 1]
    assert several, "there are methods of several trainings"
    for row in several:
        assert len(row["each"]) == int(row["count"])
        assert len(set(row["each"])) > 1
        assert sum(row["each"]) / len(row["each"]) == pytest.approx(float(row["lead"]), abs=1e-6)
    assert "what a seed changes" in browser.one("main").text


def test_it_prints_on_light_paper(browser, folder):
    browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print", "features": []})
    try:
        browser.open(folder / "submissions" / "index.html", 760)
        assert browser.run("return document.documentElement.scrollWidth") <= 760
        assert not browser.one("#budget").is_displayed()
        assert browser.run("return getComputedStyle(document.documentElement).colorScheme") == "light"
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
