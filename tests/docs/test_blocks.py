"""Every code block of README and docs: written soundly, and run as a reader would run it."""

from __future__ import annotations

import ast
import shutil
import tomllib
from pathlib import Path

import pytest
import typer

from elue import tasks
from elue.campaign.form import CAMPAIGN, fault
from elue.cli import app
from elue.methods.registry import find
from tests.docs.blocks import ALL, PAGES, ROOT, Block, blocks, commands, run

CLI = typer.main.get_command(app)
QUICK = ("docs/tutorials/count.md",)
"""Pages that run within seconds, in CI; the others train and measure for minutes: `make test-slow`."""
RUN = [page for page in PAGES if any(not block.elsewhere for block in blocks(page))]


def test_there_is_code_in_all_tutorials() -> None:
    tutorials = {page for page in PAGES if page.startswith("docs/tutorials/")}
    assert len(tutorials) == 10
    assert tutorials <= {block.page for block in ALL}
    assert {block.language for block in ALL} <= {"python", "bash", "toml"}


@pytest.mark.parametrize("page", sorted({block.page for block in ALL}))
def test_python_and_toml_are_sound(page: str) -> None:
    for block in blocks(page):
        if block.language == "python":
            ast.parse(block.text)
        elif block.language == "toml":
            entries = tomllib.loads(block.text)
            assert "kind" in entries or fault(entries, CAMPAIGN) is None


@pytest.mark.parametrize("page", sorted({block.page for block in ALL if block.language == "bash"}))
def test_commands_are_there_with_these_options(page: str) -> None:
    """Also of blocks that a test can't run: what they ask `elue` for exists."""
    for block in blocks(page):
        for words in commands(block) if block.language == "bash" else ():
            command, left = CLI, list(words)
            while hasattr(command, "commands"):
                own = left[0] in command.commands or words[0] != "campaign"
                name = left.pop(0) if own else "run"  # `elue campaign FILE` is `elue campaign run FILE`
                assert name in command.commands, words
                command = command.commands[name]
            with command.context_class(command, info_name="elue") as context:
                command.make_parser(context).parse_args(left)


def test_files_of_methods_are_methods_and_tasks_are_tasks(tmp_path: Path) -> None:
    for block in ALL:
        if block.file:
            path = tmp_path / block.file
            path.write_text(block.text, "utf-8")
            if "(Method)" in block.text or "(Trained" in block.text:
                assert find(str(path)).broken == ""
            if path.suffix == ".toml" and block.file not in ("small.toml", "board.toml"):
                assert tasks.get(path).kind == "classification"


def test_the_exit_method_is_of_fifty_lines() -> None:
    lines = (ROOT / "docs/examples/steady.py").read_text("utf-8").splitlines()
    assert len(lines) <= 50


@pytest.mark.parametrize(
    "page",
    [pytest.param(page, marks=pytest.mark.thorough if page in QUICK else pytest.mark.slow) for page in RUN],
)
def test_a_page_runs_as_printed(page: str, tmp_path: Path) -> None:
    (tmp_path / "constraints.txt").write_text("")
    said = run(page, tmp_path)
    assert "Traceback" not in said
    if page in QUICK:
        printed = " ".join((ROOT / page).read_text("utf-8").split("```text\n")[-1].split("```")[0].split())
        assert printed in " ".join(said.split())
    shutil.rmtree(tmp_path, ignore_errors=True)


def test_a_block_that_fails_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = tmp_path / "page.md"
    page.write_text("```python\n1 / 0\n```\n\n```{code-block} bash\n:class: elsewhere\n\nelue nothing\n```\n")
    monkeypatch.setitem(PAGES, "page", page)
    assert list(blocks("page")) == [
        Block("page", "python", "1 / 0\n"),
        Block("page", "bash", "elue nothing\n", None, True),
    ]
    with pytest.raises(AssertionError, match="ZeroDivisionError"):
        run("page", tmp_path)
