"""The default sweep of every method, trained: both ends, nothing twice, no gap that another setting would fill."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from elue.methods.knobs import settled
from elue.plugins.cascade.cascadebert import CascadeBert
from elue.plugins.cascade.committees import Committees
from elue.plugins.cascade.elang import ELang
from elue.plugins.cascade.frugalgpt import FrugalGpt
from elue.plugins.cascade.routellm import RouteLlm
from elue.plugins.early_exit.berxit import Berxit
from elue.plugins.early_exit.consistentee import ConsistentEE
from elue.plugins.early_exit.cosee import Cosee
from elue.plugins.early_exit.deebert import DeeBert
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
from elue.plugins.skimming.ltp import LearnedTokenPruning
from elue.plugins.skimming.skimrnn import SkimRnn
from elue.plugins.skimming.skiprnn import SkipRnn
from elue.protocol import Point
from tests import small
from tests.plugins.sweeping import priced, shortcomings

GRID = np.linspace(0, 1, 40).tolist()


METHODS: dict[str, tuple[Any, dict[str, Any], list[Point]]] = {
    "elasticbert": (
        ElasticBert,
        {"epochs": "4", "tiny_layers": "6"},
        [{"rule": "entropy", "threshold": 0.7 * share} for share in GRID],
    ),
    "hashee": (
        HashEE,
        {"epochs": "4", "tiny_layers": "6"},
        [{"shift": shift} for shift in range(-5, 6)],
    ),
    "leebert": (
        LeeBert,
        {"epochs": "2", "tiny_layers": "4"},
        [{"rule": "patience", "patience": number} for number in range(1, 4)],
    ),
    "skipbert": (
        SkipBert,
        {"epochs": "3", "teacher_epochs": "3", "tiny_layers": "6"},
        [{"rule": "entropy", "threshold": 0.7 * share} for share in GRID],
    ),
    "cascadebert": (
        CascadeBert,
        {"difficulty_models": "0", "epochs": "4"},
        [{"threshold": 1 - 0.5 * share**4} for share in GRID],
    ),
    "committees": (Committees, {"epochs": "4"}, [{"threshold": 1 - 0.5 * share**4} for share in GRID]),
    "elang": (ELang, {"epochs": "4"}, [{"energy": 20 * share - 5} for share in GRID]),
    "routellm": (RouteLlm, {"epochs": "4"}, [{"threshold": share**4} for share in GRID]),
    "frugalgpt": (
        FrugalGpt,
        {"epochs": "4", "depths": "1,2,3"},
        [{"threshold_1": first, "threshold_2": second} for first in GRID[::4] for second in GRID[::4]],
    ),
    "ltp": (
        LearnedTokenPruning,
        {"threshold": "0.05"},
        [{"threshold_scale": 200 * share**4} for share in GRID],
    ),
    "switch": (Switch, {"experts": "3"}, [{"capacity_factor": 3 * share} for share in GRID]),
    "skiprnn": (
        SkipRnn,
        {"size": "16", "cost": "0.003", "epochs": "4", **small.READER},
        [{"threshold": share} for share in GRID],
    ),
    "skiprnn that hardly reads": (
        SkipRnn,
        {"size": "16", "bias": "-14", "epochs": "1", **small.READER, "learning_rate": "1e-6"},
        [{"threshold": 10 ** (-9 * share)} for share in GRID],
    ),
    "skimrnn": (
        SkimRnn,
        {"size": "16", "small": "4", "epochs": "4", **small.READER},
        [{"threshold": share} for share in GRID],
    ),
}
LIKE: dict[str, tuple[Any, dict[str, Any], list[Point]]] = {
    "deebert": (
        DeeBert,
        {"epochs": "4", "exit_epochs": "4", "tiny_layers": "6"},
        [{"rule": "entropy", "threshold": 0.7 * share} for share in GRID],
    ),
    "romebert": (
        RomeBert,
        {"epochs": "4", "tiny_layers": "6"},
        [{"rule": "entropy", "threshold": 0.7 * share} for share in GRID],
    ),
    "fastbert": (
        FastBert,
        {"epochs": "4", "tiny_layers": "6"},
        [{"rule": "normalised_entropy", "threshold": 1.0 * share} for share in GRID],
    ),
    "righttool": (
        RightTool,
        {"epochs": "4", "tiny_layers": "6"},
        [{"rule": "confidence", "threshold": 1.0 * share} for share in GRID],
    ),
    "pabee": (
        Pabee,
        {"epochs": "4", "tiny_layers": "6"},
        [{"rule": "patience", "patience": number} for number in range(1, 6)],
    ),
    "pcee_bert": (
        PceeBert,
        {"epochs": "4", "tiny_layers": "6"},
        [{"rule": "confident_patience", "threshold": 1.0 * share, "patience": 1} for share in GRID],
    ),
    "f_pabee": (
        FPabee,
        {"epochs": "4", "tiny_layers": "6"},
        [{"rule": "divergence_patience", "threshold": 0.7 * share, "patience": 1} for share in GRID],
    ),
    "voting": (
        Voting,
        {"epochs": "4", "tiny_layers": "6"},
        [{"rule": "votes", "threshold": float(votes), "exponent": 0} for votes in range(1, 7)],
    ),
    "gaml_bert": (
        GamlBert,
        {"epochs": "4", "tiny_layers": "6"},
        [{"rule": "patience", "patience": number} for number in range(1, 6)],
    ),
    "past_future": (
        PastFuture,
        {"epochs": "4", "tiny_layers": "6"},
        [{"rule": "entropy", "threshold": 0.7 * share} for share in GRID],
    ),
    "cosee": (
        Cosee,
        {"epochs": "4", "tiny_layers": "6"},
        [{"rule": "normalised_energy", "threshold": 1.0 * share} for share in GRID],
    ),
    "berxit": (
        Berxit,
        {"epochs": "4", "tiny_layers": "6"},
        [{"rule": "score", "threshold": 1.0 * share} for share in GRID],
    ),
    "palbert": (
        Palbert,
        {"epochs": "4", "tiny_layers": "6"},
        [{"rule": "halting", "threshold": 1.0 * share} for share in GRID],
    ),
    "consistentee": (
        ConsistentEE,
        {"epochs": "4", "tiny_layers": "6"},
        [{"rule": "score", "threshold": 1.0 * share} for share in GRID],
    ),
}
"""Exits of kinds that are among the others."""
FEW = ("elasticbert", "cascadebert", "ltp", "skimrnn")
EVERY = [
    *(pytest.param(name, marks=() if name in FEW else pytest.mark.thorough) for name in METHODS),
    *(pytest.param(name, marks=pytest.mark.slow) for name in LIKE),
]


@pytest.mark.parametrize("name", EVERY)
def test_the_default_sweep_of_a_trained_method(name: str, tmp_path: Path) -> None:
    covers(*(METHODS | LIKE)[name], tmp_path, room=1.001)


def covers(made: Any, options: dict[str, Any], grid: list[Point], tmp_path: Path, room: float = 1.001) -> None:
    """The default sweep reaches as far as a grid of points does, and has no gap that one of them would fill.

    In FLOPs by the Meter.
    """
    job = small.job(tmp_path, train=160, **options)
    made().train(job)
    model, points = made().load(job.task, tmp_path, 0), made().points(job.task, tmp_path)
    costs = priced(made(), model, [example.sample for example in job.validation])
    assert all(settled(made.knobs, point) == point for point in points)
    assert len(points) > 2
    assert shortcomings(points, [settled(made.knobs, point) for point in grid], costs, room=room) == []


def test_the_sweep_of_exits_on_a_regression_starts_at_the_first(tmp_path: Path) -> None:
    job = small.job(tmp_path, small.SCORE, tiny_layers="6")
    ElasticBert().train(job)
    model, points = ElasticBert().load(job.task, tmp_path, 0), ElasticBert().points(job.task, tmp_path)
    means = []
    for point in points:
        assert settled(ElasticBert.knobs, point) == point
        model.configure(point)
        answers = model.predict([example.sample for example in job.validation])
        layers = [sum(step.times for step in answer.trace if step.unit.startswith("ffn")) for answer in answers]
        means.append(sum(layers) / len(layers))
    assert means == sorted(means)
    assert (means[0], means[-1]) == (1, 6)
