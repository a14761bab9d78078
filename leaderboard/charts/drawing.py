"""Draws Vega-Lite specs as SVG at build time, and makes the script that turns them interactive."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

import altair as alt
import vl_convert
from markupsafe import Markup

VEGA_LITE = ".".join(alt.SCHEMA_VERSION.lstrip("v").split(".")[:2])
_SVG = "http://www.w3.org/2000/svg"
_NOISE = {"style", "class", "role", "aria-roledescription", "aria-hidden", "pointer-events"}


def draw(spec: Mapping[str, Any]) -> str:
    """The spec as an SVG element without styles, scripts, ids or fixed size, to stand inside a page."""
    root = ET.fromstring(vl_convert.vegalite_to_svg(dict(spec), vl_version=VEGA_LITE))
    for parent in root.iter():
        for child in [child for child in parent if child.get("display") == "none" or child.get("opacity") == "0"]:
            parent.remove(child)
        for name in _NOISE & set(parent.attrib):
            del parent.attrib[name]
        _lighten(parent)
    ET.register_namespace("", _SVG)
    root.set("aria-hidden", "true")
    root.set("focusable", "false")
    return ET.tostring(root, encoding="unicode")


def _lighten(element: ET.Element) -> None:
    """Let fill and stroke be translucent, each by itself: opacity of the whole costs a layer of its own to draw."""
    opacity = element.get("opacity")
    if opacity is None or len(element):
        return
    del element.attrib["opacity"]
    if opacity != "1":
        element.attrib.update({f"{part}-opacity": opacity for part in ("fill", "stroke") if part in element.attrib})


def safe(spec: Mapping[str, Any]) -> Markup:
    """The drawing as markup that a template does not escape."""
    return Markup(draw(spec))


def standalone(svg: str) -> str:
    """The same drawing as a file of its own: light colours in place of variables, on white."""
    svg = re.sub(r"var\(--[a-z_]+, ([^)]+)\)", r"\1", svg)
    head, rest = svg.split(">", 1)
    head = head.replace(' aria-hidden="true"', "").replace(' focusable="false"', "")
    return f'{head}><rect width="100%" height="100%" fill="#ffffff"/>{rest}\n'


def raster(svg: str) -> bytes:
    """A drawing of its own as PNG, at twice its size."""
    picture: bytes = vl_convert.svg_to_png(svg, scale=2)
    return picture


def paged(svg: str) -> bytes:
    """A drawing of its own as a PDF of one page, in one weight of its font.

    The converter writes resources, and several fonts, in an order of their own each time: resources are sorted.
    """
    page: bytes = vl_convert.svg_to_pdf(re.sub(r' font-weight="\w+"', "", svg))
    return re.sub(rb"(?m)(?:^ *\/\w+ \d+ 0 R\n)+", lambda lines: b"".join(sorted(lines[0].splitlines(True))), page)


@cache
def bundle() -> str:
    """Vega, Vega-Lite, its expression interpreter and vegaEmbed as one script, with nothing left to load."""
    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed;", vl_version=VEGA_LITE)
    return _NOTICE + script


_NOTICE = f"""/*!
 * Vega {vl_convert.get_vega_version()}, Vega-Lite {VEGA_LITE}, Vega-Embed {vl_convert.get_vega_embed_version()} and \
their dependencies, bundled by vl-convert {version("vl-convert-python")}.
 * Their licenses are in vega-licenses.txt.
 */
"""
