"""DeeBERT, PABEE and ElasticBERT against plain words: pairs, two and three classes, numbers, and both ends."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import pytest
from torch import Tensor

from elue.plugins.early_exit.deebert import DeeBert
from elue.plugins.early_exit.elasticbert import ElasticBert
from elue.plugins.early_exit.pabee import Pabee
from elue.protocol import Point, TaskInfo
from tests import small
from tests.plugins import scoring_exits, test_skipbert
from tests.plugins.scoring_exits import SAMPLES, TASKS, TEXT

pytestmark = pytest.mark.usefixtures("one_thread")
Told = list[list[float]]
"""What each exit says: probabilities, or one number."""


def by_entropy(told: Told, point: Point) -> int:
    for exit, shares in enumerate(told[:-1], 1):
        if -sum(p * math.log(p) for p in shares if p) < float(point["threshold"]):
            return exit
    return len(told)


def by_patience(told: Told, point: Point) -> int:
    streak = 0
    for exit, (before, now) in enumerate(pairwise(told[:-1]), 2):
        if len(now) == 1:
            same = abs(before[0] - now[0]) < float(point["tolerance"])
        else:
            same = before.index(max(before)) == now.index(max(now))
        streak = streak + 1 if same else 0
        if streak == point["patience"]:
            return exit
    return len(told)


def entropies(task: TaskInfo) -> list[Point]:
    values = (0.0, 0.1, 0.3, 0.5, 0.65, 0.9, math.inf) if task.outputs > 1 else ()
    return [{"rule": "entropy", "threshold": value} for value in values]


def patiences(task: TaskInfo) -> list[Point]:
    numbers = task.outputs == 1
    tolerances: list[dict[str, Any]] = [{"tolerance": t} for t in (0.0, 0.1, 0.3, 0.7, 100.0)] if numbers else [{}]
    return [{"rule": "patience", "patience": t, **tolerance} for t in (1, 2, 3) for tolerance in tolerances]


def own(heads: Any, number: int, mean: Tensor) -> Tensor:
    return heads.output[str(number)]((heads.dense[str(number)](mean)).tanh())


def shared(heads: Any, number: int, mean: Tensor) -> Tensor:
    return heads.output[str(number)](heads.dense(mean).tanh())


Sweep = Callable[[TaskInfo], list[Point]]
METHODS: dict[str, tuple[Any, Callable[..., Tensor], Sequence[Sweep]]] = {
    "deebert": (DeeBert, own, [entropies]),
    "elasticbert": (ElasticBert, own, [entropies, patiences]),
    "pabee": (Pabee, shared, [patiences]),
}
LEAVES = {"entropy": by_entropy, "patience": by_patience}
CASES = [
    pytest.param(name, task, id=f"{name}-{task.name}")
    for name, (kind, *_) in METHODS.items()
    for task in TASKS
    if kind().supports(task) is None
]


def test_what_can_serve_numbers_is_asked_for_them() -> None:
    assert [case.id for case in CASES if case.values[1] is small.SCORE] == ["elasticbert-warmth", "pabee-warmth"]


@pytest.mark.parametrize(("name", "task"), CASES)
def test_it_leaves_where_a_plain_implementation_does(name: str, task: TaskInfo) -> None:
    kind, logits_of, sweeps = METHODS[name]
    model = scoring_exits.made(kind(), task, seed=2)
    heads, told = model.network.heads, []
    for sample in SAMPLES:
        means = enumerate(scoring_exits.pooled(model, sample), 1)
        told.append([scoring_exits.answer(logits_of(heads, number, mean)) for number, mean in means])
    as_told(model, told, [point for sweep in sweeps for point in sweep(task)])


@pytest.mark.parametrize("source", ["table", pytest.param("computed", marks=pytest.mark.thorough)])
def test_numbers_of_skipbert_leave_by_patience(source: str) -> None:
    model = test_skipbert.made(small.SCORE, TEXT, SAMPLES[:40], entries=12)
    heads, told = model.network.heads, []
    for sample in SAMPLES:
        encoded = TEXT.encode(sample)
        states = test_skipbert.plain(model.below, encoded.ids, encoded.segments, source == "table")[None]
        ways = []
        for number, layer in enumerate(model.network.encoder.layers, 1):
            states = layer(states)
            ways.append(scoring_exits.answer(shared(heads, number, states.mean(1))))
        told.append(ways)
    points = [point for point in patiences(small.SCORE) if int(point["patience"]) < 3]
    as_told(model, told, [{"trigrams": source, **point} for point in points])


def as_told(model: Any, told: Sequence[Told], points: Sequence[Point]) -> None:
    """Every sample leaves at each point where it must, with what is said there; ends are reached, and others parted."""
    ways, seen = len(told[0]), set()
    for point in points:
        exits = set()
        for exits_say, (exit, said) in zip(told, scoring_exits.taken(model, point), strict=True):
            assert exit == LEAVES[str(point["rule"])](exits_say, point)
            assert said == pytest.approx(exits_say[exit - 1], abs=1e-4)
            exits.add(exit)
        first = 1 if point["rule"] == "entropy" else 1 + int(point["patience"])
        setting = point.get("tolerance", point.get("threshold"))
        if setting in (0.0, 100.0, math.inf):
            assert exits == ({ways} if setting == 0 else {min(first, ways)})
        seen |= exits
    assert seen >= set(range(1 if any(point["rule"] == "entropy" for point in points) else 2, ways + 1))
