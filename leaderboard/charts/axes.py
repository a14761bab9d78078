"""What a chart can have on its axes: costs along, quality up, each read from a summary."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Reading = tuple[float, float, float]
"""A value, and where its whisker starts and ends."""


@dataclass(frozen=True, slots=True)
class Axis:
    """One quantity of a run: `read` gives its reading, or None where the run has none. `whisker` says what that is."""

    id: str
    title: str
    short: str
    unit: str
    whisker: str
    read: Callable[[Mapping[str, Any]], Reading | None]


def _flops(summary: Mapping[str, Any]) -> Reading | None:
    flops = summary["flops"]
    return (flops["mean"], flops["p50"], flops["p95"]) if flops else None


def _params(summary: Mapping[str, Any]) -> Reading | None:
    params = summary["params"]
    return _exact(params["touched_mean"]) if params else None


def _bytes(summary: Mapping[str, Any]) -> Reading | None:
    traffic = summary.get("traffic")
    return _exact(traffic["read_mean"] + traffic["written_mean"]) if traffic else None


def _latency(summary: Mapping[str, Any]) -> Reading | None:
    found = summary.get("latency")
    return (found["median"], found["median_low"], found["median_high"]) if found else None


def _batch(summary: Mapping[str, Any]) -> Reading | None:
    found = summary.get("batch")
    return _exact(found["flops_mean"]) if found else None


def _score(summary: Mapping[str, Any]) -> Reading | None:
    found = summary["score"]
    return (found["value"], found["low"], found["high"]) if found else None


def _gain(summary: Mapping[str, Any]) -> Reading | None:
    found = summary.get("controls")
    return (found["gain"], found["gain_low"], found["gain_high"]) if found else None


def _realised(summary: Mapping[str, Any]) -> Reading | None:
    found = summary.get("batch")
    if not found or not found["flops_speedup"]:
        return None
    return found["realised"], *(found[name] / found["flops_speedup"] for name in ("throughput_low", "throughput_high"))


def _exact(value: float) -> Reading:
    return value, value, value


COSTS = (
    Axis("flops", "Mean FLOPs per sample", "FLOPs", "FLOPs", "median to 95th percentile of the samples", _flops),
    Axis("params", "Mean parameters touched per sample", "Parameters touched", "", "", _params),
    Axis("bytes", "Mean bytes read and written per sample", "Bytes", "B", "", _bytes),
    Axis(
        "latency", "Median latency over that of the reference encoder", "Latency ratio", "×", "95 % interval", _latency
    ),
    Axis("batch", "Mean FLOPs per sample in batches", "Batch FLOPs", "FLOPs", "", _batch),
)
"""What may stand along a chart, on a log scale; the first is the one that ranks."""

QUALITIES = (
    Axis("score", "Score, %", "Score", "%", "95 % interval", _score),
    Axis("gain", "Adaptivity gain over random ways out, points", "Adaptivity gain", "points", "95 % interval", _gain),
    Axis("realised", "Realised over theoretical speed-up", "Speed-up realised", "×", "95 % interval", _realised),
)
"""What may stand up a chart; the first is the one that ranks."""


def present(axes: Iterable[Axis], summaries: Iterable[Mapping[str, Any]]) -> list[Axis]:
    """The axes on which at least one of the summaries has a reading."""
    known = list(summaries)
    return [axis for axis in axes if any(axis.read(summary) for summary in known)]
