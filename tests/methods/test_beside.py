"""Files that import what lies beside them: part of a package, or told how to become one."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.methods import beside, registry
from elue.submissions.packing import copied_sources
from elue.submissions.validate import validate
from elue.submissions.verify import Verifying, verify
from tests.running import evaluate_plugin
from tests.submissions.breaking import signer
from tests.submissions.conftest import FIELDS, PLUGIN, Silent
from tests.submissions.test_packages import elue

MINE = "{imported}\n\n\nclass Mine(Hello):\n    name = 'mine'\n"
BASE = PLUGIN.replace("import torch\n", "import torch\n\nfrom .sizes import SIZE\n").replace("(4, 4,", "(SIZE, SIZE,")


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package whose method derives from a class in another of its files, which needs a third; never installed."""
    folder = tmp_path / "own" / "kindred"
    (folder / "later").mkdir(parents=True)
    for name in ("__init__.py", "later/__init__.py"):
        (folder / name).write_text("")
    (folder / "sizes.py").write_text("SIZE = 4\n")
    (folder / "hello.py").write_text(BASE)
    (folder / "mine.py").write_text(MINE.format(imported="from .hello import Hello"))
    (folder / "later" / "mine.py").write_text(MINE.format(imported="from ..hello import Hello"))
    return folder


@pytest.mark.parametrize(
    ("imported", "base"),
    [
        ("from .hello import Hello", "Hello"),
        ("from .hello import Hello as Base", "Base"),
        ("from . import hello", "hello.Hello"),
        ("from kindred.hello import Hello", "Hello"),
        ("import kindred.hello", "kindred.hello.Hello"),
    ],
)
def test_a_file_that_imports_from_its_package_is_part_of_it(package: Path, imported: str, base: str) -> None:
    file = package / "mine.py"
    file.write_text(MINE.format(imported=imported).replace("(Hello)", f"({base})"))
    mine = registry.find(str(file))
    assert (mine.name, mine.family, mine.title) == ("mine", "static", "Hello, world")
    assert (mine.target, mine.module, mine.root) == ("kindred.mine:Mine", "kindred.mine", package.parent)
    assert mine.code == (package,)
    before = mine.digest()
    (package / "sizes.py").write_text("SIZE = 4 + 1\n")
    assert mine.digest() != before


@pytest.mark.parametrize("name", [pytest.param("mine.py", marks=pytest.mark.thorough), "later/mine.py"])
def test_a_method_of_a_package_is_measured_where_it_is_not_installed(package: Path, tmp_path: Path, name: str) -> None:
    records = evaluate_plugin(tmp_path, f"{package / name}:Mine", "diagnostic", limit=6)
    assert [(record.status, record.method.name) for record in records] == [("ok", "mine")] * 2


@pytest.mark.thorough
def test_it_is_packed_with_its_package_and_verified_from_there(package: Path) -> None:
    """From within the package, whose folder then holds the runs, too."""
    brief = ("--latency", "0", "--repeat", "0", "--explain", "0", "--json")
    done = elue("evaluate", "mine.py", *brief, cwd=package)
    assert done.returncode == 0, done.stderr
    fields = [word for name, text in FIELDS.items() for word in ("--set", f"{name}={text}")]
    done = elue("submit", "mine.py", "--out", "../submissions/mine", *fields, cwd=package)
    assert done.returncode == 0, done.stderr
    packed = package.parent / "submissions" / "mine"
    copied = {path.relative_to(packed / "plugin").as_posix() for path in (packed / "plugin").rglob("*.py")}
    assert copied == {f"kindred/{name}.py" for name in ("__init__", "hello", "mine", "sizes")}
    assert 'source = "kindred.mine:Mine"' in (packed / "submission.toml").read_text()
    assert validate(packed).findings == ()
    assert all(run.holds for run in verify(Verifying(packed, "M", signer(packed)), Silent).runs)


def test_a_file_that_needs_nothing_of_its_package_stands_alone(package: Path) -> None:
    (package / "hello.py").write_text(PLUGIN)
    alone = registry.find(str(package / "hello.py"))
    assert (alone.module, alone.root, alone.code) == (None, None, (package / "hello.py",))
    assert list(copied_sources(alone)) == ["hello.py"]


def test_a_submission_s_file_takes_nothing_from_above_it(package: Path) -> None:
    """Else a submission could let its method see the records that it is compared with."""
    with pytest.raises(ElueError, match=r"imports '\.hello' as of a package"):
        registry.find_alone(package / "mine.py", "Mine")


def test_what_is_imported_later_or_by_another_file_is_looked_for_too(package: Path) -> None:
    file = package / "mine.py"
    late = "from elue.protocol import Method as Hello\n\n\ndef late():\n    from {name} import SIZE\n    return SIZE"
    alone = package.parent / "alone.py"
    (package.parent / "sizes.py").write_text("SIZE = 4\n")
    for name in ("sizes", ".sizes"):
        alone.write_text(
            MINE.format(imported=late.format(name=name)).replace("'mine'", "'mine'\n    family = 'static'")
        )
        with pytest.raises(ElueError, match=f"it imports '{name}'"):
            registry.find(str(alone))
    alone.write_text(
        alone.read_text()
        .replace("    from", "    try:\n        from")
        .replace("    return", "    except ImportError:\n        SIZE = 1\n    return")
    )
    assert registry.find(str(alone)).name == "mine"
    (package / "hello.py").write_text(BASE.replace("from .sizes", "from sizes"))
    with pytest.raises(ElueError, match=r"in hello\.py, it imports 'sizes', a file beside it"):
        registry.find(str(file))


@pytest.mark.parametrize("name", [".sizes", "kindred.sizes"])
def test_a_package_s_module_that_a_call_imports_is_refused(package: Path, name: str) -> None:
    """No digest would see that it changed, and no submission would bring it."""
    call = f"SIZE = importlib.import_module('{name}', __package__).SIZE"
    (package / "hello.py").write_text(BASE.replace("from .sizes import SIZE", f"import importlib\n{call}"))
    with pytest.raises(ElueError, match=rf"in hello\.py, it imports '{name}' of its package by a call: .* write one"):
        registry.find(str(package / "mine.py"))


def test_a_package_s_folder_stands_for_its_init(package: Path) -> None:
    with pytest.raises(ElueError, match="no subclass of Method"):
        registry.find(str(package))
    (package / "__init__.py").write_text(MINE.format(imported="from .hello import Hello"))
    assert registry.find(str(package)).target == "kindred:Mine"
    with pytest.raises(ElueError, match=r"folder without __init__\.py"):
        registry.find(str(package.parent))


@pytest.mark.parametrize(
    ("folder", "imported", "says"),
    [
        ("lone", "from .hello import Hello", "its folder 'lone' is none: put an __init__.py there"),
        ("lone", "from hello import Hello", "'hello', a file beside it, and such are found in a package alone"),
        ("lone", "import hello", "put an __init__.py beside them and import '.hello'"),
        ("my-package", "from .hello import Hello", "its folder 'my-package' is none: a package's name has letters"),
        (
            "lone",
            "import importlib\nhello = importlib.import_module('hello')",
            "'hello', a file beside it, and such are",
        ),
        ("lone", "from importlib import import_module as load\nhello = load('hel' + 'lo')", "import '.hello'"),
        ("lone", "hello = __import__('hello')", "a file beside it"),
        ("lone", "import importlib\n\ndef later():\n    return importlib.import_module('hello')", "a file beside it"),
        (
            "lone",
            "import importlib\nhello = importlib.import_module('.hello', __package__)",
            "put an __init__.py there",
        ),
        ("lone", "from hello import Hello\n\ndef later():\n    import hello", "a file beside it"),
        ("lone", "from nowhere import Hello", "it needs the package 'nowhere', which is not installed"),
    ],
)
@pytest.mark.parametrize("named", ["", ":Mine"])
def test_what_can_t_be_imported_is_told_in_a_line(
    tmp_path: Path, folder: str, imported: str, says: str, named: str
) -> None:
    """Also where Python itself, run as a module from that folder, would find the file."""
    (tmp_path / folder).mkdir()
    (tmp_path / folder / "hello.py").write_text(PLUGIN)
    if folder == "my-package":
        (tmp_path / folder / "__init__.py").write_text("")
    base = "hello.Hello" if imported == "import hello" else "Hello"
    (tmp_path / folder / "mine.py").write_text(MINE.format(imported=imported).replace("(Hello)", f"({base})"))
    done = elue("show", f"mine.py{named}", cwd=tmp_path / folder)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_base_that_can_t_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "mine.py"
    file.write_text(MINE.format(imported="from pydantic import BaseModel as Hello"))
    with pytest.raises(ElueError, match=r"mine\.py has no method: no base pydantic\.BaseModel can be read"):
        registry.find(str(file))


def test_installed_packages_are_preferred_to_what_lies_beside(tmp_path: Path) -> None:
    (tmp_path / "torch").mkdir()
    (tmp_path / "numpy.py").write_text("")
    tree = ast.parse("import torch\nfrom numpy import array\nimport json\n")
    assert list(beside.faults(tree, tmp_path / "mine.py", None)) == []
