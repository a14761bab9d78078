"""An edition's file says what the edition is: written and read back, it is the same one."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.scores import edition as editions
from elue.scores.edition import Edition, Trainings
from elue.scores.edition_file import text_of
from tests.editions import STATIC, World, edition_of


def whole() -> Edition:
    """An edition with a yardstick, clusters, a revision of validation, and a title that TOML must escape."""
    edition = edition_of(World().method("static", STATIC))
    task = edition.tasks["mine"].model_copy(
        update={
            "clusters": (*range(399), 7),
            "validation": "d" * 64,
            "trainings": Trainings(spread=(0.6, 0.7, 0.5, 0.8), degrees=12),
        }
    )
    title = 'the "first"\\ of\x7f\n2026 \u00e9\U0001f600'
    return Edition.model_validate(
        {**edition.model_dump(), "title": title, "places": 7, "tasks": {"mine": task, "a.b": task}}
    )


@pytest.mark.parametrize("edition", [whole(), editions.load("2026-preview")], ids=["whole", "preview"])
def test_it_is_read_back_as_it_was(edition: Edition, tmp_path: Path) -> None:
    path = tmp_path / f"{edition.name}.toml"
    path.write_text(text_of(edition), encoding="utf-8")
    assert editions.load(path) == edition
    frozen = Edition.model_validate({**edition.model_dump(), "digest": edition.rules})
    path.write_text(text_of(frozen), encoding="utf-8")
    assert editions.load(path) == frozen
    assert editions.load(path).frozen
