"""Opening an index by its URL."""

from __future__ import annotations

import sys

import pytest

from elue.errors import ElueError
from elue.record.connection import check_url


@pytest.mark.parametrize("url", ["postgresql+psycopg://me@here/elue", "postgresql://me@here/elue"])
def test_a_missing_driver_names_the_extra_that_brings_it(monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    for module in ("psycopg", "psycopg2"):
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ElueError, match=r"pip install 'elue\[postgresql\]'"):
        check_url(url)
