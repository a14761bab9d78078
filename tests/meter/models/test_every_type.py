"""Every type of configuration transformers has: counted, or refused in one line."""

from __future__ import annotations

import pytest

from tests.meter.models.every_type import NO_DEFAULT, outcome, types

pytestmark = pytest.mark.slow

SHARE = 0.7
"""Of all types, those counted at least: defaults of others contradict themselves, or they are parts of models."""


def test_every_type_is_counted_or_refused_in_one_line() -> None:
    ended = {name: outcome(name) for name in types()}
    assert not [name for name, (_, said) in ended.items() if "\n" in said]
    sound = {name: how for name, (how, said) in ended.items() if NO_DEFAULT not in said}
    assert sum(how != "refused" for how in sound.values()) >= SHARE * len(sound)
