"""Sphinx's settings, and the pages that are made from the code: commands, entries of files, baselines."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))

import generate  # noqa: E402  (beside this file)

from elue import __version__  # noqa: E402

project = "ELUE"
author = "The authors of ELUE"
copyright = "The authors of ELUE, Apache-2.0"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["examples"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = f"ELUE {version}"
html_static_path = ["_static"]
html_css_files = ["docs.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {
    "light_css_variables": {"color-brand-primary": "#1f5f99", "color-brand-content": "#1f5f99"},
    "dark_css_variables": {"color-brand-primary": "#8cc2f0", "color-brand-content": "#8cc2f0"},
}
pygments_style = "friendly"
pygments_dark_style = "native"
autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_preserve_defaults = True
autodoc_default_options = {"members": True}
maximum_signature_line_length = 88
smartquotes = False
default_role = "code"


def as_rst(app: Any, what: str, name: str, thing: object, options: Any, lines: list[str]) -> None:
    """Our docstrings have lists, literals and indented code as Markdown does: make reStructuredText of them."""
    written: list[str] = []
    code = False
    for line in lines:
        before = written[-1] if written else ""
        indented = line.startswith("    ")
        if indented and not before.strip() and not code and not _in_list(written):
            code = True
            written += ["::", ""]
        elif line.strip() and not indented:
            code = False
        if code:
            written.append(line)
            continue
        if re.match(r"\s*- ", line) and before.strip() and not re.match(r"\s*- |\s+", before):
            written.append("")
        if before.strip() and re.match(r"- |  ", _listed(written)) and line.strip() and not re.match(r"\s|- ", line):
            written.append("")
        written.append(_inline(line))
    lines[:] = written


def _in_list(written: list[str]) -> bool:
    said = [line for line in written if line.strip()]
    return bool(said) and re.match(r"- |  ", said[-1]) is not None


def _listed(written: list[str]) -> str:
    return written[-1] if written else ""


def _inline(line: str) -> str:
    """Literals in two backticks, and whatever else reStructuredText would read as markup escaped."""
    parts = re.split(r"(`[^`]+`)", line)
    return "".join(
        f"`{part}`" if part.startswith("`") else re.sub(r"([*|]|(?<=\w)_(?=\W|$))", r"\\\1", part) for part in parts
    )


def setup(app: Any) -> None:
    """Sphinx calls this when it reads the settings."""
    generate.write(HERE / "reference")
    app.connect("autodoc-process-docstring", as_rst)
