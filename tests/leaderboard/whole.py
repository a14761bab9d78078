"""Whole records, samples and all, as methods of five families would leave them on a generated and a real task."""

from __future__ import annotations

import math
import random
from typing import Any

from elue.leaderboard.manifests import of_methods
from elue.protocol import FAMILIES
from elue.record.files import dumps
from elue.record.files import summary as summary_of
from elue.record.schema import Record
from elue.submissions.manifest import Manifest
from tests.leaderboard.samples import METHODS, TASKS, curve

LAYERS = 6
SIZE = 40
WORDS = [
    "the",
    "room",
    "was",
    "dark",
    "and",
    "the",
    "service",
    "slow",
    "but",
    "in",
    "the",
    "end",
    "this",
    "hotel",
    "is",
    "quiet",
    "and",
    "the",
    "meal",
    "was",
    "good",
]


def summaries_of(records: list[Record]) -> list[Record]:
    """The summaries a store would give of these."""
    return [record.model_copy(update={"samples": None, "explained": ()}) for record in records]


def reader_of(records: list[Record]):
    """What gives a whole record as text by its key."""
    return {record.key: dumps(record) for record in records}.__getitem__


def whole(given: Record, place: int, size: int = SIZE, rich: bool = True) -> Record:
    """A record filled up to a whole one: samples that agree with its numbers and, if rich, every other part."""
    base = summary_of(given)
    family, task = given.method.family, given.task.name
    shared = random.Random(task)
    lengths = [shared.randint(8, 24) for _ in range(size)]
    hard = [shared.random() for _ in range(size)]
    own = random.Random(given.key)
    skill = 0.45 + 0.07 * place
    error = [float(h > skill + own.gauss(0, 0.12)) for h in hard]
    depth = [max(1, min(LAYERS, round(1 + place * 0.9 + 2 * (h - 0.5)))) for h in hard]
    if family in ("static", "skimming", "moe"):
        depth = [LAYERS if family != "static" else min(place, LAYERS)] * size
    paths, path, flops = [], [], []
    for length, layers in zip(lengths, depth, strict=True):
        steps = tuple(_steps(family, length, layers, place))
        if steps not in paths:
            paths.append(steps)
        path.append(paths.index(steps))
        flops.append(sum(math.prod(shape) * 1000 * times for _, shape, times in steps))
    units: dict[str, float] = {}
    for number in path:
        for unit, shape, times in paths[number]:
            units[unit] = units.get(unit, 0) + math.prod(shape) * 1000 * times / size
    value = 100 * (1 - sum(error) / size)
    half = 196 * math.sqrt(max(value / 100 * (1 - value / 100), 0.01) / size)
    ordered = sorted(flops)
    mean = sum(flops) / size
    document = {
        **base,
        "task": {**base["task"], "size": size},
        "measure": "traced",
        "audited": 24,
        "units": units if family != "cascade" else {},
        "score": {"name": "accuracy", "value": value, "low": max(0, value - half), "high": min(100, value + half)},
        "flops": {
            "mean": mean,
            "p50": float(ordered[size // 2]),
            "p95": float(ordered[int(size * 0.95)]),
            "max": float(ordered[-1]),
            "matmul_mean": 0.97 * mean,
        },
        "samples": {
            "id": [f"{task}-{i}" for i in range(size)],
            "value": [float(e != h > 0.5) for e, h in zip(error, hard, strict=True)],
            "error": error,
            "flops": flops,
            "matmul_flops": [int(0.97 * each) for each in flops],
            "params_touched": [int(base["params"]["touched_mean"])] * size,
            "path": path,
            "paths": paths,
        },
    }
    if rich:
        document |= _rich(family, place, mean, value)
        document["explained"] = [_explained(f"{task}-{i}", family, lengths[i], depth[i], place) for i in range(12)]
    return Record.model_validate(document)


def _steps(family: str, length: int, layers: int, place: int):
    yield "embed", (length, 8), 1
    for layer in range(1, layers + 1):
        kept = max(2, round(length * (1 - 0.12 * (layer - 1) * (7 - place) / 6))) if family == "skimming" else length
        yield f"attention.{layer}", (kept, 8), 1
        if family == "moe" and layer % 2 == 0:
            yield f"router.{layer}", (kept, 1), 1
            yield f"expert.{layer}.{length % 4 + 1}", (kept // 2, 8), 1
            yield f"expert.{layer}.{(length + 1) % 4 + 1}", (kept - kept // 2, 8), 1
            yield f"combine.{layer}", (kept, 8), 1
        else:
            yield f"ffn.{layer}", (kept, 16), 1
        if family == "early_exit":
            yield f"exit.{layer}", (1, 8), 1


def _rich(family: str, place: int, mean: float, value: float) -> dict[str, Any]:
    parts: dict[str, Any] = {
        "traffic": {"read_mean": mean / 3, "written_mean": mean / 9},
        "latency": {
            "reference": "minilm-l6",
            "samples": 200,
            "median": 0.2 + 0.12 * place,
            "median_low": 0.19 + 0.12 * place,
            "median_high": 0.22 + 0.12 * place,
            "p95": 0.4 + 0.15 * place,
            "p95_low": 0.37 + 0.15 * place,
            "p95_high": 0.45 + 0.15 * place,
            "machine": "AMD EPYC, 2 threads",
        },
        "batch": {
            "token_budget": 4096,
            "threads": 2,
            "reference": "static, full depth",
            "flops_mean": mean * 1.02,
            "flops_speedup": 4 / (0.5 + 0.5 * place),
            "throughput": 3.6 / (0.5 + 0.5 * place),
            "throughput_low": 3.4 / (0.5 + 0.5 * place),
            "throughput_high": 3.9 / (0.5 + 0.5 * place),
            "realised": 0.9,
            "machine": "AMD EPYC, 2 threads",
        },
        "declared": mean * 0.93,
    }
    if family in ("early_exit", "cascade"):
        shares = [0.3, 0.2, 0.2, 0.1, 0.1, 0.1] if family == "early_exit" else [0.7, 0.3]
        parts["controls"] = {
            "shares": shares,
            "random": {"score": value - 2.5, "flops_mean": mean},
            "oracle": {"score": min(100.0, value + 6), "flops_mean": mean * 0.6},
            "gain": 2.5,
            "gain_low": 0.4,
            "gain_high": 4.6,
        }
    if family == "cascade":
        parts["flags"] = [{"code": "cpu_time", "detail": "The worker used 1.9 times the CPU time its FLOPs explain."}]
    if family == "moe":
        parts["registered"] = {"mylib.grouped.default": 120}
    return parts


def _explained(name: str, family: str, length: int, layers: int, place: int) -> dict[str, Any]:
    tokens = ["[CLS]", *(WORDS * 2)[: length - 4], "un", "##friend", "##ly", "[SEP]"]
    everything = list(range(len(tokens)))
    explained: dict[str, Any] = {"id": name, "tokens": tokens, "kept": [], "exits": [], "experts": {}, "stage": None}
    if family == "skimming":
        explained["kept"] = [
            [t for t in everything if (t * 7 + layer) % (layer + 1) < 2 or t == 0] for layer in range(LAYERS)
        ]
    if family == "early_exit":
        explained["kept"] = [everything] * layers
        explained["exits"] = [[0.5 - 0.06 * k, 0.5 + 0.06 * k] for k in range(1, layers + 1)]
    if family == "moe":
        explained["experts"] = {str(layer): [(t * layer) % 4 for t in everything] for layer in (2, 4, 6)}
    if family == "cascade":
        explained["stage"] = int(place < 3)
        explained["exits"] = [[0.35, 0.65], [0.1, 0.9]][: explained["stage"] + 1]
    return explained


def whole_store(size: int = SIZE, rich: bool = True) -> list[Record]:
    """Records of all families on both tasks, each method with the sweep of `samples.METHODS`."""
    return [
        whole(base, i % 6 + 1, size, rich)
        for task in TASKS
        for method in METHODS
        for i, base in enumerate(curve(task, method))
    ]


REASON = "The threshold was tuned on test data."
SUBMISSION = Manifest.model_validate(
    {
        "schema": 1,
        "slug": "whole",
        "version": 1,
        "title": "Two methods",
        "authors": ("A. Author", "B. Author"),
        "licence": "Apache-2.0",
        "paper": "Liu et al., NAACL 2022, https://aclanthology.org/2022.naacl-main.240",
        "code": {"url": "https://code.example/elasticbert", "revision": "v1"},
        "training_data": "The train split of each task, nothing else.",
        "tuned_on": "validation",
        "division": "closed",
        "hardware": "a processor",
        "methods": (
            {"name": "elasticbert", "version": "1.2", "source": "plugin/exits.py:Exits"},
            {"name": "ltp", "version": "0.9", "source": "plugin/pruning.py:Pruning"},
        ),
        "weights": (
            {
                "method": "elasticbert",
                "task": "sst2_elue",
                "url": "https://weights.example/elasticbert.safetensors",
                "sha256": "ab" * 32,
                "size": 91_000_000,
            },
        ),
        "retracted": ({"method": "ltp", "point": {"scale": 3.0}, "reason": REASON, "when": "2026-03-01"},),
    }
)
MANIFESTS = of_methods(SUBMISSION)
assert {METHODS[name][0] for name in METHODS} == set(FAMILIES)
