"""Classes that a notebook or a script defines are methods: with what they need, and no more."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path
from types import ModuleType

import pytest

from elue.api.defined import source
from elue.errors import ElueError

CELLS = [
    "import dataclasses\nimport math as maths\nfrom elue.protocol import Method, Prediction\nfrom elue import api",
    "WORDS = {'fine', 'good'}\nUNUSED = object()\n%time 1",
    "def unused():\n    return UNUSED",
    "def score(text):\n    'Old.'\n    return 1 / 0",
    "1 +",
    "def score(text):\n    return helper(text) + maths.floor(0.5)",
    "def helper(text):\n    return len(WORDS & set(text.split()))",
    "@dataclasses.dataclass\nclass Options:\n    width: int = 3",
    "class Base(Method):\n    family = 'static'\n    options = Options\n",
    """class Model:
    def configure(self, point):
        self.least = point['least']
    def predict(self, samples):
        return [Prediction(int(score(s.text) >= self.least)) for s in samples]
""",
    """class Mine(Base):
    name = 'mine'
    knobs = {'least': {'type': 'int', 'low': 0}}
    def load(self, task, weights, seed):
        return Model()
    def points(self, task, weights):
        return [{'least': 0}, {'least': 1}]
""",
]
LAST = """
import json, pathlib
results = api.evaluate(Mine, api.load_task('diagnostic', limit=10), latency=0, repeat=0)
api.save_method(Mine, 'kept/mine.py')
told = {'points': [r.point for r in results], 'status': [r.status for r in results], 'keys': [r.key for r in results]}
again = api.evaluate('kept/mine.py', api.load_task('diagnostic', limit=10), latency=0, repeat=0, rerun='none')
told['same'] = again == results
print(json.dumps(told))
"""


def check(told: dict[str, object], folder: Path) -> None:
    assert told["points"] == [{"least": 0}, {"least": 1}]
    assert told["status"] == ["ok", "ok"]
    assert told["same"], "the file that is kept is the same method, and has nothing left to do"
    text = (folder / "kept" / "mine.py").read_text()
    assert "UNUSED" not in text
    assert "def unused" not in text
    assert "Old." not in text
    assert text.index("class Base") < text.index("class Mine")


def test_the_source_is_what_the_class_needs_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    notebook = ModuleType("__main__")
    notebook.In = ["", *CELLS]  # type: ignore[attr-defined]
    for cell in CELLS:
        if cell != "1 +":
            exec(cell.replace("%time 1", ""), notebook.__dict__)
    monkeypatch.setitem(sys.modules, "__main__", notebook)
    text = source(notebook.Mine)
    plugin = ModuleType("plugin")
    monkeypatch.setitem(sys.modules, "plugin", plugin)
    exec(text, plugin.__dict__)
    alone = vars(plugin)
    assert {"Mine", "Base", "Options", "Model", "score", "helper", "WORDS", "maths", "Method"} <= set(alone)
    assert not {"UNUSED", "unused", "api"} & set(alone)
    assert "Old." not in text
    exec("class Mine(Base):\n    name = 'other'", notebook.__dict__)
    with pytest.raises(ElueError, match="another class by now"):
        source(type("Mine", (), {"__module__": "__main__"}))


@pytest.mark.thorough
@pytest.mark.parametrize("way", ["notebook", "script"])
def test_a_class_is_evaluated_where_it_is_defined(tmp_path: Path, way: str) -> None:
    if way == "notebook":
        pytest.importorskip("IPython")
        code = f"""
            import json, sys
            from IPython.core.interactiveshell import InteractiveShell
            shell = InteractiveShell.instance(user_module=sys.modules["__main__"])
            for cell in json.loads({json.dumps(json.dumps([*CELLS, LAST]))}):
                done = shell.run_cell(cell, store_history=True)
                if cell != "1 +" and not done.success:
                    done.raise_error()
        """
    else:
        code = "\n".join(cell.replace("%time 1", "") for cell in [*CELLS, LAST] if cell != "1 +")
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(code))
    environment = {"XDG_CACHE_HOME": str(tmp_path / "cache"), "IPYTHONDIR": str(tmp_path / "ipython")}
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env={**os.environ, **environment},
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    check(json.loads(done.stdout.splitlines()[-1]), tmp_path)
    assert list((tmp_path / "cache").rglob("mine.py"))


@pytest.mark.parametrize(
    ("before", "needs", "said"),
    [
        ("import numpy\nbig = numpy.zeros(3)", "big", "needs 'big', a ndarray of this notebook"),
        ("handle = open(__file__)", "handle", "needs 'handle', a TextIOWrapper"),
    ],
)
def test_what_can_t_be_written_down_is_named(tmp_path: Path, before: str, needs: str, said: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(
        f"from elue import api\nfrom elue.protocol import Method\n{before}\nclass Mine(Method):\n    name = 'mine'\n"
        f"    family = 'static'\n    def load(self, task, weights, seed):\n        return {needs}\n"
        "try:\n    api.find_method(Mine)\nexcept api.ElueError as error:\n    print(error)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert said in done.stdout


def test_a_class_of_a_module_is_found_in_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from elue import api
    from elue.plugins.static import Static

    assert api.find_method(Static).name == "static"

    class Inner(Static):
        pass

    Inner.__module__ = "__main__"
    with pytest.raises(api.ElueError, match="not defined at the top"):
        api.find_method(Inner)
