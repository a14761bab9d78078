"""A method that another package brings, by an entry point: found, measured, packed, and verified from its copy."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.record import files as records
from elue.submissions.validate import validate
from elue.submissions.verify import Verifying, verify
from tests import commanding
from tests.submissions.breaking import manifest, signer
from tests.submissions.conftest import FIELDS, PLUGIN, Silent
from tests.submissions_of import trusts

METHOD = PLUGIN.replace("import torch\n", "import torch\n\nfrom acme.nets import layer\n").replace(
    "torch.nn.Linear(4, 4, bias=False).eval().requires_grad_(False)", "layer()"
)
NETS = """\
import torch

from . import SIZE


def layer():
    return torch.nn.Linear(SIZE, SIZE, bias=False).eval().requires_grad_(False)
"""
ABOUT = "Metadata-Version: 2.1\nName: acme-elue\nVersion: 1.2\nLicense-Expression: MIT\n"


def install(target: Path) -> None:
    """Lay the package out in a folder as `pip install --target` does."""
    about = target / "acme_elue-1.2.dist-info"
    for folder in (target / "acme" / "methods", about):
        folder.mkdir(parents=True)
    (target / "acme" / "__init__.py").write_text("SIZE = 4\n")
    (target / "acme" / "methods" / "__init__.py").write_text("")
    (target / "acme" / "nets.py").write_text(NETS)
    (target / "acme" / "methods" / "hello.py").write_text(METHOD)
    (about / "METADATA").write_text(ABOUT)
    (about / "entry_points.txt").write_text("[elue.methods]\nhello = acme.methods.hello:Hello\n")


def elue(*words: str | Path, cwd: Path, target: Path | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, **({"PYTHONPATH": str(target)} if target else {})}
    command = [sys.executable, "-m", "elue", *map(str, words)]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the package, installed in `target`, and its submission, made by the commands a user types."""
    place = tmp_path_factory.mktemp("packages")
    target = place / "target"
    install(target)
    done = elue("list", "--json", cwd=place, target=target)
    assert any(method["name"] == "hello" and not method["broken"] for method in json.loads(done.stdout))
    brief = ("--latency", "0", "--repeat", "0", "--explain", "0")
    done = elue("evaluate", "hello", *brief, "--json", cwd=place, target=target)
    assert done.returncode == 0, done.stderr
    fields = [word for name, text in FIELDS.items() for word in ("--set", f"{name}={text}")]
    done = elue("submit", "hello", "--out", "submissions/hello", *fields, cwd=place, target=target)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture
def installed(made: Path, tmp_path: Path) -> Path:
    """The installed package, to be changed at will."""
    return Path(shutil.copytree(made / "target", tmp_path / "target"))


@pytest.fixture
def packed(made: Path, tmp_path: Path) -> Path:
    """Its submission, likewise."""
    return Path(shutil.copytree(made / "submissions", tmp_path / "submissions")) / "hello"


@pytest.mark.slow
def test_it_is_packed_and_verified_where_it_is_not_installed(packed: Path, installed: Path, tmp_path: Path) -> None:
    copied = {path.relative_to(packed / "plugin").as_posix() for path in (packed / "plugin").rglob("*.py")}
    assert copied == {"acme/__init__.py", "acme/nets.py", "acme/methods/__init__.py", "acme/methods/hello.py"}
    record = records.read(next(records.files(packed / "records")))
    assert record.method.distribution is not None
    assert (record.method.distribution.name, record.method.distribution.version) == ("acme-elue", "1.2")
    assert 'source = "acme.methods.hello:Hello"' in (packed / "submission.toml").read_text()
    assert validate(packed).findings == ()
    (installed / "acme" / "nets.py").write_text("raise SystemExit('the installed one ran')")
    words = ("verify", packed, "--by", "M", "--key", signer(packed), "--json")
    for run in (commanding.elue, partial(elue, target=installed)):
        done = run(*words, cwd=tmp_path)
        assert done.returncode == 0, done.stderr
        assert all(run["holds"] for run in json.loads(done.stdout)["runs"])
    assert set(trusts(packed)) == {"reproduced"}


@pytest.mark.thorough
def test_a_changed_copy_is_found_in_any_of_its_files(packed: Path) -> None:
    for name, change in (("nets.py", "\nLATER = 1\n"), ("__init__.py", "\nLATER = 1\n")):
        path = packed / "plugin" / "acme" / name
        before = path.read_text()
        path.write_text(before + change)
        assert {finding.code for finding in validate(packed).errors} == {"E402"}
        path.write_text(before)
    assert not validate(packed).errors


@pytest.mark.thorough
def test_a_copy_takes_no_other_package_s_place(packed: Path) -> None:
    """A `torch` beside the package is never imported, nor an `elue`, nor what a path of dots leads to."""
    for name in ("torch", "elue"):
        (packed / "plugin" / name).mkdir()
        (packed / "plugin" / name / "__init__.py").write_text("raise SystemExit('shadowed')")
    assert all(run.holds for run in verify(Verifying(packed, "M", signer(packed)), Silent).runs)
    outside = packed.parent / "outside.py"
    outside.write_text(PLUGIN)
    manifest(packed, "acme.methods.hello:Hello", f"{outside.with_suffix('')}:Hello")
    assert "E401" in {finding.code for finding in validate(packed).errors}
    with pytest.raises(ElueError, match="E401"):
        verify(Verifying(packed, "M", signer(packed)), Silent)
