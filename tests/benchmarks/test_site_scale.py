"""A store of 10,000 records of 300 methods over 7 tasks becomes a site within a minute, with a light first page."""

from __future__ import annotations

import json
import math
import random
import resource
import time
from pathlib import Path

import pytest

from elue.leaderboard import build
from elue.leaderboard.workers import reader, workers
from elue.protocol import FAMILIES
from elue.record.files import summary as summary_of
from elue.record.schema import Record
from elue.record.store import Store
from tests.leaderboard.browsing import CHROMIUM, DRIVER, Browser
from tests.leaderboard.samples import digest, document

TASKS, METHODS, RECORDS, SAMPLES = 7, 300, 10_000, 100
pytestmark = pytest.mark.benchmark


def record(task: int, method: int, point: int) -> Record:
    """A believable run: dearer points are better, and some methods better than others."""
    name = "static" if method == 0 else f"method_{method:03}"
    family = FAMILIES[0] if method == 0 else FAMILIES[1 + method % 4]
    own = random.Random(f"{task} {method} {point}")
    shared = random.Random(f"task {task}")
    skill = 0.55 + 0.06 * point + 0.04 * math.sin(method)
    error = [float(shared.random() + own.gauss(0, 0.1) > skill) for _ in range(SAMPLES)]
    flops = [int(1e8 * 1.5**point * own.uniform(0.5, 1.5)) for _ in range(SAMPLES)]
    mean, value = sum(flops) / SAMPLES, 100 * (1 - sum(error) / SAMPLES)
    base = document(
        method={"name": name, "family": family, "title": f"Method {method}", "source_digest": digest(name)},
        weights={"digest": digest("weights", task, method)},
        task={"name": f"task_{task}", "title": f"Task {task}", "size": SAMPLES},
        point={"threshold": point / 10},
        score={"value": value, "low": max(0, value - 9), "high": min(100, value + 9)},
        flops={"mean": mean, "p50": mean, "p95": 1.4 * mean, "max": 1.5 * mean, "matmul_mean": 0.97 * mean},
    )
    samples = {
        "id": [str(i) for i in range(SAMPLES)],
        "value": [float((i + wrong) % 2) for i, wrong in enumerate(error)],
        "error": error,
        "flops": flops,
        "matmul_flops": flops,
        "params_touched": [1_000_000] * SAMPLES,
    }
    return Record.model_validate({**base, "samples": samples})


@pytest.fixture(scope="module")
def store(tmp_path_factory) -> Store:
    """A store with that many records, spread evenly over tasks and methods."""
    store = Store(f"sqlite:///{tmp_path_factory.mktemp('store') / 'elue.sqlite'}")
    points = math.ceil(RECORDS / TASKS / METHODS)
    places = ((t, m, p) for p in range(points) for m in range(METHODS) for t in range(TASKS))
    store.add_all(record(*place) for place, _ in zip(places, range(RECORDS), strict=False))
    return store


@pytest.fixture(scope="module", params=["summaries", "whole records"])
def site(request, store, tmp_path_factory) -> Path:
    """The built site; says how long it took and how much memory."""
    out = tmp_path_factory.mktemp("scale") / "site"
    read = reader(store.url) if request.param == "whole records" else None
    summaries = store.summaries()
    assert len(summaries) == RECORDS
    wall, own, others = time.perf_counter(), time.process_time(), resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    with workers(RECORDS, most=2) as executor:
        build(summaries, out, read, executor=executor)
    wall, own = time.perf_counter() - wall, time.process_time() - own
    others = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - others
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(
        f"\nsite from {RECORDS:,} {request.param}: {wall:.1f} s; CPU {own:.1f} s and in workers {others:.1f} s", end=""
    )
    print(f"; peak {peak:,.0f} MiB")
    assert wall < 60
    return out


def test_the_first_page_is_light_and_quickly_there(site, tmp_path):
    own = ["index.html", "static/style.css", "static/parts.css", "static/theme.js", "static/site.js", "static/table.js"]
    size = sum((site / name).stat().st_size for name in own)
    print(f"home: {size / 1e6:.2f} MB with styles and scripts")
    assert size < 1_000_000
    if not (CHROMIUM and DRIVER):
        pytest.skip("no chromium or no chromedriver on the PATH")
    browser = Browser(tmp_path)
    try:
        seconds = []
        for _ in range(3):
            browser.open(site / "index.html")
            browser.wait("document.querySelector('.filters output').textContent")
            timing = browser.run("return JSON.stringify(performance.getEntriesByType('navigation')[0])")
            seconds.append(json.loads(timing)["domComplete"] / 1000)
        print(f"interactive after {sorted(seconds)[1]:.2f} s")
        assert sorted(seconds)[1] < 2
    finally:
        browser.driver.quit()


def test_summaries_are_those_of_the_records(store):
    first = store.summaries()[0]
    assert summary_of(store.record(first.key)) == summary_of(first)
