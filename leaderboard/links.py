"""Checks the links of a site while it is built: every one leads to a file of the site, and to a place in it."""

from __future__ import annotations

import html
import posixpath
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache

from elue.errors import ElueError
from elue.leaderboard.publish import File

_LINK = re.compile(r'<(\w+)\b[^>]*?\s(?:href|src)="([^"]*)"')
_ID = re.compile(r'\sid="([^"]*)"')


def checked(files: Iterable[File], base_url: str = "") -> Iterator[File]:
    """The files as they come; after the last, ElueError `broken_link` if a page points to what is not there.

    Only anchors (`a`) may lead out of the site, over http or https; what starts with `base_url` is in it. A hash with
    `=` in it is a view, not a place.
    """
    names: set[str] = set()
    places: set[tuple[str, str]] = set()
    wanted: dict[tuple[str, str], str] = {}
    for name, content in files:
        names.add(name)
        if name.endswith(".html") and isinstance(content, str):
            places |= {(name, html.unescape(place)) for place in _ID.findall(content)}
            for tag, target in _LINK.findall(content):
                if base_url and target.startswith(base_url):
                    wanted.setdefault((html.unescape(target).removeprefix(base_url), ""), name)
                    continue
                if tag == "a" and target.startswith(("https://", "http://")):
                    continue
                wanted.setdefault(_resolved(name, html.unescape(target)), name)
        yield name, content
    for (path, place), source in sorted(wanted.items()):
        if path not in names or (place and "=" not in place and (path, place) not in places):
            target = f"{path}#{place}" if place else path
            raise ElueError("broken_link", f"The page {source} points to {target}, which is not in the site.")


def _resolved(source: str, target: str) -> tuple[str, str]:
    path, _, place = target.partition("#")
    return _from(posixpath.dirname(source), path) if path else source, place


@lru_cache(100_000)
def _from(folder: str, path: str) -> str:
    return posixpath.normpath(posixpath.join(folder, path))
