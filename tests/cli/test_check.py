"""`elue check`: its exit code, and what it says of a method that can't be checked."""

from __future__ import annotations

import json
from pathlib import Path

from tests.commanding import elue
from tests.conftest import WritePlugin


def test_a_method_that_does_not_conform_ends_with_1(tmp_path: Path, write_plugin: WritePlugin) -> None:
    done = elue("check", write_plugin(predict="import random; return [Prediction(0.5)]"), cwd=tmp_path)
    assert done.returncode == 1
    assert "not a label index" in " ".join(done.stdout.split())
    assert "Traceback" not in done.stderr


def test_a_method_that_does_not_load_is_said_once(tmp_path: Path, write_plugin: WritePlugin) -> None:
    done = elue("check", write_plugin(before="raise OSError('no disk')"), "--json", cwd=tmp_path)
    assert done.returncode == 1
    source, beside, first, *rest = json.loads(done.stdout)
    assert [(told["name"], told["outcome"]) for told in (source, beside)] == [
        ("source", "pass"),
        ("beside-torch", "pass"),
    ]
    assert (first["name"], first["outcome"], first["detail"]) == ("loads", "fail", "OSError: no disk")
    assert {result["outcome"] for result in rest} == {"skip"}
