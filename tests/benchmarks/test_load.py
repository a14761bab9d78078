"""Ingest at scale: a large sweep and a large index, in time and in memory."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.benchmark
ROOT = Path(__file__).parents[2]

SWEEP = """
import json, random, resource, sys, time
from pathlib import Path
from elue.record import files as records
from elue.record.schema import Samples
from elue.record.store import Store
from tests.record.test_files import make_record

folder, samples, points = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
draw = random.Random(0)
ids = tuple(str(number) for number in range(samples))
store, spent, busy = Store(f"sqlite:///{folder / 'index.sqlite'}"), 0.0, 0.0
for point in range(points):
    flops = tuple(draw.randrange(10**8, 4 * 10**9) for _ in range(samples))
    columns = {"value": tuple(float(draw.randrange(2)) for _ in ids), "error": tuple(draw.randrange(2) for _ in ids)}
    columns |= {"flops": flops, "matmul_flops": tuple(f - 7 for f in flops), "params_touched": (10**8,) * samples}
    record = make_record(key=f"{point:064x}", samples={"id": ids, **columns})
    start, cpu = time.monotonic(), time.process_time()
    records.write(record, folder / "runs")
    store.add(record)
    spent, busy = spent + time.monotonic() - start, busy + time.process_time() - cpu
start = time.monotonic()
count = Store(f"sqlite:///{folder / 'again.sqlite'}").rebuild([folder / "runs"])
rebuilt = time.monotonic() - start
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
size = sum(path.stat().st_size for path in (folder / "runs").rglob("*.json"))
print(json.dumps({"seconds": spent, "busy": busy, "rebuild": rebuilt, "records": count, "peak": peak, "bytes": size}))
"""

MANY = """
import json, resource, sys, time
from pathlib import Path
from elue.record import files as records
from elue.record.store import Store
from tests.record.test_files import make_record

folder, count = Path(sys.argv[1]), int(sys.argv[2])
text = records.dumps(make_record(key="KEY"))
for number in range(count):
    place = folder / "runs" / "mine" / f"toy{number % 50}"
    place.mkdir(parents=True, exist_ok=True)
    key = f"{number:064x}"
    (place / f"{key}.json").write_text(text.replace("KEY", key).replace('"name": "toy"', f'"name": "toy{number % 50}"'))
start = time.monotonic()
made = Store(f"sqlite:///{folder / 'index.sqlite'}").rebuild([folder / "runs"])
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(json.dumps({"seconds": time.monotonic() - start, "records": made, "peak": peak}))
"""


def run(code: str, *words: object) -> dict[str, Any]:
    command = [sys.executable, "-c", code, *map(str, words)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def test_25_000_samples_at_20_points_are_ingested_in_a_minute_and_200_mb(tmp_path: Path) -> None:
    found = run(SWEEP, tmp_path, 25_000, 20)
    print(f"written and indexed in {found['seconds']:.1f} s ({found['busy']:.1f} s of processor time),", end=" ")
    print(f"rebuilt in {found['rebuild']:.1f} s, {found['peak'] / 1024:.0f} MB at most,", end=" ")
    print(f"{found['bytes'] / 2**20:.0f} MiB of records")
    assert found["records"] == 20
    assert found["seconds"] < 60
    assert found["rebuild"] < 60
    assert found["peak"] < 200 * 1024


def test_10_000_records_are_indexed_in_a_minute(tmp_path: Path) -> None:
    found = run(MANY, tmp_path, 10_000)
    print(f"indexed in {found['seconds']:.1f} s, {found['peak'] / 1024:.0f} MB at most")
    assert found["records"] == 10_000
    assert found["seconds"] < 60
