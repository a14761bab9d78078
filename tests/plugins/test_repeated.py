"""A seed decides all that a training leaves: two processes at one seed write the same bytes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from elue.plugins.cascade.cascadebert import CascadeBert
from elue.plugins.early_exit.cat import Cat
from elue.plugins.early_exit.consistentee import ConsistentEE
from elue.plugins.early_exit.distilled_exits import DistilledExits
from elue.plugins.early_exit.elasticbert import ElasticBert
from elue.plugins.moe.switch import Switch
from elue.plugins.skimming.ltp import LearnedTokenPruning
from elue.plugins.skimming.skimrnn import SkimRnn
from elue.plugins.skimming.skiprnn import SkipRnn
from elue.plugins.static import Static
from tests import small

METHODS: dict[str, tuple[Any, dict[str, Any]]] = {
    "static": (Static, {"depths": "1,3"}),
    "elasticbert": (ElasticBert, {}),
    "distilled_exits": (DistilledExits, {"student_epochs": "1"}),
    "cat": (Cat, {}),
    "consistentee": (ConsistentEE, {}),
    "ltp": (LearnedTokenPruning, {}),
    "switch": (Switch, {}),
    "cascadebert": (CascadeBert, {"difficulty_models": "1"}),
    "skimrnn": (SkimRnn, {"size": "16", "small": "4", **small.READER}),
    "skiprnn": (SkipRnn, {"size": "16", **small.READER}),
}
FILES = ["elue.json", "model.safetensors", "tokenizer.json"]
TRAIN = "import sys; from tests.plugins.test_repeated import train_all; train_all(sys.argv[1])"


def train_all(folder: str) -> None:
    """Train every method into a folder of its name, with dropout, so that its draws count too."""
    for name, (method, options) in METHODS.items():
        dropout = {} if name in ("skimrnn", "skiprnn") else {"tiny_dropout": "0.1"}
        method().train(small.job(Path(folder) / name, epochs="1", **options, **dropout))


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two folders of trained methods, each from a process of its own, in which sets have an order of their own."""
    folders = [tmp_path_factory.mktemp("trained") for _ in range(2)]
    for hash_seed, folder in enumerate(folders):
        environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
        subprocess.run([sys.executable, "-c", TRAIN, str(folder)], check=True, env=environment, stderr=subprocess.PIPE)
    return folders


@pytest.mark.parametrize("name", METHODS)
def test_two_processes_leave_the_same_bytes(name: str, trained: list[Path]) -> None:
    first, second = ({path.name: digest_of(path) for path in (folder / name).iterdir()} for folder in trained)
    assert sorted(first) == FILES
    assert first == second


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
