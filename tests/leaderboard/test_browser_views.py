"""Every kind of page at four widths, light and dark, on paper, without scripts; and what axe-core says of each."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.leaderboard.browsing import NEEDS_BROWSER

pytestmark = NEEDS_BROWSER
WIDTHS = (390, 820, 1400, 2200)
KINDS = (
    "submissions/index.html",
    "submissions/tasks/sst2_elue.html",
    "submissions/methods/elasticbert.html",
    "submissions/compare.html",
    "submissions/samples/sst2_elue.html",
    "submissions/runs/*.html",
    "submissions/crossings.html",
    "submissions/claims.html",
    "submissions/about.html",
    "crossed/crossings.html",
    "crossed/methods/*.html",
    "ranked/index.html",
    "ranked/editions/*.html",
    "ranked/tasks/*.html",
    "ranked/methods/*.html",
    "ranked/runs/*.html",
    "whole/index.html",
    "whole/methods/ltp.html",
    "whole/runs/*.html",
    "whole/samples/diagnostic.html",
    "many/samples/mine.html",
)
"""Pages of every kind, by site and path; of several that a pattern fits, the first."""
OVERFLOW = "return document.documentElement.scrollWidth"
CUT = """
const wide = document.documentElement.clientWidth;
return [...document.querySelectorAll('main *')].filter(e => {
  if (!e.offsetParent || e.closest('.scroll, .canvas, pre, svg, .unseen, .formula')) return false;
  if (getComputedStyle(e).clipPath !== 'none') return false;
  const box = e.getBoundingClientRect();
  return box.width > 0 && (box.right > wide + 1 || box.left < -1);
}).map(e => e.outerHTML.slice(0, 120))
"""


def page_of(folder, kind: str) -> Path:
    """The page of a kind."""
    site, _, pattern = kind.partition("/")
    return min((folder / site).glob(pattern))


@pytest.mark.thorough
@pytest.mark.parametrize("kind", KINDS)
def test_nothing_leaves_the_window_at_any_width_nor_on_paper(browser, folder, kind):
    browser.open(page_of(folder, kind))
    browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
    for width in WIDTHS:
        browser.widen(width)
        assert browser.run(OVERFLOW) <= width, width
        assert browser.run(CUT) == [], width
    try:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
        browser.widen(750)
        assert browser.run(OVERFLOW) <= 750, "on paper"
        assert not [e for e in browser.all(".controls, .filters, .pages, .columns") if e.is_displayed()], "on paper"
    finally:
        browser.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})
    assert browser.complaints() == []


@pytest.mark.thorough
def test_without_javascript_every_kind_of_page_says_what_it_is_about(folder, still):
    said = {
        "submissions/tasks/sst2_elue.html": ".canvas svg",
        "submissions/methods/elasticbert.html": "table.summary",
        "submissions/compare.html": "#finding",
        "submissions/samples/sst2_elue.html": "#ways table",
        "submissions/crossings.html": "main table",
        "ranked/crossings.html": "main .empty",
        "submissions/claims.html": "table.claims",
        "submissions/about.html": "#prices table",
        "submissions/index.html": "#picture svg",
        "submissions/runs/*.html": "pre.record",
        "crossed/crossings.html": "main table",
        "ranked/editions/*.html": "main table",
    }
    for kind, selector in said.items():
        still.driver.get(page_of(folder, kind).as_uri())
        assert still.one(selector).is_displayed(), kind
        assert not [e for e in still.all(".controls, .filters, .pages, #ruler") if e.is_displayed()], kind


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1400])
def test_axe_finds_nothing_at_all(browser, folder, axe, theme, width):
    found = []
    for kind in KINDS:
        browser.open(page_of(folder, kind), width)
        browser.run("document.documentElement.dataset.theme = arguments[0]", theme)
        browser.run("for (const each of document.querySelectorAll('details')) each.open = true")
        browser.run(axe)
        result = browser.driver.execute_async_script(
            "const done = arguments[0]; axe.run(document, {resultTypes: ['violations']}).then(r => done(r.violations))"
        )
        found += [(kind, of["id"], of["impact"], [node["html"][:160] for node in of["nodes"][:3]]) for of in result]
    assert found == []
