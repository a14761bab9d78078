"""Large tables in a real browser: columns by choice, a hundred rows at a time, heads that stay, rows by their links."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.leaderboard import build
from tests.leaderboard.browsing import NEEDS_BROWSER
from tests.leaderboard.samples import curve, summary

pytestmark = [*NEEDS_BROWSER, pytest.mark.thorough]
SHOWN = "return [...document.querySelector('table.runs').tBodies[0].rows].filter(r => r.offsetParent).length"
MANY = 130


@pytest.fixture(scope="module")
def crowded(tmp_path_factory) -> Path:
    """A site with more rows than a page of a table holds, and more curves than a chart names."""
    out = tmp_path_factory.mktemp("crowded") / "site"
    runs = [
        summary(
            method={"name": f"method_{i % 20:02}", "family": ("early_exit", "moe")[i % 2]},
            point={"t": i // 20},
            flops={"mean": 1e8 * (1 + i % 20 + 25 * (i // 20))},
            score={"value": 50 + i / 5},
        )
        for i in range(MANY)
    ]
    build([*runs, *curve("sst2_elue", "static")], out)
    return out


def test_rows_come_a_hundred_at_a_time_and_a_link_finds_its_row(browser, crowded):
    page = crowded / "tasks" / "sst2_elue.html"
    browser.open(page)
    assert browser.run(SHOWN) == 100
    said = browser.one(".pages output")
    assert said.text == f"rows 1 to 100 of {MANY + 6}"
    browser.all(".pages button")[1].click()
    assert browser.run(SHOWN) == MANY + 6 - 100
    assert not browser.all(".pages button")[1].is_enabled()
    browser.one(".filters input").send_keys("method_03")
    browser.wait(f"(() => {{ {SHOWN} }})() === 7")
    assert said.text == "rows 1 to 7 of 7"
    browser.one(".filters .clear").click()
    browser.wait(f"(() => {{ {SHOWN} }})() === 100")
    last = browser.run("return [...document.querySelector('table.runs').tBodies[0].rows].at(-1).id")
    browser.open(page, view=last)
    assert browser.one(f"#{last}").is_displayed()
    top = browser.run(f"return document.getElementById('{last}').getBoundingClientRect().top")
    assert 0 < top < 900
    browser.all("table.runs thead th button")[3].click()
    assert browser.one(".pages output").text.startswith("rows 1 to 100")
    assert browser.run("return document.documentElement.scrollHeight") < 6000
    assert browser.complaints() == []


def test_columns_are_chosen_and_stay_so_by_the_address(browser, folder):
    page = folder / "whole" / "tasks" / "diagnostic.html"
    heads = (
        "return [...document.querySelectorAll('table.runs thead th')].filter(h => h.offsetParent).map(h => h.innerText)"
    )
    browser.open(page)
    usual = [head.strip("↕↓↑ ") for head in browser.run(heads)]
    assert "Matmul" not in usual
    assert "Touched" in usual
    browser.one(".columns summary").click()
    boxes = {label.text: label for label in browser.all(".columns label")}
    boxes["Matmul"].click()
    boxes["Touched"].click()
    shown = [head.strip("↕↓↑ ") for head in browser.run(heads)]
    assert "Matmul" in shown
    assert "Touched" not in shown
    view = browser.run("return location.hash").removeprefix("#")
    browser.open(page, view=view)
    assert [head.strip("↕↓↑ ") for head in browser.run(heads)] == shown
    cells = browser.run(
        "return [...document.querySelector('table.runs tbody tr').cells].filter(c => c.offsetParent).length"
    )
    assert cells == len(shown)


def test_heads_and_methods_stay_in_sight_while_the_table_scrolls(browser, crowded):
    browser.open(crowded / "tasks" / "sst2_elue.html", 390)
    where = (
        "const t = document.querySelector('table.runs'), f = t.closest('.scroll'); f.scrollTop = 700;"
        "f.scrollLeft = 300;"
        "const box = f.getBoundingClientRect(), head = t.tHead.rows[0].cells[3].getBoundingClientRect(),"
        "name = t.tBodies[0].rows[30].cells[0].getBoundingClientRect();"
        "return [head.top - box.top, name.left - box.left, f.scrollTop, f.scrollLeft]"
    )
    head, name, down, right = browser.run(where)
    assert down > 500
    assert right > 100
    assert abs(head) < 3
    assert abs(name) < 3


def test_a_crowded_chart_has_a_picker_and_families_side_by_side(browser, crowded):
    browser.open(crowded / "tasks" / "sst2_elue.html")
    browser.one(".picker summary").click()
    assert browser.count(".picker button.method") == 21
    browser.one(".picker input").send_keys("method_07")
    buttons = [b for b in browser.all(".picker button.method") if b.is_displayed()]
    assert [b.text for b in buttons] == ["method_07"]
    buttons[0].click()
    assert buttons[0].get_attribute("aria-pressed") == "true"
    assert "pin=" in browser.run("return location.hash")
    assert browser.count(".multiples figure") == 3
    assert browser.complaints() == []
