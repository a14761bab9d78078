"""The source digest: changes with behaviour, not with words about it."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

from elue.methods import registry, sources

PLUGIN = '''"""Docs."""
from elue.modeling import heads  # a comment


def f(x):
    """More docs."""
    return x + 1
'''


def digest_of(tmp_path: Path, text: str) -> str:
    file = tmp_path / "plugin.py"
    file.write_text(text)
    return sources.digest(file, None)


def test_docstrings_comments_and_layout_do_not_count(tmp_path: Path) -> None:
    plain = PLUGIN.replace('"""Docs."""\n', "").replace("# a comment", "").replace('    """More docs."""\n', "\n")
    assert digest_of(tmp_path, PLUGIN) == digest_of(tmp_path, plain)


def test_code_counts(tmp_path: Path) -> None:
    assert digest_of(tmp_path, PLUGIN) != digest_of(tmp_path, PLUGIN.replace("x + 1", "x + 2"))


def test_modules_of_the_same_package_count_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "apackage"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "rule.py").write_text("LIMIT = 1\n")
    (package / "method.py").write_text("from . import rule\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    file = sources.locate("apackage.method")
    assert file == package / "method.py"
    before = sources.digest(file, "apackage.method")
    (package / "rule.py").write_text("LIMIT = 2\n")
    assert sources.digest(file, "apackage.method") != before
    assert "apackage" not in sys.modules


def test_a_baseline_rests_on_the_kit_but_not_on_the_worker() -> None:
    file = sources.locate("elue.plugins.static")
    assert file is not None
    covered = sources.closure(file, "elue.plugins.static")
    assert {"elue.plugins.static", "elue.modeling.encoder", "elue.protocol"} <= set(covered)
    assert not any(name.startswith(("elue.worker", "elue.meter", "elue.cli")) for name in covered)


def test_a_module_that_is_not_there() -> None:
    assert sources.locate("elue.nothing_here") is None
    assert sources.locate("no_such_package.module") is None


def test_what_methods_share_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    parsed: list[str] = []
    parse = ast.parse
    monkeypatch.setattr(ast, "parse", lambda content, name: (parsed.append(name), parse(content, name))[1])
    methods = registry.installed()
    sources._digest.cache_clear()
    sources._imports.cache_clear()
    for name in ("elasticbert", "pabee"):
        next(method for method in methods if method.name == name).digest()
    assert {parsed.count(name) for name in set(parsed) if name.endswith("modeling/encoder.py")} == {2}
    del parsed[:]
    assert len({method.digest() for method in methods}) == len(methods)
    again = len(parsed)
    assert len({method.digest() for method in methods}) == len(methods)
    assert len(parsed) == again < 12 * len(methods)
