"""What is kept of modules between processes is what would be found out again."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from elue.methods import kept, registry, sources


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache of the test's own; as another process would, it knows of nothing that was asked before."""
    monkeypatch.setenv("ELUE_CACHE", str(tmp_path / "cache"))
    forget()
    return tmp_path / "cache" / "modules.json"


def forget() -> None:
    for function in (sources._digest, sources._imports, kept._kept, kept._asker):
        function.cache_clear()
    kept._added.clear()


def never(*_: object) -> None:
    raise AssertionError("it was asked again")


def test_a_digest_is_the_same_and_nothing_is_parsed_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method = registry.find("pabee")
    before = method.digest()
    assert len(json.loads(cache.read_text())) > 20
    forget()
    monkeypatch.setattr(sources, "parse_content", never)
    assert method.digest() == before


def test_a_changed_module_is_parsed_and_changes_the_digest(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "plugin.py"
    file.write_text("X = 1\n")
    first = sources.digest(file, None)
    forget()
    file.write_text("X = 2\n")
    assert sources.digest(file, None) != first
    forget()
    file.write_text("X = 1  # the same again\n")
    assert sources.digest(file, None) == first


def test_imports_are_those_of_the_module_that_the_content_has_there(cache: Path) -> None:
    content = b"from . import rule\n"
    assert sources._imports(content, Path("a.py"), "one.a") == ("one", "one.rule")
    assert sources._imports(content, Path("a.py"), "two.a") == ("two", "two.rule")


def test_source_that_cannot_be_parsed_raises_every_time(cache: Path, tmp_path: Path) -> None:
    file = tmp_path / "plugin.py"
    file.write_text("def\n")
    for _ in range(2):
        with pytest.raises(SyntaxError):
            sources.digest(file, None)
        forget()


@pytest.mark.parametrize("damaged", ["", "no JSON", "[1]", '{"a": "b"}', "\0"])
def test_a_damaged_file_is_written_anew(cache: Path, damaged: str) -> None:
    method = registry.find("pabee")
    before = method.digest()
    whole = json.loads(cache.read_text())
    cache.write_text(damaged)
    forget()
    assert method.digest() == before
    assert json.loads(cache.read_text()).items() >= whole.items()


def test_an_answer_of_another_kind_is_asked_again(cache: Path) -> None:
    method = registry.find("pabee")
    before = method.digest()
    cache.write_text(json.dumps(dict.fromkeys(json.loads(cache.read_text()), 7)))
    forget()
    assert method.digest() == before


def test_other_code_that_asks_asks_again(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    registry.find("pabee").digest()
    forget()
    monkeypatch.setattr(kept, "_asker", lambda: b"another")
    monkeypatch.setattr(sources, "parse_content", never)
    with pytest.raises(AssertionError, match="asked again"):
        registry.find("pabee").digest()


def test_nothing_is_kept_where_the_cache_is_empty_or_cannot_be_written(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for place in ("", str(tmp_path / "file" / "below")):
        monkeypatch.setenv("ELUE_CACHE", place)
        forget()
        registry.find("pabee").digest()
    assert not cache.exists()


def test_the_oldest_give_way(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kept, "MOST", 3)
    for number in range(5):
        kept.known("a question", str(number).encode(), lambda: "an answer")
        kept.write()
    assert len(json.loads(cache.read_text())) == 3
