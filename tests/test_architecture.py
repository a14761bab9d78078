"""The house rules that a machine can hold: imports go down the floors, the parent stays light, packages are listed."""

from __future__ import annotations

import ast
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {
    "elue": 0,
    "elue.protocol": 0,
    "elue.errors": 0,
    "elue.disk": 1,
    "elue.meter": 1,
    "elue.tasks": 1,
    "elue.record": 1,
    "elue.methods": 2,
    "elue.methods.skeleton": 4,
    "elue.scores": 2,
    "elue.worker": 3,
    "elue.conformance": 4,
    "elue.evaluation": 4,
    "elue.submissions": 5,
    "elue.leaderboard": 6,
    "elue.api": 7,
    "elue.cli": 7,
    "elue.__main__": 8,
}
"""The floor of each room; the longest prefix counts."""

KIT = {"elue.modeling": {"elue.protocol", "elue.errors", "elue.modeling", "elue"}}
KIT["elue.plugins"] = KIT["elue.modeling"] | {"elue.plugins"}
"""What stands beside the floors: the kit and the plugins, and all they may import."""


def modules() -> Iterator[tuple[str, Path]]:
    for folder, package in (("elue", "elue"), ("plugins", "elue.plugins"), ("leaderboard", "elue.leaderboard")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = [package, *path.relative_to(ROOT / folder).with_suffix("").parts]
            yield ".".join(part for part in parts if part != "__init__"), path


MODULES = dict(modules())


def imports(module: str, path: Path) -> Iterator[str]:
    """Absolute names of the ELUE modules a module imports, anywhere in it."""
    package = module if path.name == "__init__.py" else module.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if alias.name.partition(".")[0] == "elue")
        elif isinstance(node, ast.ImportFrom):
            base = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            name = ".".join([*base, *([node.module] if node.module else [])])
            if name.partition(".")[0] == "elue":
                for alias in node.names:
                    full = f"{name}.{alias.name}"
                    yield full if full in MODULES else name


def room(module: str, rooms: dict[str, int] | set[str]) -> str:
    parts = module.split(".")
    return next(name for n in range(len(parts), 0, -1) if (name := ".".join(parts[:n])) in rooms)


@pytest.mark.parametrize("module", MODULES)
def test_imports_go_down_only(module: str) -> None:
    for beside, allowed in KIT.items():
        if module == beside or module.startswith(f"{beside}."):
            for imported in imports(module, MODULES[module]):
                assert any(imported == a or (imported.startswith(f"{a}.") and a != "elue") for a in allowed), imported
            return
    here = room(module, FLOORS)
    assert here != "elue" or module == "elue", f"{module} has no floor: give it one"
    for imported in imports(module, MODULES[module]):
        there = room(imported, FLOORS)
        assert there == here or FLOORS[there] <= FLOORS[here], f"{module} imports {imported}, a floor above it"


def test_every_package_is_in_the_wheel() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    found = {name for name, path in MODULES.items() if path.name == "__init__.py"}
    assert found == listed


def test_modules_fit_one_sitting() -> None:
    long = {name: n for name, path in MODULES.items() if (n := len(path.read_text("utf-8").splitlines())) > 330}
    assert not long


PARENT = "elue.api, elue.cli, elue.evaluation.execute, elue.methods.train, elue.record.store, elue.leaderboard"


def test_the_parent_imports_no_torch() -> None:
    code = f"import sys, {PARENT}; sys.exit(bool({{'torch', 'transformers'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("command", [["--help"], ["list"], ["evaluate", "--help"]])
def test_light_commands_import_nothing_heavy(command: list[str]) -> None:
    code = f"""
import sys
sys.argv = ["elue", *{command!r}]
from elue.cli import main
try:
    main()
except SystemExit:
    pass
heavy = {{"torch", "numpy", "sqlalchemy", "datasets", "altair"}} & set(sys.modules)
print(*heavy, file=sys.stderr)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""


def test_nothing_names_a_place_outside() -> None:
    words = ("/work" + "/", "shared" + "/", "/tmp" + "/")
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in listed.stdout.splitlines():
        path = ROOT / name
        if path.suffix in (".py", ".md", ".toml", ".html", "") and path.is_file():
            text = path.read_text("utf-8", errors="replace")
            assert not [word for word in words if word in text], name
