"""Who has no rank, and why: lucky seeds of runs, labels of one's own, prices on one's word."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pytest

from elue.record.schema import Record
from elue.scores.edition import Edition
from elue.scores.edition_runs import EditionRun
from elue.scores.reasons import same_labels
from elue.scores.resampling import column_of
from tests.editions import GOOD, World, rows
from tests.scoring import run

WORD = "its compute is the author's word in 60 of 100 calls, whose body could not be counted"


@pytest.fixture(scope="module")
def own(world: World) -> list[Record]:
    return world.method("own", GOOD)


def run_with(own: Sequence[Record], seed_of: Callable[[int], int]) -> list[Record]:
    """The runs of the same trainings, by their seeds, with another seed each."""
    made = []
    for record in own:
        assert record.weights
        weights = record.weights.model_copy(update={"training": {"seed": record.seed}})
        made.append(record.model_copy(update={"weights": weights, "seed": seed_of(record.seed)}))
    return made


@pytest.mark.parametrize(
    ("seed_of", "why"),
    [
        (lambda seed: seed, ""),
        (lambda seed: 0, ""),
        (lambda seed: 7 * seed + 4, "these weights: run with seeds 4, 11, 18, instead of 0 or each training's own"),
        (lambda seed: (seed + 1) % 3, "these weights: run with seeds 0, 1, 2, instead of 0 or each training's own"),
    ],
)
def test_the_luckiest_run_of_each_training(
    edition: Edition, static: list[Record], own: list[Record], seed_of: Callable[[int], int], why: str
) -> None:
    """Of a method that draws at inference, twenty runs of the same weights are as good as twenty trainings."""
    assert rows(edition, [*static, *run_with(own, seed_of)])["own"].tested.why == why


def test_labels_of_ones_own(edition: Edition, static: list[Record], own: list[Record]) -> None:
    """Five of its mistakes are said to be right; the yardstick's answers to the same samples say that they are not."""
    generous = []
    for record in own:
        assert record.samples
        error = np.array(record.samples.error)
        error[np.flatnonzero(error)[:5]] = 0
        generous.append(
            record.model_copy(update={"samples": record.samples.model_copy(update={"error": tuple(error.tolist())})})
        )
    tested = rows(edition, [*static, *generous])["own"].tested
    assert (tested.rank, tested.why) == (None, "what it says is right is not what the yardstick does")


def entry(values: Sequence[float], labels: Sequence[float], metric: str) -> EditionRun:
    record = run("any", values, labels, [1] * len(values), metric=metric)
    curve, column = ("any", "", None, 0), column_of(record)
    return EditionRun("", curve, "static", metric, 0.0, "", column)  # type: ignore[arg-type]


def test_labels_are_known_as_far_as_errors_tell_them() -> None:
    static = [entry([0, 1, 2, 2], [0, 1, 0, 1], "accuracy"), entry([1, 1, 0, 0], [0, 1, 0, 1], "accuracy")]
    assert same_labels([entry([2, 1, 1, 2], [0, 1, 0, 2], "accuracy")], static), "nobody was right at the last one"
    assert not same_labels([entry([2, 1, 1, 2], [0, 1, 1, 1], "accuracy")], static)
    assert not same_labels([entry([0, 1, 0, 2], [0, 2, 0, 1], "accuracy")], static)
    numbers = [entry([1.0, 2.5], [1.5, 2.0], "pearson_spearman")]
    assert same_labels([entry([4.0, 0.0], [1.5, 2.0], "pearson_spearman")], numbers)
    assert not same_labels([entry([4.0, 0.0], [1.5, 2.1], "pearson_spearman")], numbers)


@pytest.mark.parametrize(("counted", "why"), [(100, ""), (40, WORD)])
def test_compute_on_its_authors_word(
    edition: Edition, static: list[Record], own: list[Record], counted: int, why: str
) -> None:
    """Prices by formulas of its own count as far as what they price was counted, too."""
    formulas = {"formulas": {"calls": 100, "counted": counted, "underpriced": 0}}
    told = [record.model_copy(update={"registered": {"my::op": 100}, "measurements": formulas}) for record in own]
    assert rows(edition, [*static, *told])["own"].tested.why == why
