"""The house rules that a machine can hold: imports go down and form no circle, packages are listed."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterable, Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
FLOORS = {
    "elue": 0,
    "elue.protocol": 0,
    "elue.errors": 0,
    "elue.disk": 1,
    "elue.hub": 0,
    "elue.tasks": 1,
    "elue.meter": 1,
    "elue.record": 1,
    "elue.scores": 2,
    "elue.worker": 2,
    "elue.methods": 3,
    "elue.conformance": 4,
    "elue.evaluation": 4,
    "elue.campaign": 5,
    "elue.submissions": 5,
    "elue.leaderboard": 6,
    "elue.api": 7,
    "elue.cli": 8,
    "elue.__main__": 9,
}
"""The floor of each room and of the modules at the door; the longest prefix counts."""

KIT = {"elue.modeling": {"elue.protocol", "elue.errors", "elue.modeling", "elue"}}
KIT["elue.plugins"] = KIT["elue.modeling"] | {"elue.plugins"}
"""What stands beside the floors: the kit and the plugins, and all they may import."""

TEMPLATES = {"elue.methods.skeleton.method", "elue.methods.skeleton.test_method"}
"""Files that `elue init-method` copies for a user: they import what a user's files do and are no part of the house."""


def modules() -> Iterator[tuple[str, Path]]:
    for folder, package in (("elue", "elue"), ("plugins", "elue.plugins"), ("leaderboard", "elue.leaderboard")):
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = [package, *path.relative_to(ROOT / folder).with_suffix("").parts]
            name = ".".join(part for part in parts if part != "__init__")
            if name not in TEMPLATES:
                yield name, path


MODULES = dict(modules())
PACKAGES = {name for name, path in MODULES.items() if path.name == "__init__.py"}


def imports(module: str, path: Path) -> Iterator[str]:
    """Absolute names of the ELUE modules a module imports, anywhere in it, by statement or by `import_module`."""
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
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith("import_module"):
            yield from (arg.value for arg in node.args if isinstance(arg, ast.Constant) and arg.value in MODULES)


Edge = tuple[str, str]
EDGES: set[Edge] = {(module, name) for module, path in MODULES.items() for name in imports(module, path)}


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
        assert there == here or FLOORS[there] < FLOORS[here], f"{module} imports {imported}, which is not below it"


def by_itself(module: str) -> str:
    return module


def by_room(module: str) -> str:
    """`elue.worker` for all that is in it, at whatever depth."""
    return ".".join(module.split(".")[:2])


def by_inner_room(module: str) -> str:
    """`elue.worker.inside` for all that is in it; what lies beside it, directly in `elue.worker`, is each by itself.

    So a room may have modules that its inner rooms stand on and others that stand on these, but no module is both.
    """
    package = room(module, PACKAGES)
    return module if any(name.startswith(f"{package}.") for name in PACKAGES) else package


LEVELS: tuple[Callable[[str], str], ...] = (by_itself, by_inner_room, by_room)


def circle(edges: Iterable[Edge], level: Callable[[str], str]) -> list[str]:
    """A circle of imports between what a level takes for one, [] where there is none."""
    graph: dict[str, set[str]] = {}
    for importer, imported in edges:
        here, there = level(importer), level(imported)
        if here != there:
            graph.setdefault(here, set()).add(there)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("level", LEVELS)
def test_imports_form_no_circle(level: Callable[[str], str]) -> None:
    assert circle(EDGES, level) == []


@pytest.mark.parametrize(
    ("edge", "level"),
    [
        (("elue.scores.pareto", "elue.scores.curve"), by_itself),
        (("elue.evaluation.plan", "elue.evaluation.passes.context"), by_itself),
        (("elue.evaluation.plan", "elue.evaluation.passes"), by_inner_room),
        (("elue.meter.table", "elue.meter.profile"), by_itself),
        (("elue.worker.wire", "elue.worker.inside"), by_inner_room),
        (("elue.worker.inside.service", "elue.conformance.suite"), by_room),
        (("elue.leaderboard.boards", "elue.leaderboard.charts"), by_inner_room),
        (("elue.modeling.heads", "elue.plugins.static"), by_room),
    ],
)
def test_a_circle_that_once_was_or_well_could_be_is_noticed(edge: Edge, level: Callable[[str], str]) -> None:
    assert {edge[0], edge[1]} <= set(MODULES), "the modules have moved: name them anew"
    assert edge not in EDGES
    found = circle({*EDGES, edge}, level)
    assert {level(edge[0]), level(edge[1])} <= set(found)


def test_a_lazy_import_is_an_import(tmp_path: Path) -> None:
    path = tmp_path / "lazy.py"
    path.write_text(
        "import importlib\nif False:\n    from elue.scores import curve\n\n\ndef late():\n    import elue.errors\n"
        "    from . import files\n    importlib.import_module('elue.protocol')\n"
    )
    assert set(imports("elue.record.lazy", path)) == {
        "elue.scores.curve",
        "elue.errors",
        "elue.record.files",
        "elue.protocol",
    }


def test_every_method_of_the_house_is_listed() -> None:
    """`elue list` finds methods by their entry points."""
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["entry-points"]["elue.methods"]
    assert {target.split(":")[0] for target in listed.values()} == METHODS.keys()
    for name, target in listed.items():
        module, kind = target.split(":")
        assert re.search(rf"^class {kind}\b.*?^    name = \"{name}\"$", METHODS[module].read_text(), re.M | re.S)


def test_every_package_is_in_the_wheel() -> None:
    listed = set(tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["packages"])
    assert listed == PACKAGES


def test_modules_fit_one_sitting() -> None:
    tests = {path.relative_to(ROOT / "tests").as_posix(): path for path in (ROOT / "tests").rglob("*.py")}
    lengths = {name: len(path.read_text("utf-8").splitlines()) for name, path in {**MODULES, **tests}.items()}
    assert not {name for name, length in lengths.items() if length > 300}


@pytest.mark.parametrize("module", MODULES)
def test_local_names_say_what_they_hold(module: str) -> None:
    tree = ast.parse(MODULES[module].read_bytes())
    stored = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    taken = {node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)}
    assert not (stored | taken) & {"found", "one", "each"}


METHODS = {name: path for name, path in MODULES.items() if name.startswith("elue.plugins.") and name not in PACKAGES}


@pytest.mark.parametrize("module", METHODS)
def test_a_method_shows_its_rule_loss_and_knobs_alone(module: str) -> None:
    """What more than one method needs is the kit's: a file that is longer than this has plumbing in it.

    One whose training is another method's, and whose rule is the registry's, has less to show.
    """
    text = METHODS[module].read_text("utf-8")
    least = 20 if "from elue.plugins." in text else 40
    assert least <= len(text.splitlines()) <= 120


PARENT = "elue.api, elue.cli, elue.evaluation.execute, elue.methods.train, elue.record.store, elue.leaderboard"


def test_the_parent_imports_no_torch() -> None:
    code = f"import sys, {PARENT}; sys.exit(bool({{'torch', 'transformers'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_methods_import_nothing_that_only_training_needs() -> None:
    """A worker loads what was trained: transformers, and what comes with its trainer, take longer than that."""
    code = f"""
import sys
import {", ".join(METHODS)}
print(*{{"transformers", "datasets", "accelerate", "pandas", "scipy", "sklearn"}} & set(sys.modules))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


@pytest.mark.parametrize("command", [["--help"], ["list"], ["show", "ltp"], ["evaluate", "--help"]])
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
