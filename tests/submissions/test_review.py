"""What is no error but for a reviewer to look at, each under its code."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from elue.record.schema import Flag
from elue.submissions import manifest as manifests
from elue.submissions.validate import validate
from tests.submissions.breaking import edit, sign
from tests.submissions_of import trusts

REACHING = {
    "import subprocess as s": "subprocess",
    "from socket import create_connection": "socket",
    "import threading": "threading",
    "from multiprocessing import Pool": "multiprocessing",
    "from torch.utils import _python_dispatch": "_python_dispatch",
    "from torch.utils.cpp_extension import load": "cpp_extension",
    "X = torch.utils.cpp_extension.load": "cpp_extension",
    "import importlib": "importlib",
    "X = __import__('os')": "__import__",
    "X = exec('1')": "exec",
    "X = open('answers')": "open",
    "from elue.tasks import load": "elue.tasks",
    "import numpy": "numpy",
    f"TABLE = {list(range(300))}": "table of 300 constants",
    f"TABLE = {'x' * 6000!r}": "text of 6,000 characters",
    f"TABLE = {dict.fromkeys(map(str, range(150)), 1)}": "table of 300 constants",
}


@pytest.mark.parametrize("line", REACHING, ids=lambda line: line[:40])
def test_code_that_reaches_around_torch_is_flagged_and_no_error(hello: Path, line: str) -> None:
    path = hello / "plugin" / "helper.py"
    path.write_text(f"import torch\n\n{line}\n")
    verdict = validate(hello)
    flags = [f for f in verdict.findings if f.code == "R401"]
    assert any(REACHING[line] in flag.what and flag.what.startswith("line 3") for flag in flags), flags
    assert not verdict.errors


def test_audits_and_declared_flops_are_for_review(hello: Path) -> None:
    edit(hello, flags=(Flag(code="cpu_time", detail="twice what its FLOPs explain"),), claimed=1.0)
    verdict = validate(hello)
    assert {f.code for f in verdict.findings} == {"R603"}
    assert len(verdict.findings) == 2
    assert not verdict.errors


def test_stale_verification_is_for_review(hello: Path) -> None:
    sign(hello)
    assert set(trusts(hello)) == {"reproduced"}
    assert not validate(hello).findings
    edit(hello, command="elue evaluate hello --again")
    assert {f.code for f in validate(hello).findings} == {"R602"}
    assert sorted(trusts(hello)) == ["reproduced", "self_reported"]


def test_code_that_changed_after_a_verification_is_no_error(hello: Path) -> None:
    sign(hello)
    source = hello / "plugin" / "hello.py"
    source.write_text(source.read_text() + "\n\nLATER = 1\n")
    verdict = validate(hello)
    assert [f.code for f in verdict.findings] == ["R402"]


def test_only_a_method_of_elue_is_superseded(hello: Path) -> None:
    manifest = hello / manifests.FILE
    lines = manifest.read_text().splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith("source = "))
    manifest.write_text("\n".join([*lines[: at + 1], 'superseded = "newer code"', *lines[at + 1 :]]) + "\n")
    errors = validate(hello).errors
    assert any("only a method that comes with ELUE is superseded" in str(finding) for finding in errors)


@pytest.mark.thorough
def test_records_of_superseded_code_are_for_review(tmp_path: Path) -> None:
    copied = tmp_path / "baselines"
    shutil.copytree(Path(__file__).parents[2] / "submissions" / "baselines", copied)
    verdict = validate(copied)
    assert not verdict.errors
    assert "R402" in {finding.code for finding in verdict.findings}
    manifest = copied / manifests.FILE
    kept = [line for line in manifest.read_text().splitlines() if not line.startswith("superseded")]
    manifest.write_text("\n".join(kept) + "\n")
    assert {finding.code for finding in validate(copied).errors} == {"E402"}


def test_a_source_that_reaches_for_what_measures_it_is_refused_by_its_line(hello: Path) -> None:
    plugin = hello / "plugin" / "hello.py"
    lines = plugin.read_text().count("\n")
    plugin.write_text(f"{plugin.read_text()}\n\nimport gc\n\ngc.collect()\ngc.get_objects()\n")
    (hello / "plugin" / "unused.py").write_text("import ctypes\n")
    said = {f.path.rpartition("/")[2]: f.what for f in validate(hello).findings if f.code == "E404"}
    assert said.keys() == {"hello.py", "unused.py"}
    assert said["hello.py"].startswith(f"line {lines + 6} uses 'gc.get_objects', which finds objects")
    assert said["unused.py"].startswith("line 1 imports 'ctypes'")
