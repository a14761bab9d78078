"""Methods with learned scores: what a trace costs is what runs, scores in closed form, and company changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from elue.meter import Meter
from elue.modeling.exits.model import ExitModel
from elue.modeling.rules.registry import CONFORMAL
from elue.plugins.early_exit.berxit import Berxit
from elue.plugins.early_exit.cat import Cat
from elue.plugins.early_exit.consistentee import ConsistentEE
from elue.plugins.early_exit.palbert import Palbert
from elue.protocol import Point, TaskInfo
from tests import small
from tests.plugins import scoring_exits, test_traces
from tests.plugins.test_traces import THREE

pytestmark = pytest.mark.usefixtures("one_thread")


def berxit(task: TaskInfo) -> tuple[ExitModel, list[Point]]:
    points: list[Point] = [{"rule": "score", "threshold": value} for value in (0.0, 0.3, 0.5, 0.7, 1.1)]
    if task.kind == "classification":
        points += [{"rule": "entropy", "threshold": value} for value in (0.2, 0.6)]
    return scoring_exits.made(Berxit(), task), points


def palbert(task: TaskInfo) -> tuple[ExitModel, list[Point]]:
    points: list[Point] = [{"rule": "halting", "threshold": value} for value in (0.0, 0.1, 0.3, 0.5, 0.7, 0.9, 1.0)]
    return scoring_exits.made(Palbert(), task, seed=1), points


def cat(task: TaskInfo) -> tuple[ExitModel, list[Point]]:
    points: list[Point] = [{"rule": "conformal", "risk": value} for value in (0.05, 0.3, 0.5, 0.7, 0.9)]
    points += [{"rule": "score", "threshold": value} for value in (0.1, 0.4, 0.8, 1.1)]
    return scoring_exits.made(Cat(), task, {CONFORMAL: torch.linspace(0.05, 0.95, 9)}), points


def consistentee(task: TaskInfo) -> tuple[ExitModel, list[Point]]:
    points: list[Point] = [{"rule": "score", "threshold": value} for value in (0.0, 0.1, 0.3, 0.5, 0.8, 0.95, 1.1)]
    return scoring_exits.made(ConsistentEE(), task), points


MADE = [
    pytest.param(make, task, id=f"{make.__name__}-{task.kind}")
    for make in (berxit, palbert, cat, consistentee)
    for task in (THREE, small.SCORE)
    if not (make is consistentee and task is small.SCORE)
]


@pytest.mark.parametrize(("make", "task"), MADE)
@pytest.mark.parametrize("check", test_traces.CHECKS, ids=lambda check: check.__name__)
def test_what_holds_of_every_model(check: Callable[..., None], make: Callable[[TaskInfo], Any], task: TaskInfo) -> None:
    check(make, task)


@pytest.mark.thorough
@pytest.mark.parametrize(("make", "task"), MADE)
def test_company_changes_nothing(make: Callable[[TaskInfo], Any], task: TaskInfo) -> None:
    test_traces.test_company_and_order_change_nothing(make, task, 100)


@pytest.mark.parametrize(
    ("made", "products"),
    [
        (berxit, 2 * 16),
        (palbert, 3 * 2 * 32 * 32 + 2 * 32),
        (cat, 2 * (3 + 32 + 2 + 3) * 32 + 128),
        (consistentee, 2 * 16 * 32 + 2 * 32),
    ],
)
def test_what_a_score_costs_in_closed_form(made: Callable[[TaskInfo], Any], products: int) -> None:
    """By H = 16, C = 3, L = 4: 2H; 24H² + 4H; 2 · (C + 32 + 2 + L - 1) · 32 + 128; 64H + 64."""
    model, _ = made(THREE)
    with Meter(modules=[model.network]) as meter:
        model.rehearse("score.2", (1,))
    assert meter.matmul_flops == products
