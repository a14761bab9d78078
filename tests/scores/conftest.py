"""An edition of made trainings, for the tests of its rules."""

from __future__ import annotations

import pytest

from elue.record.schema import Record
from elue.scores.edition import Edition
from tests.editions import STATIC, World, edition_of


@pytest.fixture(scope="module")
def world() -> World:
    return World()


@pytest.fixture(scope="module")
def static(world: World) -> list[Record]:
    return world.method("static", STATIC)


@pytest.fixture(scope="module")
def edition(static: list[Record]) -> Edition:
    return edition_of(static)
