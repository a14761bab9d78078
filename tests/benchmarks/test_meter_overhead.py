"""What a Meter costs: the same forward with and without one, in turn, on one thread."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from elue.meter import Meter
from elue.modeling.encoder import Encoder, EncoderConfig

pytestmark = [pytest.mark.benchmark, pytest.mark.usefixtures("one_thread")]
ROUNDS = 200


def encoder(hidden: int, layers: int, heads: int) -> Encoder:
    config = EncoderConfig(30522, hidden, layers, heads, 4 * hidden, positions=512, types=2, embedding=hidden)
    return Encoder(config).eval()


Watchers = dict[str, Callable[[], AbstractContextManager]]


def ratios(
    forward: Callable[[], object], watchers: dict[str, Callable[[], AbstractContextManager]]
) -> dict[str, float]:
    """Median over rounds of each watcher's time relative to the bare forward of the same round."""
    taken: dict[str, list[float]] = {name: [] for name in watchers}
    for _ in range(ROUNDS):
        bare = timed(forward, nullcontext)
        for name, watcher in watchers.items():
            taken[name].append(timed(forward, watcher) / bare)
    return {name: statistics.median(values) for name, values in taken.items()}


def timed(forward: Callable[[], object], watcher: Callable[[], AbstractContextManager]) -> float:
    start = time.perf_counter()
    with torch.inference_mode(), watcher() as seen:
        forward()
    if isinstance(seen, Meter):
        _ = seen.flops, seen.matmul_flops, seen.params_touched, seen.complete
    return time.perf_counter() - start


@pytest.mark.parametrize(
    ("shape", "limits", "torchs"), [((384, 6, 12), (1.07, 1.10), 1.86), ((128, 2, 2), (1.5, 2.5), 5.1)]
)
def test_overhead_on_one_sample_of_32_tokens(
    shape: tuple[int, int, int], limits: tuple[float, float], torchs: float
) -> None:
    """Where Python is slow beside products, told in what torch's own counter adds, which is `torchs` elsewhere."""
    model, ids = encoder(*shape), torch.randint(0, 30000, (1, 32))
    found = ratios(
        lambda: model(ids),
        {
            "Meter": Meter,
            "Meter without parameters": lambda: Meter(track=False),
            "Meter with everything": lambda: Meter(traffic=True, attribute=True, modules=[model]),
            "FlopCounterMode": lambda: FlopCounterMode(display=False),
        },
    )
    print(shape, {name: f"{ratio:.3f}" for name, ratio in found.items()})
    slower = max(1.0, (found["FlopCounterMode"] - 1) / (torchs - 1))
    assert found["Meter without parameters"] - 1 <= (limits[0] - 1) * slower
    assert found["Meter with everything"] - 1 <= (limits[1] - 1) * slower


def test_overhead_on_six_thousand_tiny_operators() -> None:
    """Told in what torch's own counter takes, which is 9.5 times the bare operators, and in these."""
    x = torch.rand(8)

    def run() -> None:
        y = x
        for _ in range(100):
            y = y + x

    names = ("bare", "Meter without parameters", "Meter", "FlopCounterMode")
    watchers = (nullcontext, lambda: Meter(track=False), Meter, lambda: FlopCounterMode(display=False))
    least = dict.fromkeys(names, float("inf"))
    for _ in range(60):
        for name, watcher in zip(names, watchers, strict=True):
            with watcher():
                start = time.perf_counter()
                run()
                least[name] = min(least[name], time.perf_counter() - start)
    found = {name: least[name] / least["bare"] for name in names[1:]}
    print({name: f"{ratio:.2f}" for name, ratio in found.items()})
    assert found["Meter"] <= 3 / 9.5 * found["FlopCounterMode"]
