"""Every method keeps, of each phase's epochs, the one that is worth most on validation data."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling import training
from elue.modeling.inference import Appraisal
from elue.modeling.text import TextEncoder
from elue.plugins.cascade.cascadebert import CascadeBert
from elue.plugins.early_exit.elasticbert import ElasticBert
from elue.plugins.moe.switch import Switch
from elue.plugins.skimming.focused import Focused
from elue.plugins.skimming.hmrnn import HmRnn
from elue.plugins.skimming.jumper import Jumper
from elue.plugins.skimming.leap_lstm import LeapLstm
from elue.plugins.skimming.lstm_jump import LstmJump
from elue.plugins.skimming.lstm_shuttle import LstmShuttle
from elue.plugins.skimming.ltp import LearnedTokenPruning
from elue.plugins.skimming.mrt5 import MrT5
from elue.plugins.skimming.reasonet import ReasoNet
from elue.plugins.skimming.rim_like import RimLike
from elue.plugins.skimming.skim_reread import SkimReread
from elue.plugins.skimming.skimrnn import SkimRnn
from elue.plugins.skimming.skiprnn import SkipRnn
from elue.plugins.skimming.structural_jump_lstm import StructuralJumpLstm
from elue.plugins.skimming.transkimmer import Transkimmer
from elue.plugins.skimming.vcrnn import VcRnn
from elue.plugins.static import Static
from elue.protocol import TrainingJob
from tests import small

EPOCHS = 3
METHODS: dict[str, tuple[Any, dict[str, Any], int]] = {
    "static": (Static, {"depths": "1,3"}, 2),
    "elasticbert": (ElasticBert, {}, 1),
    "ltp": (LearnedTokenPruning, {"soft_epochs": str(EPOCHS), "hard_epochs": str(EPOCHS)}, 3),
    "switch": (Switch, {}, 1),
    "cascadebert": (CascadeBert, {"difficulty_models": "1", "difficulty_epochs": str(EPOCHS)}, 4),
    "skimrnn": (SkimRnn, {"size": "16", "small": "4", **small.READER}, 1),
    "skiprnn": (SkipRnn, {"size": "16", **small.READER}, 1),
}
"""Each with options, and the number of its phases."""
READER = {"size": "16", **small.READER}
TWICE = {**READER, "speed_epochs": str(EPOCHS)}
SKIMMERS: dict[str, tuple[Any, dict[str, Any], int]] = {
    "transkimmer": (Transkimmer, {}, 1),
    "mrt5": (MrT5, {}, 1),
    "lstm_jump": (LstmJump, READER, 1),
    "lstm_shuttle": (LstmShuttle, READER, 1),
    "leap_lstm": (LeapLstm, READER, 1),
    "hmrnn": (HmRnn, READER, 1),
    "reasonet": (ReasoNet, READER, 1),
    "vcrnn": (VcRnn, TWICE, 2),
    "jumper": (Jumper, TWICE, 2),
    "skim_reread": (SkimReread, TWICE, 2),
    "rim_like": (RimLike, TWICE, 2),
    "structural_jump_lstm": (StructuralJumpLstm, TWICE, 2),
    "focused": (Focused, TWICE, 2),
}


class Judge:
    """Calls the second epoch of every phase the best, and keeps the modules and the weights it had then."""

    def __init__(self) -> None:
        self.calls = 0
        self.best: list[tuple[nn.Module, dict[str, Tensor]]] = []
        self.last: list[dict[str, Tensor]] = []

    def __call__(self, module: nn.Module, job: TrainingJob, text: TextEncoder, judged: Any = None) -> Appraisal:
        epoch, self.calls = self.calls % EPOCHS, self.calls + 1
        state = {name: tensor.clone() for name, tensor in module.state_dict().items()}
        if epoch == 1:
            self.best.append((module, state))
        if epoch == EPOCHS - 1:
            self.last.append(state)
        return Appraisal([3.0, 4.0, 2.0][epoch], 0.0)


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(tensor, other[name]) for name, tensor in one.items())


@pytest.mark.parametrize("name", [*METHODS, *(pytest.param(name, marks=pytest.mark.thorough) for name in SKIMMERS)])
def test_the_weights_are_those_of_the_best_epoch(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method, options, phases = (METHODS | SKIMMERS)[name]
    judge, swept = Judge(), []

    def sweep(made: Any, network: nn.Module, given: Any) -> Any:
        final = {id(module): (module, state) for module, state in judge.best}  # the last phase of each module
        for module, state in final.values():
            assert same(state, module.state_dict())
        inside = {id(module) for module in network.modules()}
        swept.append(sum(key in inside for key in final))
        return real(made, network, given)

    real = method.sweep
    monkeypatch.setattr(method, "sweep", sweep)
    monkeypatch.setattr(training, "appraisal", judge)
    method().train(small.job(tmp_path, **{"epochs": str(EPOCHS), **options}))
    assert judge.calls == EPOCHS * phases
    assert all(not same(best, last) for (_, best), last in zip(judge.best, judge.last, strict=True))
    assert swept == [2 if name in ("static", "cascadebert") else 1]


def test_without_validation_data_a_method_says_what_is_missing(tmp_path: Path) -> None:
    with pytest.raises(ElueError, match="'colours' brings no validation data") as caught:
        Static().train(replace(small.job(tmp_path), validation=[]))
    assert caught.value.code == "no_validation"
    assert not (tmp_path / "checkpoints").exists()
