"""What company brings in a profile with packs: a plugin that answers samples together, and one that does not.

Each throughput is one over the static full model on the same samples, in turn with it; the two plugins take turns, too.
"""

from __future__ import annotations

import statistics
from pathlib import Path

import pytest

from elue import tasks
from elue.plugins.static import Static
from tests.conftest import WritePlugin, WriteTask
from tests.evaluation.passes.test_packs import BEFORE, CONFIGURE, KNOBS, PREDICT, TINY
from tests.running import evaluate_plugin
from tests.small import job

pytestmark = pytest.mark.benchmark
ROUNDS = 5
NAMES = ("together", "one by one")


def test_company_shows_in_the_throughput(tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask) -> None:
    toml, static = write_task(12), tmp_path / "static"
    Static().train(job(static, tasks.get(str(toml)).info(), 16, **TINY))
    plugin = write_plugin(before=BEFORE, predict=PREDICT, configure=CONFIGURE, knobs=KNOBS)
    ratios = []
    for number in range(ROUNDS):
        throughput = {}
        for record in evaluate_plugin(
            tmp_path / str(number),
            plugin,
            toml,
            points=[{"does": name} for name in (NAMES if number % 2 else NAMES[::-1])],
            profile="elue-1-batch",
            against=static,
        ):
            assert record.batch is not None, record.reason
            throughput[record.point["does"]] = record.batch.throughput
        ratios.append(throughput["together"] / throughput["one by one"])
    ratio = statistics.median(ratios)
    print(f"together {ratio:.1f}x the throughput of one by one ({min(ratios):.1f}-{max(ratios):.1f})")
    assert ratio > 2
