"""What tests of commands share."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest

from tests import commanding
from tests.commanding import Elue


@pytest.fixture
def elue(tmp_path: Path) -> Elue:
    """The command, run in the test's own folder."""
    return partial(commanding.elue, cwd=tmp_path)
