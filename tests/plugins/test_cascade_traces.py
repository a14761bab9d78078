"""Cascades: what a trace costs is what runs, and company and shared passes change nothing."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest

from elue.protocol import Point, TaskInfo
from tests import small
from tests.plugins import cascades, test_traces
from tests.plugins.test_traces import TEXT, THREE

pytestmark = pytest.mark.usefixtures("one_thread")


def committees(task: TaskInfo) -> tuple[Any, list[Point]]:
    return cascades.committee(task, TEXT), [{"threshold": value} for value in (0.0, 0.5, 0.6, 0.7, 0.9, 1.0)]


def elang(task: TaskInfo) -> tuple[Any, list[Point]]:
    return cascades.elang(task, TEXT), [{"energy": value} for value in (-1000.0, 0.4, 0.6, 1.0, math.inf)]


def routellm(task: TaskInfo) -> tuple[Any, list[Point]]:
    return cascades.routed(task, TEXT), [{"threshold": value} for value in (0.0, 0.3, 0.5, 0.7, 1.1)]


def frugalgpt(task: TaskInfo) -> tuple[Any, list[Point]]:
    cuts = [(1.1, 0.0), (0.0, 1.1), (0.0, 0.0), (0.5, 0.97), (0.3, 0.9), (0.01, 0.95)]
    return cascades.chained(task, TEXT), [{"threshold_1": first, "threshold_2": second} for first, second in cuts]


MADE = [
    pytest.param(make, task, id=f"{make.__name__}-{task.name}", marks=() if task is THREE else pytest.mark.thorough)
    for make in (committees, elang, routellm, frugalgpt)
    for task in (THREE, small.CLASSES)
]


@pytest.mark.parametrize(("make", "task"), MADE)
@pytest.mark.parametrize("check", test_traces.CHECKS, ids=lambda check: check.__name__)
def test_what_holds_of_every_model(check: Callable[..., None], make: Callable[[TaskInfo], Any], task: TaskInfo) -> None:
    check(make, task)


@pytest.mark.thorough
@pytest.mark.parametrize(("make", "task"), MADE)
def test_company_changes_nothing(make: Callable[[TaskInfo], Any], task: TaskInfo) -> None:
    test_traces.test_company_and_order_change_nothing(make, task, 100)
