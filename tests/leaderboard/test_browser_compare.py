"""The comparison of two curves in a real browser: what it opens on, and that every number is one of `elue.scores`."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
import zlib
from pathlib import Path

import numpy as np
import pytest

from elue.scores.curve import hull_at
from elue.scores.pairwise import BUDGETS, CurvePoints, apart
from elue.scores.resampling import column_of, resample, side_by_side
from tests.leaderboard.browsing import NEEDS_BROWSER
from tests.leaderboard.reading import read
from tests.scoring import against_static

pytestmark = NEEDS_BROWSER
FINDING = "return document.querySelector('#finding').innerText.replace(/\\s+/g, ' ').trim()"


def cells(browser):
    """The table of all budgets, cell by cell."""
    script = "return [...document.querySelectorAll('#budgets tbody tr')].map(r => [...r.cells].map(c => c.textContent))"
    return browser.run(script)


@pytest.fixture(scope="module")
def diagnostic(whole_records):
    """The curves of the diagnostic task, without the run that was taken back."""
    own = [r for r in whole_records if r.task.name == "diagnostic"]
    return [r for r in own if (r.method.name, r.point) != ("ltp", {"scale": 3.0})]


def test_it_opens_on_the_leader_against_static_and_every_number_is_that_of_the_scores(browser, folder, diagnostic):
    board = against_static(diagnostic)
    leader = next(c for c in board.curves if c.method != "static")
    browser.open(folder / "whole" / "compare.html")
    told = browser.run(FINDING)
    assert [browser.one(f"[data-pick={side}] option:checked").text for side in "ab"] == [leader.method, "static"]
    drawn = resample(side_by_side([column_of(r) for r in diagnostic]), board.resamples, board.seed)
    curves = {}
    for name in (leader.method, "static"):
        places = [i for i, r in enumerate(diagnostic) if r.method.name == name]
        points = [(diagnostic[i].flops.mean, diagnostic[i].score.value) for i in places]
        curves[name] = CurvePoints(points, (drawn.flops[:, places], drawn.scores[:, places]))
    expected = apart(curves, board.low, board.high, board.floor)
    rows = cells(browser)
    assert len(rows) == BUDGETS
    differences, words = expected.difference(leader.method, "static"), expected.words(leader.method, "static")
    for row, budget, difference, word in zip(rows, expected.budgets, differences, words, strict=True):
        assert row[0] == f"{100 * budget / board.high:.0f} %"
        values = [float(row[2]), float(row[3]), float(row[4].replace("−", "-"))]
        levels = [hull_at(curves[name].points, budget, board.floor) for name in (leader.method, "static")]
        assert values == pytest.approx([*levels, difference.value], abs=0.0051)
        if difference.error:
            ends = [float(end.replace("−", "-")) for end in re.findall(r"[+−]?\d+\.\d+", row[5])]
            assert ends == pytest.approx([difference.low, difference.high], abs=0.0051)
        assert row[6] == word
    shown = int(browser.one("#ruler input").get_attribute("value"))
    assert (" level" in told) == (words[shown] == "level")
    (pair,) = [p for p in board.pairs if {board.curves[p.a].method, board.curves[p.b].method} == set(curves)]
    ends = sorted([pair.difference.low, pair.difference.high], key=abs)
    assert f"{abs(ends[0]):.2f}" in told
    assert f"{abs(ends[1]):.2f}" in told
    assert "the same on average" in told or f"{abs(pair.difference.value):.2f} points" in told
    assert browser.count(".two-curves .mark-a") == len(curves[leader.method].points)
    assert browser.complaints() == []


def test_swapped_it_says_the_opposite_and_the_ruler_and_the_address_follow(browser, folder):
    browser.open(folder / "whole" / "compare.html")
    before = cells(browser)
    browser.one("[data-pick=swap]").click()
    browser.wait("location.hash.includes('a=')")
    browser.wait(f"document.querySelector('#budgets tbody td:nth-child(3)').textContent === '{before[0][3]}'")
    for row, other in zip(cells(browser), before, strict=True):
        assert row[2:4] == other[3:1:-1]
        assert row[4].strip("+−") == other[4].strip("+−")
        assert row[6] == other[6]
    browser.run("const r = document.querySelector('#ruler input'); r.value = 3; r.dispatchEvent(new Event('change'))")
    browser.wait("location.hash.includes('budget=3')")
    browser.wait("document.querySelectorAll('#budgets tr.shown')[0].rowIndex === 4")
    ruler = browser.one(".two-curves .ruler-line").rect["x"]
    view = browser.run("return location.hash").removeprefix("#")
    browser.open(folder / "whole" / "compare.html", view=view)
    assert browser.one(".two-curves .ruler-line").rect["x"] == ruler
    assert browser.one(".ruler output").text.startswith(before[3][0])
    browser.run("document.querySelector('.two-curves').dispatchEvent(new MouseEvent('click', {clientX: 1e4}))")
    browser.wait(f"location.hash.includes('budget={BUDGETS - 1}')")
    assert browser.complaints() == []


def test_who_won_and_what_was_saved_are_counted_over_all_samples(browser, folder, diagnostic):
    browser.open(folder / "whole" / "compare.html", view=f"budget={BUDGETS - 1}")
    keys = re.findall(r"runs/([0-9a-f]{16})", browser.one("#pair").get_attribute("innerHTML"))
    a, b = (next(r for r in diagnostic if r.key.startswith(key)) for key in keys)
    wins = [int(span.text.replace(",", "")) for span in browser.all("#by-sample summary .quiet")]
    wrong, other = np.array(a.samples.error) != 0, np.array(b.samples.error) != 0
    assert wins == [(~wrong & other).sum(), (wrong & ~other).sum()]
    bars = browser.run("return [...document.querySelectorAll('#by-sample meter')].map(m => [m.value, m.max])")
    assert {most for _, most in bars} == {len(wrong)}, "a full bar is all samples"
    assert sum(value for value, _ in bars) == len(wrong)
    extra = a.flops.mean / b.flops.mean - 1
    costs = f"A costs {abs(100 * extra):.1f} % {'more' if extra >= 0 else 'less'}"
    assert costs in browser.one("#pair").text


def test_without_javascript_the_finding_and_all_budgets_are_there_and_the_same(browser, folder, still):
    page = folder / "whole" / "compare.html"
    browser.open(page)
    written = read(page.read_text("utf-8"))
    assert browser.run(FINDING) == written.one(id="finding").text
    assert browser.run(FINDING.replace("#finding", "#in-all")) == written.one(id="in-all").text != ""
    rows = [[cell.text for cell in row.children if not isinstance(cell, str)] for row in written.one("tbody").all("tr")]
    assert cells(browser) == rows
    still.driver.get(page.as_uri())
    assert still.one("#finding").is_displayed()
    assert still.one("#budgets table").is_displayed()
    assert not still.one("#compare").is_displayed()
    assert not still.one("#ruler").is_displayed()


@pytest.fixture
def saved(browser, tmp_path):
    """What a click on the button of a kind leaves on the reader's disk."""
    where = {"behavior": "allow", "downloadPath": str(tmp_path)}
    browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", where)

    def save(kind: str) -> Path:
        browser.one(f"[data-save={kind}]").click()
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            if files := list(tmp_path.glob(f"*.{kind}")):
                return files[0].rename(tmp_path / f"{len(list(tmp_path.iterdir()))}-{files[0].name}.kept")
            time.sleep(0.05)
        raise AssertionError(f"no .{kind} within 30 s")

    yield save
    browser.driver.execute_cdp_cmd("Browser.setDownloadBehavior", {"behavior": "default"})


def picture_in(page: bytes) -> tuple[int, int, bytes]:
    """The size and the colours of the only picture of a PDF, found by way of its table of objects."""
    start = int(re.search(rb"startxref\n(\d+)\n%%EOF\n$", page)[1])
    assert page[start:].startswith(b"xref\n")
    places = [int(place) for place in re.findall(rb"(\d{10}) 00000 n \n", page[start:])]
    objects = [page[place:] for place in places]
    assert all(object.startswith(b"%d 0 obj" % (i + 1)) for i, object in enumerate(objects))
    (told,) = [object for object in objects if b"/Subtype/Image" in object[: object.index(b"endobj")]]
    width, height, length = (int(re.search(rb"/%s (\d+)" % name, told)[1]) for name in (b"Width", b"Height", b"Length"))
    begin = told.index(b"stream\n") + len(b"stream\n")
    return width, height, zlib.decompress(told[begin : begin + length])


def test_the_chart_is_saved_as_drawing_picture_and_page_in_light_colours(browser, folder, saved):
    """What is saved needs no style sheet: every line has its colour with it, and all three are of one picture."""
    from PIL import Image

    browser.open(folder / "whole" / "compare.html")
    light = saved("png").read_bytes()
    browser.run("document.documentElement.dataset.theme = 'dark'")
    drawing, picture, page = (saved(kind) for kind in ("svg", "png", "pdf"))
    assert browser.run("return document.documentElement.dataset.theme") == "dark"
    assert all("-static." in path.name for path in (drawing, picture, page))
    root = ET.fromstring(drawing.read_text("utf-8"))
    lines = [element for element in root.iter() if element.get("class") in ("line-a", "line-b")]
    colours = {line.get("stroke") or "" for line in lines}
    assert len(colours) == 2
    assert all(line.get("fill") == "none" for line in lines)
    assert picture.read_bytes() == light
    shown = Image.open(picture).convert("RGB")
    width, height = (float(number) for number in (root.get("viewBox") or "").split()[2:])
    assert shown.size == (4 * width, 4 * height)
    assert shown.getpixel((2, 2)) == (255, 255, 255)
    painted = {colour for _, colour in shown.getcolors(1 << 20)}
    assert {tuple(map(int, re.findall(r"\d+", colour))) for colour in colours} <= painted
    assert picture_in(page.read_bytes()) == (*shown.size, shown.tobytes())
    assert browser.complaints() == []


@pytest.mark.thorough
@pytest.mark.parametrize("path", ["tasks/diagnostic.html", "methods/ltp.html"])
def test_charts_of_tasks_and_methods_are_saved_so_too(browser, folder, saved, path):
    from PIL import Image

    browser.open(folder / "whole" / path)
    drawing, picture, page = (saved(kind) for kind in ("svg", "png", "pdf"))
    assert ET.fromstring(drawing.read_text("utf-8")).tag.endswith("svg")
    shown = Image.open(picture).convert("RGB")
    assert len(shown.getcolors(1 << 22)) > 10
    assert picture_in(page.read_bytes()) == (*shown.size, shown.tobytes())
    assert browser.complaints() == []
