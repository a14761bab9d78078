"""Packed samples: exact, small at the promised scale, and bounded when they are unpacked."""

from __future__ import annotations

import base64
import json
import random
import subprocess
import sys
import time
import zlib
from pathlib import Path
from typing import Any

import pytest

from elue.errors import ElueError
from elue.record import columns as packing
from elue.record.files import dumps, loads
from elue.record.schema import Samples
from tests.record.test_files import make_record


def skimmed(size: int, seed: int = 0, layers: int = 6) -> dict[str, Any]:
    """Samples of a method that drops tokens layer by layer: hardly any two of them have the same trace."""
    draw = random.Random(seed)
    numbers: dict[Any, int] = {}
    path, flops = [], []
    for _ in range(size):
        kept = tokens = max(3, min(128, round(draw.lognormvariate(3.2, 0.5))))
        steps: list[Any] = [("embed", (tokens, tokens - draw.randrange(3), 1), 1)]
        cost = 0
        for layer in range(1, layers + 1):
            steps.append((f"attention.{layer}", (kept,), 1))
            cost += 4 * kept * 384 * 384 * 2 + 4 * kept * kept * 384
            kept = max(1, kept - draw.randrange(1 + kept // 4))
            steps.append((f"ffn.{layer}", (kept,), 1))
            cost += 16 * kept * 384 * 384
        steps += [("head", (kept,), 1), ("answer", (2,), 1)]
        path.append(numbers.setdefault(tuple(steps), len(numbers)))
        flops.append(cost)
    by_path = dict(zip(path, flops, strict=True))
    flops = [by_path[number] for number in path]
    return {
        "id": tuple(str(i) for i in range(size)),
        "value": tuple(float(draw.randrange(2)) for _ in range(size)),
        "error": tuple(float(draw.random() < 0.1) for _ in range(size)),
        "flops": tuple(flops),
        "matmul_flops": tuple(count * 9 // 10 for count in flops),
        "params_touched": tuple(10_600_000 + len(p) * 384 for p in (str(f) for f in flops)),
        "trace_of": tuple(path),
        "traces": tuple(numbers),
    }


def test_a_record_of_25_000_skimmed_samples_is_exact_and_takes_under_a_megabyte() -> None:
    samples = Samples(**skimmed(25_000))
    assert len(samples.traces) > 15_000
    record = make_record().model_copy(update={"samples": samples})
    text = dumps(record)
    assert len(text) < 20e6 / 20
    again = loads(text)
    assert again.samples == samples
    assert dumps(again) == text


def test_counts_that_a_trace_does_not_decide_are_kept_by_sample() -> None:
    samples = {**skimmed(50), "trace_of": (0,) * 50}
    samples["traces"] = samples["traces"][:1]
    unpacked = packing.unpack(packing.pack_samples(samples))
    assert Samples.model_validate(unpacked) == Samples.model_validate(samples)


@pytest.mark.parametrize(
    "changed",
    [
        {"trace_of": (), "traces": ()},
        {"id": tuple("abc"), "value": (0.1, -2.5, 3.0), "error": (1e-9, 0.0, -3.25)},
        {"traces": ((), (("cell", (1,), 7), ("stop", (), 1)), (("cell", (2, 3), 1),)), "trace_of": (0, 1, 2)},
    ],
)
def test_unusual_samples_come_back(changed: dict[str, Any]) -> None:
    samples = Samples(**{**skimmed(3), **changed})
    assert Samples.model_validate(packing.unpack(packing.pack_samples(dict(samples)))) == samples


def packed(content: bytes, encoding: str = packing.COLUMNS) -> dict[str, str]:
    return {"encoding": encoding, "data": base64.b64encode(zlib.compress(content, 9)).decode()}


def test_a_record_that_unfolds_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    bomb = packed(b"[" + b"0," * (packing.LARGEST // 2) + b"0]", packing.PLAIN)
    assert len(bomb["data"]) < 1_000_000
    document = json.loads(dumps(make_record()))
    document["samples"] = bomb
    with pytest.raises(ElueError, match="unfolds to more than"):
        loads(json.dumps(document))
    content = json.loads(packing._unfolded(base64.b64decode(packing.pack_samples(skimmed(3))["data"])))
    content["paths"] = {"templates": [[["a", 0, 1]] * 100_000], "kinds": [0] * 100_000, "columns": [[]]}
    document["samples"] = packed(json.dumps(content).encode())
    with pytest.raises(ElueError, match="more steps than"):
        loads(json.dumps(document))


INGEST = """
import sys
from pathlib import Path
from elue.record.store import Store
store = Store("sqlite:///" + sys.argv[2])
status = Path("/proc/self/status")
print(store.rebuild([Path(sys.argv[1])]), status.read_text().split("VmHWM:")[1].split()[0])
"""


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="reads its memory from /proc")
def test_twenty_points_of_25_000_samples_are_small_and_indexed_in_bounds(tmp_path: Path) -> None:
    base = make_record()
    written = 0
    for number in range(20):
        samples = Samples(**skimmed(25_000, number))
        key = f"{number:064x}"
        file = tmp_path / "runs" / "t" / "m" / f"{key}.json"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(dumps(base.model_copy(update={"samples": samples, "key": key})))
        written += file.stat().st_size
    start = time.monotonic()
    command = [sys.executable, "-c", INGEST, str(tmp_path / "runs"), str(tmp_path / "index.sqlite")]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    seconds = time.monotonic() - start
    count, kibibytes = map(int, done.stdout.split())
    memory = 1024 * kibibytes
    print(f"{written / 1e6:.1f} MB, {seconds:.1f} s, {memory / 1e6:.0f} MB of memory")
    assert count == 20
    assert written < 20e6
    assert seconds < 60
    assert memory < 200e6
