"""The pages in a real browser, from the file system, with the network off."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

from elue.leaderboard import build
from tests.leaderboard.samples import store
from tests.leaderboard.test_site import hostile

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium or no chromedriver on the PATH"),
    pytest.mark.skipif(not importlib.util.find_spec("selenium"), reason="selenium is not installed"),
]
QUIET = [
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-default-apps",
    "--force-prefers-reduced-motion",
    "--host-resolver-rules=MAP * ~NOTFOUND",
]


class Browser:
    """A headless Chromium that remembers what its pages asked for and complained of."""

    def __init__(self, profile: Path, *arguments: str, javascript: bool = True) -> None:
        from selenium import webdriver

        options = webdriver.ChromeOptions()
        options.binary_location = CHROMIUM
        for argument in (*QUIET, f"--user-data-dir={profile}", *arguments):
            options.add_argument(argument)
        if not javascript:
            options.add_experimental_option("prefs", {"profile.managed_default_content_settings.javascript": 2})
        options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
        self.driver = webdriver.Chrome(options, webdriver.ChromeService(DRIVER))

    def open(self, path: Path, width: int = 1200) -> None:
        """Open a page at a width and wait until its charts are alive."""
        from selenium.webdriver.support.ui import WebDriverWait

        size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        self.driver.get(path.as_uri())
        WebDriverWait(self.driver, 20).until(lambda _: self.count(".canvas:not(.live)") == 0)

    def run(self, script: str, *arguments: object) -> object:
        """The value of a script's `return`."""
        return self.driver.execute_script(script, *arguments)

    def all(self, selector: str) -> list:
        """The elements a selector finds."""
        return self.driver.find_elements("css selector", selector)

    def one(self, selector: str):
        """The first element a selector finds."""
        return self.driver.find_element("css selector", selector)

    def count(self, selector: str) -> int:
        """How many elements a selector finds."""
        return len(self.all(selector))

    def complaints(self) -> list[str]:
        """What the console said since last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses asked for since last asked."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("sites")
    for name, summaries in {"store": store(), "hostile": hostile(), "nothing": []}.items():
        build(summaries, root / name)
    return root


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    browser = Browser(tmp_path_factory.mktemp("profile"))
    browser.driver.get("about:blank")
    browser.requests()
    yield browser
    browser.driver.quit()


@pytest.mark.parametrize("name", ["store", "hostile", "nothing"])
def test_every_page_loads_from_files_without_a_complaint(browser, folder, name):
    for page in sorted((folder / name).rglob("*.html")):
        browser.open(page)
        assert browser.complaints() == []
        asked = browser.requests()
        assert page.as_uri() in asked
        assert [address for address in asked if not address.startswith("file://")] == []
        assert browser.count("script[data-chart]") == browser.count(".canvas.live svg")
        assert browser.run("return document.querySelectorAll('img, link, script').length") > 0


@pytest.mark.parametrize("width", [360, 390, 1000, 1600])
@pytest.mark.parametrize("name", ["store", "hostile"])
def test_no_page_is_wider_than_the_window(browser, folder, name, width):
    for page in sorted((folder / name).rglob("*.html")):
        browser.open(page, width)
        assert browser.run("return document.documentElement.scrollWidth") <= width, page.name


def column(browser, number):
    script = "return [...document.querySelectorAll('table.runs')[0].tBodies[0].rows].map(r => r.cells[arguments[0]]"
    return browser.run(script + ".querySelector('data')?.value ?? r.cells[arguments[0]].textContent.trim())", number)


def test_columns_sort_both_ways_by_mouse_and_keyboard(browser, folder):
    from selenium.webdriver.common.keys import Keys

    browser.open(folder / "store" / "tasks" / "sst2_elue.html")
    assert column(browser, 3) == sorted(column(browser, 3), key=float, reverse=True)
    heading = browser.all("table.runs thead th")[5]
    heading.find_element("css selector", "button").click()
    assert heading.get_attribute("aria-sort") == "ascending"
    assert column(browser, 5) == sorted(column(browser, 5), key=float)
    heading.find_element("css selector", "button").send_keys(Keys.ENTER)
    assert heading.get_attribute("aria-sort") == "descending"
    assert column(browser, 5) == sorted(column(browser, 5), key=float, reverse=True)
    browser.all("table.runs thead th button")[0].click()
    assert column(browser, 0) == sorted(column(browser, 0))
    assert browser.count("table.runs:first-of-type thead [aria-sort]") >= 1


def loneliest(marks):
    """The mark farthest from its nearest neighbour, so that the pointer can only mean this one."""
    places = [complex(m.rect["x"] + m.rect["width"] / 2, m.rect["y"] + m.rect["height"] / 2) for m in marks]
    distances = [min(abs(here - there) for j, there in enumerate(places) if j != i) for i, here in enumerate(places)]
    return marks[distances.index(max(distances))]


def test_the_live_chart_shows_what_the_table_shows(browser, folder):
    from selenium.webdriver.common.action_chains import ActionChains

    browser.open(folder / "store" / "tasks" / "diagnostic.html")
    marks = browser.all(".canvas.live .mark-symbol path")
    assert len(marks) == browser.count("table.runs tbody tr")
    mark = loneliest(marks)
    row = browser.one("#" + browser.run("return arguments[0].__data__.datum.run", mark))
    ActionChains(browser.driver).move_to_element(mark).perform()
    card = browser.one(".card-tip").text
    assert card.splitlines()[0] == row.find_element("css selector", "th").text
    assert row.find_element("css selector", "data").text in card
    ActionChains(browser.driver).click().perform()
    assert "shown" in row.get_attribute("class")
    assert browser.complaints() == []


def test_picking_a_curve_fades_the_others_in_chart_and_table(browser, folder):
    browser.open(folder / "store" / "tasks" / "diagnostic.html")
    button = next(b for b in browser.all(".legend button") if b.text.startswith("switch"))
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    own = [row for row in browser.all("table.runs tbody tr") if "dim" not in (row.get_attribute("class") or "")]
    assert {row.find_element("css selector", "th").text for row in own} == {"switch"}
    lit = [m for m in browser.all(".canvas.live .mark-symbol path") if float(m.get_attribute("opacity") or 1) == 1]
    assert len(lit) == len(own)
    button.click()
    assert browser.count("tr.dim") == 0


def test_the_chosen_theme_holds_on_the_next_page(browser, folder):
    ground = "return getComputedStyle(document.body).backgroundColor"
    browser.open(folder / "store" / "index.html")
    light = browser.run(ground)
    browser.one("#theme").click()
    dark = browser.run(ground)
    browser.open(folder / "store" / "tasks" / "diagnostic.html")
    assert browser.run(ground) == dark != light
    fills = browser.run("return getComputedStyle(document.querySelector('.canvas .mark-symbol path')).stroke")
    browser.one("#theme").click()
    assert browser.run(ground) == light
    assert browser.run("return getComputedStyle(document.querySelector('.canvas .mark-symbol path')).stroke") != fills


def test_keyboard_reaches_content_first_and_every_control(browser, folder):
    from selenium.webdriver.common.keys import Keys

    browser.open(folder / "store" / "tasks" / "diagnostic.html")
    browser.one("body").send_keys(Keys.TAB)
    assert browser.run("return document.activeElement.className") == "skip"
    reach = "return [...document.querySelectorAll('a, button, summary')].filter(e => e.tabIndex < 0).length"
    assert browser.run(reach) == 0


def test_without_javascript_the_charts_and_tables_are_there(folder, tmp_path):
    browser = Browser(tmp_path, javascript=False)
    try:
        browser.driver.get((folder / "store" / "tasks" / "diagnostic.html").as_uri())
        drawing = browser.one(".canvas svg")
        assert drawing.is_displayed()
        assert drawing.rect["width"] > 300
        assert browser.count("table.runs tbody tr") > 30
        assert not browser.one("#theme").is_displayed()
    finally:
        browser.driver.quit()
