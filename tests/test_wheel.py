"""The wheel in an environment of its own: what a user of a release has, in any folder, without the clone."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, run

PAGES = ("README.md", "docs/tutorials/count.md", "docs/tutorials/first-method.md", "docs/tutorials/notebook.md")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("dist")
    words = [sys.executable, "-m", "build", "--no-isolation", "--wheel", "--outdir", str(out), str(ROOT)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (path,) = out.glob("*.whl")
    return path


@pytest.fixture(scope="module")
def python(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a new environment with the wheel; what that needs comes from the environment of these tests."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    python = folder / "bin" / "python"
    install = [python, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", wheel]
    subprocess.run(install, check=True, capture_output=True)
    (site,) = (folder / "lib").glob("python*/site-packages")
    (site / "needs.pth").write_text(sysconfig.get_path("purelib") + "\n")
    asked = [python, "-I", "-c", "import elue; print(elue.__file__)"]
    told = subprocess.run(asked, capture_output=True, text=True, check=True)
    assert Path(told.stdout.strip()).is_relative_to(folder), "it is the wheel's, not the clone's"
    return python


@pytest.mark.slow
def test_all_that_the_clone_has_is_in_the_wheel(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    for folder, package in (("elue", "elue"), ("plugins", "elue/plugins"), ("leaderboard", "elue/leaderboard")):
        listed = subprocess.run(["git", "ls-files", folder], cwd=ROOT, capture_output=True, text=True, check=True)
        for name in listed.stdout.split():
            if not name.endswith(("tsconfig.json", ".d.ts", "package.json")):
                assert package + name.removeprefix(folder) in names, name


@pytest.mark.slow
def test_a_method_a_demo_and_a_site_from_any_folder(python: Path, tmp_path: Path) -> None:
    def elue(*words: str) -> str:
        environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
        command = [str(python.parent / "elue"), *words]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{words}: {done.stdout[-1500:]}{done.stderr[-1500:]}"
        return done.stdout + done.stderr

    assert "elasticbert" in elue("list")
    elue("init-method", "my-method")
    elue("check", "my-method/my_method.py")
    elue("demo")
    elue("site", "--db", "sqlite:///demo/elue.sqlite", "--out", "site")
    assert (tmp_path / "site" / "tasks" / "diagnostic.html").is_file()


@pytest.mark.slow
@pytest.mark.parametrize("page", PAGES)
def test_examples_of_the_documentation_run_from_the_wheel(python: Path, tmp_path: Path, page: str) -> None:
    run(page, tmp_path, python)
