"""A file that fails when it is imported is told as broken by `elue show`, too; sound ones are not imported for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.evaluation import describing
from elue.methods import importing, registry
from elue.methods.skeleton import method as skeleton

METHOD = """
from elue.protocol import Method
class Own(Method):
    name = "own"
    family = "static"
"""
FAILING = (
    "raise RuntimeError('no')",
    "assert False",
    "NUMBER = int('x')",
    "NUMBER = {}['x']",
    "if True:\n    1 / 0",
    "import elue.nosuch",
    "from elue.protocol import Nosuch",
    "from elue.modeling import nosuch",
    "print(nosuch)",
)
SOUND = (
    "",
    '"""What it is."""',
    "NAMES = ('one', 'two')",
    "from elue.modeling import flow",
    "from elue.modeling.flow import flow",
    "import os.path\nfrom torch import nn",
    "A: dict[str, int] = {}",
)


@pytest.mark.parametrize("line", FAILING)
def test_what_may_fail_is_seen(tmp_path: Path, line: str) -> None:
    (tmp_path / "own.py").write_text(f"{METHOD}\n{line}\n")
    assert importing.may_fail(tmp_path / "own.py")


@pytest.mark.parametrize("line", SOUND)
def test_plain_files_are_not_asked_about(tmp_path: Path, line: str) -> None:
    (tmp_path / "own.py").write_text(f"{METHOD}\n{line}\n")
    assert not importing.may_fail(tmp_path / "own.py")
    assert not importing.may_fail(Path(str(skeleton.__file__)))


def test_a_file_that_fails_is_no_method_to_show(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(f"{METHOD}\nraise RuntimeError('no')\n")
    with pytest.raises(ElueError, match="Method 'own' is broken: RuntimeError: no") as caught:
        describing.described(registry.find(str(tmp_path / "own.py")))
    assert caught.value.hint


def test_a_package_that_is_missing_is_told_with_where_to_put_it(tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(f"import nosuchpackage\n{METHOD}")
    with pytest.raises(ElueError, match="needs the package 'nosuchpackage', which is not installed") as caught:
        registry.find(str(tmp_path / "own.py"))
    assert caught.value.hint == "Install it where elue is installed."
