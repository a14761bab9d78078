"""The code blocks of README and docs: what each is, and running those of a page in order, as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = {
    path.relative_to(ROOT).as_posix(): path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if path.name not in ("commands.md", "task-file.md", "campaign-file.md", "baselines.md")
}
"""All that somebody wrote; the pages made from the code hold no code to run."""
FENCE = re.compile(r"^(?:<!-- file: (.*?) -->\n+)?(`{3,})(.*?)\n(.*?)^\2\s*?$", re.M | re.S)
TEXT = ("", "text", "{eval-rst}", "{toctree}")
"""Blocks that are no code."""


@dataclass(frozen=True, slots=True)
class Block:
    """A code block. With a `file` it is the contents of one; `elsewhere` says that it needs what a test has not."""

    page: str
    language: str
    text: str
    file: str | None = None
    elsewhere: bool = False


def blocks(page: str) -> Iterator[Block]:
    """The blocks of a page, in order."""
    for file, _, info, body in FENCE.findall(PAGES[page].read_text("utf-8")):
        kind, _, rest = info.strip().partition(" ")
        if kind == "{literalinclude}":
            options = _options(body)
            source = (PAGES[page].parent / rest.strip()).resolve()
            yield Block(page, options["language"], source.read_text("utf-8"), options["caption"])
        elif kind == "{code-block}":
            options = _options(body)
            text = re.sub(r"\A(:[\w-]+:.*\n)*\n?", "", body)
            yield Block(page, rest.strip(), text, options.get("caption"), options.get("class") == "elsewhere")
        elif kind not in TEXT:
            yield Block(page, kind, body, file or None)


def _options(body: str) -> dict[str, str]:
    return dict(re.findall(r"^:([\w-]+): *(.*)$", body, re.M))


ALL = [block for page in PAGES for block in blocks(page)]


def commands(block: Block) -> Iterator[list[str]]:
    """The words of each `elue` command in a block of shell."""
    import shlex

    for line in block.text.replace("\\\n", " ").splitlines():
        for part in re.split(r"\|\||&&|\|", line):
            words = shlex.split(part, comments=True)
            if words[:1] == ["elue"]:
                yield words[1:]


def run(page: str, folder: Path, python: Path = Path(sys.executable)) -> str:
    """Run all of a page's blocks in a folder, in order; what they printed. Raises AssertionError where one fails.

    `python` is that of the environment to run them in.

    Python without a file's name is what a notebook's cells would be: of one namespace, where a page has only such, or
    else each by itself. Files are written, shell runs under `set -e`.
    """
    listed = [block for block in blocks(page) if not block.elsewhere]
    if "notebook" in page:
        return _notebook([block.text for block in listed], folder, python)
    said = []
    for block in listed:
        if block.file:
            path = folder / block.file
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(block.text, "utf-8")
        elif block.language == "python":
            said.append(_done([str(python), "-c", block.text], folder, block, python))
        elif block.language == "bash":
            said.append(_done(["bash", "-e", "-o", "pipefail", "-c", block.text], folder, block, python))
    return "\n".join(said)


def _notebook(cells: list[str], folder: Path, python: Path) -> str:
    """Cells run by IPython, as a notebook runs them."""
    code = f"""
        import sys
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance(user_module=sys.modules["__main__"])
        for cell in {cells!r}:
            done = shell.run_cell(cell, store_history=True)
            if not done.success:
                done.raise_error()
            if hasattr(done.result, "_repr_html_"):
                print(done.result._repr_html_())
    """
    (folder / "cells.py").write_text(textwrap.dedent(code), "utf-8")
    return _done([str(python), "cells.py"], folder, Block("notebook", "python", ""), python)


def _done(words: list[str], folder: Path, block: Block, python: Path) -> str:
    path = f"{python.parent}{os.pathsep}{os.environ['PATH']}"
    own = {"PATH": path, "XDG_CACHE_HOME": str(folder / ".cache"), "IPYTHONDIR": str(folder / ".ipython")}
    environment = {name: value for name, value in os.environ.items() if name not in ("ELUE_METRICS", "ELUE_DATA")}
    done = subprocess.run(words, cwd=folder, env={**environment, **own}, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{block.page}:\n{block.text}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout + done.stderr
