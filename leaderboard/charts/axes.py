"""What a chart can have on its axes: costs along, quality up, each read from a record."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from elue.leaderboard.text import with_unit
from elue.record.schema import Record

Reading = tuple[float, float, float]
"""A value, and where its whisker starts and ends."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One quantity of a run: `read` gives its reading, or None where the run has none. `whisker` says what that is.

    `ticks` is how numbers stand along it, in the words of d3-format: with the letters K, M, G, or of a ratio as it is.
    """

    id: str
    title: str
    short: str
    unit: str
    whisker: str
    read: Callable[[Record], Reading | None]
    ticks: str = "~s"

    def written(self, value: float) -> str:
        """A value as a table shows it, without what the heading says."""
        return with_unit(value, self.unit) if self.ticks == "~s" else f"{value:.2f}"


def _flops(record: Record) -> Reading | None:
    flops = record.flops
    return (flops.mean, flops.p50, flops.p95) if flops else None


def _params(record: Record) -> Reading | None:
    return _exact(record.params.touched_mean) if record.params else None


def _bytes(record: Record) -> Reading | None:
    traffic = record.traffic
    return _exact(traffic.read_mean + traffic.written_mean) if traffic else None


def _latency(record: Record) -> Reading | None:
    latency = record.latency
    return (latency.median, latency.median_low, latency.median_high) if latency else None


def _batch(record: Record) -> Reading | None:
    return _exact(record.batch.flops_mean) if record.batch else None


def _score(record: Record) -> Reading | None:
    score = record.score
    return (score.value, score.low, score.high) if score else None


def _gain(record: Record) -> Reading | None:
    controls = record.controls
    return (controls.gain, controls.gain_low, controls.gain_high) if controls else None


def _realised(record: Record) -> Reading | None:
    batch = record.batch
    if not batch or not batch.flops_speedup:
        return None
    low, high = (throughput / batch.flops_speedup for throughput in (batch.throughput_low, batch.throughput_high))
    return batch.realised, low, high


def _exact(value: float) -> Reading:
    return value, value, value


COSTS = (
    Axis("flops", "Mean FLOPs per sample", "FLOPs", "FLOPs", "median to 95th percentile of the samples", _flops),
    Axis("params", "Mean parameters touched per sample", "Parameters touched", "", "", _params),
    Axis("bytes", "Mean bytes read and written per sample", "Bytes", "B", "", _bytes),
    Axis(
        "latency",
        "Median latency over that of the reference encoder",
        "Latency ratio",
        "×",
        "95 % interval",
        _latency,
        ".3~r",
    ),
    Axis("batch", "Mean FLOPs per sample in packs", "FLOPs in packs", "FLOPs", "", _batch),
)
"""What may stand along a chart, on a log scale; the first is the one that ranks."""

QUALITIES = (
    Axis("score", "Score, %", "Score", "%", "95 % interval", _score, ".4~r"),
    Axis(
        "gain",
        "Adaptivity gain over random ways out, points",
        "Adaptivity gain",
        "points",
        "95 % interval",
        _gain,
        ".3~r",
    ),
    Axis(
        "realised", "Realised over theoretical speed-up", "Speed-up realised", "×", "95 % interval", _realised, ".3~r"
    ),
)
"""What may stand up a chart; the first is the one that ranks."""


def present(axes: Iterable[Axis], records: Iterable[Record]) -> list[Axis]:
    """The axes on which at least one of the records has a reading."""
    known = list(records)
    return [axis for axis in axes if any(axis.read(record) for record in known)]
