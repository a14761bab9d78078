"""The built documentation: no warning, no link that leads nowhere, nothing that comes from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.docs.blocks import ROOT

FROM_ELSEWHERE = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src"}


class Page(HTMLParser):
    """Links and names of a page, and what it loads."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.names: set[str] = set()
        self.loads: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.names |= {given[name] for name in ("id", "name") if name in given}
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in FROM_ELSEWHERE and FROM_ELSEWHERE[tag] in given:
            self.loads.append(given[FROM_ELSEWHERE[tag]])


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("sphinx")
    out = tmp_path_factory.mktemp("docs")
    words = [sys.executable, "-m", "sphinx", "-q", "-W", "--keep-going", "-b", "html", "-d", str(out / "trees")]
    done = subprocess.run([*words, "docs", str(out / "html")], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return out / "html"


@pytest.mark.thorough
def test_every_link_leads_somewhere_and_nothing_comes_from_elsewhere(built: Path) -> None:
    pages = {path.relative_to(built).as_posix(): Page(path.read_text("utf-8")) for path in built.rglob("*.html")}
    assert len(pages) > 25
    wrong = []
    for name, page in pages.items():
        for link in [*page.links, *page.loads]:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "mailto"):
                if link in page.loads:
                    wrong.append(f"{name} loads {link}")
                continue
            target = (built / name).parent / unquote(parts.path) if parts.path else built / name
            target = target.resolve()
            inside = pages.get(target.relative_to(built.resolve()).as_posix())
            if not target.is_file() or (parts.fragment and inside and unquote(parts.fragment) not in inside.names):
                wrong.append(f"{name} links to {link}")
    assert not wrong
    for sheet in built.rglob("*.css"):
        assert not re.search(r"url\(['\"]?(https?:)?//|@import", sheet.read_text("utf-8")), sheet
    text = (built / "reference/commands.html").read_text("utf-8")
    assert "elue init-task" in text
    assert "--allow-unconfined" in text
    assert "api.evaluate" in (built / "reference/api.html").read_text("utf-8")


def test_the_readme_is_short_and_shows_the_site() -> None:
    text = (ROOT / "README.md").read_text("utf-8")
    assert len(text.split()) <= 900
    (picture,) = re.findall(r"!\[.+?\]\((.+?)\)", text)
    assert (ROOT / picture).is_file()
    for link in re.findall(r"\]\((?!https?:)([^)#]+)", text):
        assert (ROOT / link).exists(), link
