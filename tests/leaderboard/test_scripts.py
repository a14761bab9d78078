"""The scripts of the pages: every one is published, loaded by a page, and short; the type checker is pinned."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from elue.leaderboard.build import pages
from tests.leaderboard.whole import reader_of, summaries_of, whole_store

ROOT = Path(__file__).parents[2]
STATIC = ROOT / "leaderboard" / "static"
SCRIPTS = sorted(path.name for path in STATIC.glob("*.js"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_scripts_fit_one_sitting(name):
    assert len((STATIC / name).read_text("utf-8").splitlines()) <= 250


def test_every_file_is_published_and_every_script_loaded():
    records = whole_store(rich=False)
    files = dict(pages(summaries_of(records), reader_of(records)))
    published = {name.removeprefix("static/") for name in files if name.startswith("static/")}
    assert published == {path.name for path in STATIC.iterdir()} | {"vega.js"}
    text = "".join(page for name, page in files.items() if name.endswith(".html"))
    assert set(re.findall(r'src="[./]*static/([\w-]+\.js)"', text)) == {*SCRIPTS, "vega.js"}


def test_the_compiler_has_one_version_and_no_place():
    package = json.loads((ROOT / "package.json").read_text())
    assert re.fullmatch(r"\d+\.\d+\.\d+", package["devDependencies"]["typescript"])
    assert not list(ROOT.glob("package-lock.json"))


@pytest.mark.thorough
def test_a_wrong_type_is_found(tmp_path):
    compiler = ROOT / "node_modules" / ".bin" / "tsc"
    if not compiler.exists() or not shutil.which("node"):
        pytest.skip("the TypeScript compiler is not here; `make lint` gets it where it can")
    shutil.copytree(ROOT / "leaderboard", tmp_path / "site", ignore=shutil.ignore_patterns("*.py", "__pycache__"))
    check = [str(compiler), "--project", str(tmp_path / "site" / "tsconfig.json")]
    script = tmp_path / "site" / "static" / "table.js"
    script.write_text(script.read_text("utf-8") + "\nwindow.elue.flops('many');\n", "utf-8")
    done = subprocess.run(check, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    assert "table.js" in done.stdout
