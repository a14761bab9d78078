"""Sites built once for all tests that read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.leaderboard import build
from elue.record.schema import Record
from tests.leaderboard.samples import failed, summary
from tests.leaderboard.whole import MANIFESTS, reader_of, summaries_of, whole_store


def odd_ones() -> list[Record]:
    """Runs that cannot be ranked, for three reasons."""
    return [
        failed(point={"threshold": 0.9}),
        failed("timeout", "No answer within 30 s on one sample.", point={"threshold": 0.8}),
        summary(complete=False, unknown={"aten.foo.default": 12}, point={"threshold": 1}),
    ]


@pytest.fixture(scope="session")
def whole_records():
    """Whole records of five families on two tasks."""
    return whole_store()


@pytest.fixture(scope="session")
def whole_site(whole_records, tmp_path_factory) -> Path:
    """The folder of a site with scores, samples, explanations, manifests, and runs that are not ranked."""
    out = tmp_path_factory.mktemp("whole") / "site"
    runs = [*summaries_of(whole_records), *odd_ones()]
    build(runs, out, reader_of(whole_records), MANIFESTS, "https://elue.example/board")
    return out
