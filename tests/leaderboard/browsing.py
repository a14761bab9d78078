"""A headless Chromium for tests, quiet and without a network."""

from __future__ import annotations

import importlib.util
import json
import shutil
from pathlib import Path

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
NEEDS_BROWSER = [
    pytest.mark.browser,
    pytest.mark.skipif(not (CHROMIUM and DRIVER), reason="no chromium or no chromedriver on the PATH"),
    pytest.mark.skipif(not importlib.util.find_spec("selenium"), reason="selenium is not installed"),
]
SUBMISSIONS = Path(__file__).parents[2] / "submissions"
MARKS = ".canvas.live .mark-symbol:is(.runs_marks, .below_marks) path"
"""The points of a live chart, and the carets of those below it."""
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

    def open(self, path: Path, width: int = 1200, view: str = "") -> None:
        """Open a page at a width, as a view of it if one is given, and wait until its scripts have done their work."""
        self.widen(width)
        self.driver.get("about:blank")
        self.driver.get(path.as_uri() + (f"#{view}" if view else ""))
        self.wait("!document.querySelector('.canvas:not(.live)')")
        self.wait("!document.querySelector('#explorer, #compare') || document.body.classList.contains('ready')")

    def forget(self) -> None:
        """Leave what was open, and all that pages of files have stored, complained of and asked for."""
        self.driver.get("about:blank")
        self.driver.execute_cdp_cmd("Storage.clearDataForOrigin", {"origin": "file://", "storageTypes": "all"})
        self.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})
        self.complaints()
        self.requests()

    def widen(self, width: int, height: int = 900) -> None:
        """Give the window another size."""
        size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
        self.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)

    def wait(self, condition: str) -> None:
        """Wait until a script's condition holds."""
        from selenium.webdriver.support.ui import WebDriverWait

        WebDriverWait(self.driver, 30, 0.05).until(lambda _: self.run(f"return Boolean({condition})"))

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

    def choose(self, selector: str, value: str) -> None:
        """Choose an option of a select by its value."""
        from selenium.webdriver.support.ui import Select

        Select(self.one(selector)).select_by_value(value)

    def complaints(self) -> list[str]:
        """What the console said since last asked."""
        return [entry["message"] for entry in self.driver.get_log("browser")]

    def requests(self) -> list[str]:
        """The addresses asked for since last asked."""
        events = [json.loads(entry["message"])["message"] for entry in self.driver.get_log("performance")]
        return [e["params"]["request"]["url"] for e in events if e["method"] == "Network.requestWillBeSent"]


def column(browser: Browser, number: int, table: str = "table.runs") -> list[str]:
    """The cells of a table's column that are shown, as values or as text."""
    script = "return [...document.querySelector(arguments[1]).tBodies[0].rows].filter(r => !r.hidden)"
    script += ".map(r => r.cells[arguments[0]]).map(c => c.querySelector('data')?.value ?? c.textContent.trim())"
    return browser.run(script, number, table)
