"""What the list of dear tests names, with tests run in a process of their own."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

BURN = """\
    import subprocess, sys, time
    import pytest

    LOOP = "import time\\nwhile time.process_time() < 0.4: pass"

    def burn():
        until = time.process_time() + 0.4
        while time.process_time() < until:
            pass

    @pytest.fixture(scope="module")
    def shared():
        burn()

    def test_itself():
        burn()

    def test_children():
        subprocess.run([sys.executable, "-c", LOOP], check=True)

    def test_first_of_a_fixture(shared):
        pass

    def test_second_of_a_fixture(shared):
        pass

    def test_waits():
        time.sleep(0.4)

    @pytest.mark.thorough
    def test_marked():
        burn()
"""


def test_dear_tests_are_named_but_for_marked_ones(tmp_path: Path) -> None:
    lines = ["from tests import budget", "budget.SECONDS = 0.3", ""]
    lines += ["def pytest_configure(config):", "    config.pluginmanager.register(budget.Budget())"]
    (tmp_path / "conftest.py").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "test_burning.py").write_text(textwrap.dedent(BURN), encoding="utf-8")
    (tmp_path / "pytest.ini").write_text("[pytest]\nmarkers = thorough\n", encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-n", "1", "-p", "no:cacheprovider"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        check=True,
    )
    _, dear = ran.stdout.split("mark it thorough or make it cheaper")
    named = {line.split("::")[1] for line in dear.splitlines() if "::" in line}
    assert named == {"test_itself", "test_children", "test_first_of_a_fixture"}
