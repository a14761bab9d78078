"""`elue count` as its users see it: what is printed where, exit codes, and torch in another process."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from elue.cli import measure
from tests import commanding
from tests.meter.models.small import configuration


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "config.json").write_text(json.dumps(configuration("gpt2").to_dict() | {"architectures": None}))
    return tmp_path


def elue(*arguments: object) -> subprocess.CompletedProcess[str]:
    """Run the command as it is, in a process that has another one count."""
    command = [sys.executable, "-m", "elue", "count", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.fixture
def counted_here(monkeypatch: pytest.MonkeyPatch) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run the command here, where what it imports to count is there already."""
    monkeypatch.setattr(measure, "_counted", measure._count)
    return lambda *arguments: commanding.elue("count", *map(str, arguments), cwd=Path.cwd())


def test_modules_are_told_with_their_share_and_which_class_it_is(model: Path) -> None:
    done = elue(model, "--tokens", 16, "--depth", 1)
    assert done.returncode == 0, done.stderr
    head, body, layer, *rest = done.stdout.splitlines()
    assert head.split() == ["module", "type", "parameters", "FLOPs", "share", "MACs"]
    assert body.split()[:2] == ["model", "GPT2LMHeadModel"]
    assert layer.split()[:2] == ["transformer", "GPT2Model"]
    cells = rest[0].split()
    assert cells[:4] + cells[5:] == ["lm_head", "Linear", "6,400", "204,800", "102,400"]
    assert rest[-1].startswith("forward: ")
    assert rest[-1].endswith(" FLOPs, 528,384 multiply-adds")
    assert "GPT2LMHeadModel (the configuration names no class), 33,920 parameters" in done.stderr
    assert "input_ids 1x16; profile elue-1" in done.stderr


def test_prompt_and_output_are_told_apart(
    model: Path, counted_here: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    done = counted_here(model, "--tokens", 8, "--generate", 3, "--json")
    assert done.returncode == 0, done.stderr
    assert list(json.loads(done.stdout)["parts"]) == ["prompt", "output"]
    done = counted_here(model, "--tokens", 8, "--train", "--by-operator")
    assert [line.split(":")[0] for line in done.stdout.splitlines() if "FLOPs," in line] == [
        "forward",
        "backward",
        "optimiser",
        "together",
    ]


def test_a_failure_is_one_line_without_a_traceback(
    model: Path, monkeypatch: pytest.MonkeyPatch, counted_here: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    monkeypatch.chdir(model)
    for done in (
        elue(".", "--head", "Nothing"),
        counted_here(".", "--head", "Nothing"),
        counted_here("no-such-folder/config.json"),
        counted_here(".", "--batch", "0"),
    ):
        assert done.returncode == 2
        assert done.stdout == ""
        assert len(done.stderr.splitlines()) == 1
        assert done.stderr.startswith("error: ")


def test_torch_stays_out_of_the_parent(model: Path) -> None:
    code = f"""
import sys
sys.argv = ["elue", "count", {str(model)!r}, "--tokens", "8"]
from elue.cli import main
if __name__ == "__main__":
    try:
        main()
    except SystemExit as end:
        assert not end.code
    assert not {{"torch", "transformers"}} & set(sys.modules)
"""
    path = model / "parent.py"
    path.write_text(code)
    done = subprocess.run([sys.executable, str(path)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
