"""What workers said before is taken from the cache, and asked anew when anything it depends on has changed."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.evaluation import known
from elue.methods import registry
from elue.worker.frames import Offered
from tests.conftest import WritePlugin


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ELUE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


class Asked:
    """A worker that counts how often it is asked, and says so."""

    def __init__(self) -> None:
        self.times = 0

    def __call__(self) -> Offered:
        self.times += 1
        return Offered(None, ({"threshold": float(self.times)}, {"rule": "entropy", "on": True}))


def test_an_answer_is_kept_until_the_question_or_the_code_is_another(write_plugin: WritePlugin) -> None:
    ask, plugin = Asked(), write_plugin(predict="return [Prediction(0) for s in samples]")
    method = registry.find(str(plugin))
    first = known.known(Offered, method, {"weights": "a"}, ask)
    assert known.known(Offered, method, {"weights": "a"}, ask) == first
    assert ask.times == 1
    known.known(Offered, method, {"weights": "b"}, ask)
    assert ask.times == 2
    plugin.write_text(plugin.read_text().replace("Prediction(0)", "Prediction(1)"))
    known.known(Offered, registry.find(str(plugin)), {"weights": "a"}, ask)
    assert ask.times == 3


def test_damaged_answers_are_asked_for_again(write_plugin: WritePlugin, cache: Path) -> None:
    ask, method = Asked(), registry.find(str(write_plugin(predict="return []")))
    for damage in ("", "{", "[]", '{"unsupported": 3, "points": []}', '{"points": [{"a": [1]}], "unsupported": null}'):
        known.known(Offered, method, 1, ask)
        (file,) = (cache / "asked").iterdir()
        file.write_text(damage)
    known.known(Offered, method, 1, ask)
    assert ask.times == 6


def test_failures_are_not_kept_nor_anything_without_a_folder(
    write_plugin: WritePlugin, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = registry.find(str(write_plugin(predict="return []")))

    def fails() -> Offered:
        raise OSError("no worker")

    with pytest.raises(OSError, match="no worker"):
        known.known(Offered, method, 1, fails)
    ask = Asked()
    known.known(Offered, method, 1, ask)
    monkeypatch.setenv("ELUE_CACHE", "")
    known.known(Offered, method, 1, ask)
    assert ask.times == 2


def test_the_oldest_give_way(write_plugin: WritePlugin, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(known, "MOST", 3)
    method = registry.find(str(write_plugin(predict="return []")))
    for number in range(6):
        known.known(Offered, method, number, Asked())
    assert len(list((cache / "asked").iterdir())) == 3
