"""What a campaign costs beside its jobs: planning it, and handing jobs out."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.campaign.test_planning import plan
from tests.campaign.toys import write_campaign

pytestmark = pytest.mark.benchmark


@pytest.mark.parametrize("shared", [False, True])
def test_ten_thousand_runs_are_planned_within_five_seconds(tmp_path: Path, shared: bool) -> None:
    """All methods on some seeds; and two that share phases on many, so that every job has to find another."""
    methods, seeds = ('["pabee", "pcee_bert"]', 2500) if shared else ('["*/*"]', 80)
    file = write_campaign(tmp_path, f"methods = {methods}\nseeds = {list(range(seeds))}\n")
    clock, used = time.perf_counter(), time.process_time()
    planned = plan(file)
    seconds = time.perf_counter() - clock
    print(f"\n{len(planned.jobs)} jobs in {seconds:.2f} s, {time.process_time() - used:.2f} s of processor time")
    assert len(planned.jobs) >= 10_000
    assert seconds < 5
