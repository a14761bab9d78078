"""The Meter is right on every case that counters are compared by, or says that it missed something."""

from __future__ import annotations

import pytest

from tests.benchmarks.compare_counters import all_cases, found
from tests.benchmarks.counter_kinds import kinds
from tests.benchmarks.counter_models import models


@pytest.mark.parametrize("name", kinds())
def test_work_that_is_easily_missed_is_counted_or_said_to_be_missing(name: str) -> None:
    assert found(name, "elue") in ("exact", "incomplete")


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in all_cases() if name not in kinds()])
def test_products_are_exact(name: str) -> None:
    assert found(name, "elue") == "exact"


def test_there_are_sixty_models_or_more() -> None:
    assert len(models()) >= 60
