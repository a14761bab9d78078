"""What a Meter takes of memory: peak resident size of a process that runs MiniLM-L6, with and without one open."""

from __future__ import annotations

import statistics
import subprocess
import sys

import pytest

pytestmark = pytest.mark.benchmark
ROUNDS = 3
SCRIPT = """
import sys
import torch
from pathlib import Path
from contextlib import nullcontext
from elue.modeling.encoder import Encoder, EncoderConfig

torch.set_num_threads(1)
encoder = Encoder(EncoderConfig(30522, 384, 6, 12, 1536, positions=512, types=2, embedding=384)).eval()
ids = torch.arange(32)[None] + 1000
watcher = nullcontext
if sys.argv[1] != "bare":
    from elue.meter import Meter
    if sys.argv[1] == "metered":
        watcher = lambda: Meter(traffic=True, modules=[encoder])
for _ in range(30):
    with torch.inference_mode(), watcher() as meter:
        encoder(ids)
    if meter is not None:
        meter.flops, meter.params_touched, meter.bytes_read
lines = Path("/proc/self/status").read_text().splitlines()
print(next(int(line.split()[1]) for line in lines if line.startswith("VmHWM")))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads the peak from /proc")
def test_an_open_meter_takes_less_than_a_hundredth_more_memory() -> None:
    def peak(mode: str) -> int:
        done = subprocess.run([sys.executable, "-c", SCRIPT, mode], capture_output=True, text=True, check=True)
        return int(done.stdout)

    peaks = {mode: statistics.median(peak(mode) for _ in range(ROUNDS)) for mode in ("bare", "imported", "metered")}
    opened, imported = peaks["metered"] / peaks["imported"] - 1, peaks["imported"] - peaks["bare"]
    print(
        f"peak memory {peaks['metered'] / 1024:.0f} MiB: {opened:+.2%} for open Meters, {imported} KiB to import them"
    )
    assert opened < 0.01
