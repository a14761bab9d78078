"""Source is read within bounds: what no honest file has costs its reader little, and is told in one line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.methods import parsing, registry
from tests.conftest import WritePlugin

SIZE = parsing.LARGEST - 2000
HEAD = "from elue.protocol import Method\n\n\nclass Big(Method):\n    name = 'big'\n    family = 'static'\n"


def many(text: str, size: int = SIZE) -> str:
    return text * (size // len(text))


REFUSED = {
    "a long file": (many("x = 1\n", SIZE + 4000), "more than 131,072 bytes"),
    "a long line": (f"x = '{many('a', 10_000)}'\n", "a line of more than 10,000 characters"),
    "a long dotted import": ("import a" + many("\\\n.b") + "\n", "more than 50 parts"),
    "a long dotted import with blanks": ("import a" + many(" \\\n . \\\n b") + "\n", "more than 50 parts"),
    "dots in another encoding": ("# coding: utf-7\nimport a" + "+AC4-b" * 5000 + "\n", "utf-7, not in UTF-8"),
    "no encoding": ("# coding: nonsense\n", "not written in UTF-8"),
    "deep": ("x = " + "-" * 9000 + "1\n", "nested too deeply"),
    "many knobs": (
        HEAD + "    knobs = {" + "".join(f"'k{n}': {{'type': 'int'}},\n" for n in range(65)) + "}\n",
        "declares 65 knobs, more than 64",
    ),
    "many choices": (
        HEAD + "    knobs = {'k': {'type': 'str', 'choices': [" + "'a',\n" * 65 + "]}}\n",
        "65 choices, more than 64",
    ),
}
SLOW = {
    "fields in a text": "x = f'''{a:\n" + many("{b}" * 600 + "\n") + "}'''\n",
    "starred": "x = [" + many("*a,\n") + "]\n",
    "functions": many("def f():\n  'd'\n"),
    "classes": many("class A(Big):\n  name = 'a'\n"),
    "a table": "x = {" + many("1:2,\n") + "}\n",
    "imports of ELUE": "from elue.modeling import (" + "".join(f"a{n},\n" for n in range(SIZE // 8)) + ")\n",
    "sums": "x = [" + many("1+1j,\n") + "]\n",
    "keys that fall together": "x = {" + "".join(f"{n * (2**61 - 1)}:0,\n" for n in range(SIZE // 25)) + "}\n",
    "long lines of nothing": many("\x0c" * 9000 + "\n"),
}
FEW = ("fields in a text", "imports of ELUE")
READS = """
import json, resource, sys
from pathlib import Path
from elue.errors import ElueError
from elue.methods import registry
from elue.submissions.checks.reading import suspicious
from elue.methods.parsing import parse
file = Path(sys.argv[1])
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
try:
    method = registry.find(f"{file}:Big")
    said = method.digest()
    list(suspicious(parse(file)))
except ElueError as error:
    said = error.message
seconds = sum(resource.getrusage(resource.RUSAGE_SELF)[:2])
print(json.dumps([said, seconds]))
"""


def read(tmp_path: Path, text: str) -> tuple[str, float]:
    """What reading a plugin with this text says, within 1 GB, and the CPU seconds it took."""
    file = tmp_path / "big.py"
    file.write_text(text if text.startswith(("#", HEAD)) else text + HEAD)
    done = subprocess.run([sys.executable, "-c", READS, str(file)], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-2000:]
    said, seconds = json.loads(done.stdout)
    return said, seconds


@pytest.mark.parametrize("name", REFUSED)
def test_source_beyond_the_bounds_is_refused_in_a_line(name: str, tmp_path: Path) -> None:
    text, reason = REFUSED[name]
    said, seconds = read(tmp_path, text)
    assert reason in said
    assert len(said) < 400
    assert seconds < 10


@pytest.mark.parametrize(
    "name", [name if name in FEW else pytest.param(name, marks=pytest.mark.thorough) for name in SLOW]
)
def test_source_within_the_bounds_is_read_in_seconds(name: str, tmp_path: Path) -> None:
    _, seconds = read(tmp_path, SLOW[name])
    assert seconds < 30


def test_a_package_has_a_bound_together(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    names = [f"m{number}" for number in range(10)]
    for name in names:
        (package / f"{name}.py").write_text(many("x = 1\n", 120_000))
    (package / "method.py").write_text(f"from . import {', '.join(names)}\n{HEAD}")
    with pytest.raises(ElueError, match="more than 1,048,576 bytes together") as caught:
        registry.find(str(package / "method.py")).digest()
    assert caught.value.code == "no_digest"


def test_a_module_that_does_not_parse_is_named(tmp_path: Path) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "other.py").write_text("x = (\n")
    (package / "method.py").write_text(f"from . import other\n{HEAD}")
    with pytest.raises(ElueError, match="cannot be read: line 1"):
        registry.find(str(package / "method.py")).digest()


def test_an_honest_plugin_is_read(write_plugin: WritePlugin) -> None:
    assert len(registry.find(str(write_plugin(name="honest"))).digest()) == 64
