"""The method that `elue init-method` writes conforms, measures and tests as written, and overwrites nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.methods.skeleton.writing import write_skeleton
from tests.commanding import elue
from tests.running import evaluate_plugin


def test_the_skeleton_measures_as_written(tmp_path: Path) -> None:
    write_skeleton(tmp_path / "my-method")
    plugin = tmp_path / "my-method" / "my_method.py"
    quick = {"limit": 20, "latency": 0, "repeat": 0, "explain": 0}
    cheap, *_, dear = evaluate_plugin(tmp_path, plugin, "diagnostic", **quick)
    assert (cheap.status, cheap.method.name, cheap.flags) == ("ok", "my-method", ())
    assert cheap.flops
    assert dear.flops
    assert cheap.flops.mean < dear.flops.mean


@pytest.mark.thorough
def test_the_skeleton_checks_measures_and_tests_as_written(tmp_path: Path) -> None:
    done = elue("init-method", "my-method", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    folder = tmp_path / "my-method"
    assert sorted(path.name for path in folder.iterdir()) == ["README.md", "my_method.py", "test_my_method.py"]
    assert "skeleton" not in "".join(path.read_text() for path in folder.iterdir())
    done = elue("check", "my_method.py", "--json", cwd=folder)
    assert done.returncode == 0, done.stdout
    outcomes = {result["name"]: result["outcome"] for result in json.loads(done.stdout)}
    assert {name for name, outcome in outcomes.items() if outcome == "skip"} == {"predict-sweep", "survey", "explain"}
    done = elue("evaluate", "my_method.py", "--task", "diagnostic", "--limit", "50", "--json", cwd=folder)
    assert done.returncode == 0, done.stderr
    cheap, *_, dear = [run["flops"]["mean"] for run in json.loads(done.stdout)]
    assert cheap < dear
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "."]
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
    assert "26 passed, 3 skipped" in done.stdout


@pytest.mark.parametrize(
    ("name", "says"),
    [
        ("torch", "hide the package 'torch'"),
        ("json", "would hide"),
        ("---", "can't name a method"),
        ("static", "'static' is the name of a method that is installed"),
        ("Power BERT", "'power-bert' is the name of a method that is installed"),
    ],
)
def test_a_folder_that_can_t_name_a_method(tmp_path: Path, name: str, says: str) -> None:
    with pytest.raises(ElueError, match=says):
        write_skeleton(tmp_path / name)


def test_the_skeleton_overwrites_nothing(tmp_path: Path) -> None:
    folder = tmp_path / "my-method"
    folder.mkdir()
    (folder / "README.md").write_text("mine")
    with pytest.raises(ElueError, match="exists already"):
        write_skeleton(folder)
    assert [path.name for path in folder.iterdir()] == ["README.md"]
