"""A seed decides all that a training leaves: two processes at one seed write the same bytes."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from elue.plugins.cascade.cascadebert import CascadeBert
from elue.plugins.cascade.committees import Committees
from elue.plugins.cascade.elang import ELang
from elue.plugins.cascade.frugalgpt import FrugalGpt
from elue.plugins.cascade.routellm import RouteLlm
from elue.plugins.early_exit.berxit import Berxit
from elue.plugins.early_exit.cat import Cat
from elue.plugins.early_exit.consistentee import ConsistentEE
from elue.plugins.early_exit.cosee import Cosee
from elue.plugins.early_exit.deebert import DeeBert
from elue.plugins.early_exit.distilled_exits import DistilledExits
from elue.plugins.early_exit.elasticbert import ElasticBert
from elue.plugins.early_exit.f_pabee import FPabee
from elue.plugins.early_exit.fastbert import FastBert
from elue.plugins.early_exit.gaml_bert import GamlBert
from elue.plugins.early_exit.hashee import HashEE
from elue.plugins.early_exit.leebert import LeeBert
from elue.plugins.early_exit.pabee import Pabee
from elue.plugins.early_exit.palbert import Palbert
from elue.plugins.early_exit.past_future import PastFuture
from elue.plugins.early_exit.pcee_bert import PceeBert
from elue.plugins.early_exit.righttool import RightTool
from elue.plugins.early_exit.romebert import RomeBert
from elue.plugins.early_exit.skipbert import SkipBert
from elue.plugins.early_exit.voting import Voting
from elue.plugins.moe.switch import Switch
from elue.plugins.skimming.adapler import AdapLeR
from elue.plugins.skimming.dllm import Dllm
from elue.plugins.skimming.lat import Lat
from elue.plugins.skimming.ltp import LearnedTokenPruning
from elue.plugins.skimming.mrt5 import MrT5
from elue.plugins.skimming.power_bert import PowerBert
from elue.plugins.skimming.skimrnn import SkimRnn
from elue.plugins.skimming.skiprnn import SkipRnn
from elue.plugins.skimming.tr_bert import TrBert
from elue.plugins.skimming.transkimmer import Transkimmer
from elue.plugins.static import Static
from tests import small

FEW: dict[str, tuple[Any, dict[str, Any]]] = {
    "elasticbert": (ElasticBert, {}),
}
METHODS: dict[str, tuple[Any, dict[str, Any]]] = {
    "skimrnn": (SkimRnn, {"size": "16", "small": "4", **small.READER}),
    "static": (Static, {"depths": "1,3"}),
    "distilled_exits": (DistilledExits, {"student_epochs": "1"}),
    "cat": (Cat, {}),
    "consistentee": (ConsistentEE, {}),
    "skipbert": (SkipBert, {"teacher_epochs": "1", "upper_epochs": "1", "shallow_layers": "1"}),
    "ltp": (LearnedTokenPruning, {}),
    "switch": (Switch, {}),
}
"""One of each kind."""
MORE: dict[str, tuple[Any, dict[str, Any]]] = {
    "hashee": (HashEE, {"hash": "mutual_information"}),
    "leebert": (LeeBert, {}),
    "cascadebert": (CascadeBert, {"difficulty_models": "1"}),
    "skiprnn": (SkipRnn, {"size": "16", **small.READER}),
    "berxit": (Berxit, {}),
    "cosee": (Cosee, {}),
    "deebert": (DeeBert, {}),
    "f_pabee": (FPabee, {}),
    "fastbert": (FastBert, {}),
    "gaml_bert": (GamlBert, {}),
    "pabee": (Pabee, {}),
    "palbert": (Palbert, {}),
    "past_future": (PastFuture, {}),
    "pcee_bert": (PceeBert, {}),
    "righttool": (RightTool, {}),
    "romebert": (RomeBert, {}),
    "voting": (Voting, {}),
    "power_bert": (PowerBert, {}),
    "lat": (Lat, {"drop_epochs": "1", "rounds": "1", "mutations": "2", "crossovers": "2"}),
    "transkimmer": (Transkimmer, {}),
    "tr_bert": (TrBert, {"draws": "2", "joint_epochs": "1"}),
    "adapler": (AdapLeR, {"skim_epochs": "1"}),
    "mrt5": (MrT5, {}),
    "dllm": (Dllm, {"routed_epochs": "1"}),
    "committees": (Committees, {}),
    "elang": (ELang, {}),
    "frugalgpt": (FrugalGpt, {}),
    "routellm": (RouteLlm, {}),
}
"""Of kinds that are among the others."""
FILES = ["elue.json", "model.safetensors", "tokenizer.json"]
TRAIN = "import sys; from tests.plugins.test_repeated import train_all; train_all(*sys.argv[1:])"


def train_all(folder: str, *names: str) -> None:
    """Train these methods into folders of their names, with dropout, so that its draws count too."""
    for name in names:
        method, options = (FEW | METHODS | MORE)[name]
        dropout = {} if name in ("skimrnn", "skiprnn") else {"tiny_dropout": "0.1"}
        method().train(small.job(Path(folder) / name, epochs="1", **options, **dropout))


def train(into: Path, names: Iterable[str], hash_seed: int) -> None:
    """Train these methods in a process of its own, in which sets have an order of their own."""
    environment = {**os.environ, "PYTHONHASHSEED": str(hash_seed)}
    command = [sys.executable, "-c", TRAIN, str(into), *names]
    subprocess.run(command, check=True, env=environment, stderr=subprocess.PIPE)


def twice(folder: Path, names: Iterable[str]) -> list[Path]:
    """Two folders of trained methods, each from a process of its own."""
    folders = [folder / "0", folder / "1"]
    for hash_seed, into in enumerate(folders):
        train(into, names, hash_seed)
    return folders


@pytest.mark.thorough
def test_another_process_leaves_the_same_bytes(tmp_path: Path) -> None:
    """Whatever this one has run before, in whatever order its sets have."""
    train_all(str(tmp_path / "0"), *FEW)
    train(tmp_path / "1", FEW, 1)
    for name in FEW:
        same(name, [tmp_path / "0", tmp_path / "1"])


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return twice(tmp_path_factory.mktemp("trained"), METHODS)


@pytest.mark.thorough
@pytest.mark.parametrize("name", METHODS)
def test_two_processes_leave_the_same_bytes_of_every_kind(name: str, trained: list[Path]) -> None:
    same(name, trained)


@pytest.mark.slow
@pytest.mark.parametrize("name", MORE)
def test_two_processes_leave_the_same_bytes_of_their_like(name: str, tmp_path: Path) -> None:
    same(name, twice(tmp_path, [name]))


def same(name: str, folders: list[Path]) -> None:
    first, second = ({path.name: digest_of(path) for path in (folder / name).iterdir()} for folder in folders)
    assert sorted(first) == FILES
    assert first == second


def digest_of(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
