"""Which of many like cases are quick ones."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import pytest


def thorough_but(few: Collection[str], cases: Mapping[str, Any]) -> list[Any]:
    """Cases by their names for `parametrize`: a few in the quick tier, the others in the thorough one."""
    assert set(few) <= set(cases)
    marks = {name: () if name in few else (pytest.mark.thorough,) for name in cases}
    return [pytest.param(case, id=name, marks=marks[name]) for name, case in cases.items()]
