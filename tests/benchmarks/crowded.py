"""A crowded board: 45 methods on six tasks, three trainings of each, at ten operating points, and their edition."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np

from elue.methods.registry import installed
from elue.protocol import FAMILIES
from elue.record.schema import Record
from elue.scores.edition import Edition
from elue.tasks import metrics
from tests.editions import edition_of
from tests.leaderboard.samples import digest, document

METHODS, SEEDS, POINTS, LAYERS, SAMPLES = 45, 3, 10, 12, 400
TASKS = {
    "sst2_elue": ("SST-2, the split of ELUE 2022", "accuracy", 24, 88.0),
    "imdb": ("IMDb", "accuracy", 240, 92.0),
    "snli": ("SNLI", "accuracy", 26, 90.0),
    "scitail": ("SciTail", "accuracy", 38, 94.0),
    "mrpc": ("MRPC", "accuracy_f1", 53, 87.0),
    "stsb": ("STS-B", "pearson_spearman", 31, 86.0),
}
"""By name: title, metric, words of a text, and what the full model comes to."""
LAYER_FLOPS = 14_000_000
ADAPTIVE = ("early_exit", "cascade")
Step = tuple[str, tuple[int, ...], int]


def names() -> list[tuple[str, str, str]]:
    """Name, family and title of static and of as many installed others, of every family."""
    known = sorted(installed(), key=lambda method: digest(method.name))
    others = [m for m in known if m.name not in ("static", "rnn", "mt_dnn") and m.family in FAMILIES]
    chosen = [next(m for m in known if m.name == "static"), *others[: METHODS - 1]]
    return [(m.name, m.family, m.title) for m in chosen]


class World:
    """The samples of a task: how hard each is, how long, and what is right."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.title, self.metric, words, self.full = TASKS[task]
        self.kind = metrics.get(self.metric).kinds[0]
        draw = np.random.default_rng([1, *task.encode()])
        self.lengths = np.maximum(4, draw.lognormal(math.log(words), 0.5, SAMPLES)).astype(int)
        self.hard = draw.random(SAMPLES)
        self.labels = draw.integers(0, 2, SAMPLES).astype(float)
        if self.kind == "regression":
            self.labels = np.round(5 * draw.random(SAMPLES), 1)

    def answers(self, quality: float, draw: np.random.Generator) -> np.ndarray:
        """Answers of that quality from 0 to 1, where 1 is the full model's."""
        if self.kind == "regression":
            score = 0.2 + quality * (self.full / 100 - 0.2)
            noise = draw.normal(size=SAMPLES) * self.labels.std() * math.sqrt(1 / score**2 - 1)
            return np.clip(np.round(self.labels + noise, 3), -3, 8)
        share = 0.5 + quality * (self.full / 100 - 0.5)
        noisy = 0.75 * self.hard + 0.25 * draw.random(SAMPLES)
        return np.where(noisy <= np.quantile(noisy, share), self.labels, 1 - self.labels)

    def record(self, method: tuple[str, str, str], place: int, seed: int, point: int) -> Record:
        """A believable run: dearer points are better, and some methods better than others."""
        name, family, title = method
        draw = np.random.default_rng([*f"{self.task} {name} {seed} {point}".encode()])
        skill = np.random.default_rng([*name.encode()]).normal(0.15, 0.25) if place else 0.0
        luck = np.random.default_rng([*f"{self.task} {name} {seed}".encode()]).normal(0, 0.06)
        share = (point + 1) / POINTS
        depth = np.full(SAMPLES, max(1, round(LAYERS * share)))
        if family in ADAPTIVE:
            depth = np.clip(np.round(LAYERS * share * (0.5 + self.hard)), 1, LAYERS).astype(int)
        mean_depth = float(depth.mean()) / LAYERS
        quality = (1 - math.exp(-4 * mean_depth * math.exp(skill + luck))) / (1 - math.exp(-4))
        values = self.answers(min(1.02, quality), draw)
        wrong = values - self.labels if self.kind == "regression" else (values != self.labels).astype(float)
        score = metrics.score(self.metric, self.labels.tolist(), values.tolist())
        flops = (depth * self.lengths * LAYER_FLOPS * (1.0 if family == "static" else 1.03)).astype(int)
        mean = float(flops.mean())
        base = document(
            method={
                "name": name,
                "family": family,
                "title": title,
                "source_digest": digest(name),
                "paper": f"An author, 2024, https://papers.example/{name}",
            },
            weights={
                "digest": digest("weights", self.task, name, seed),
                "training": {"method": name, "options": {"epochs": 3, "learning_rate": 2e-5}, "seed": seed},
            },
            task={
                "name": self.task,
                "title": self.title,
                "kind": self.kind,
                "metric": self.metric,
                "size": SAMPLES,
                "revision": digest("crowded"),
            },
            point={"depth": point + 1} if family == "static" else {"threshold": (point + 1) / 10},
            seed=seed,
            measure="traced",
            score={"name": self.metric, "value": score, "low": max(0, score - 3), "high": min(100, score + 3)},
            flops={
                "mean": mean,
                "matmul_mean": 0.97 * mean,
                "max": float(flops.max()),
                **{f"p{part}": float(np.percentile(flops, part)) for part in (50, 95)},
            },
            params={"total": 109_000_000, "touched_mean": 24e6 + 85.2e6 * mean_depth},
            command=f"elue evaluate {name} --task {self.task} --seed {seed}",
        )
        parts = timed(mean_depth, mean)
        if family in ADAPTIVE and self.kind != "regression":
            shares = (np.bincount(depth, minlength=LAYERS + 1)[1:] / SAMPLES).tolist()
            parts["controls"] = controlled(shares, score, mean)
        samples = {
            "id": [f"{self.task}-{i}" for i in range(SAMPLES)],
            "value": values.tolist(),
            "error": wrong.tolist(),
            "flops": flops.tolist(),
            "matmul_flops": (0.97 * flops).astype(int).tolist(),
            "params_touched": (24_000_000 + 7_100_000 * depth).tolist(),
            "path": (depth - 1).tolist(),
            "paths": paths(family),
        }
        return Record.model_validate({**base, **parts, "audited": 24, "samples": samples})


def paths(family: str) -> list[list[Step]]:
    """What a sample runs that leaves after each layer."""
    whole = [[(f"layer.{k}", (768,), 1) for k in range(1, layers + 1)] for layers in range(1, LAYERS + 1)]
    if family != "early_exit":
        return whole
    return [[*steps, *((f"exit.{k}", (1,), 1) for k in range(1, len(steps) + 1))] for steps in whole]


def timed(depth: float, flops: float) -> dict[str, Any]:
    """What a part of the layers takes alone and in packs."""
    latency, pace = 0.05 + 1.1 * depth, 0.85 / depth
    places = {"median": latency, "p95": 1.7 * latency}
    around = {f"{name}_{end}": of * by for name, of in places.items() for end, by in (("low", 0.95), ("high", 1.06))}
    machine = {"machine": "a processor, 2 threads"}
    return {
        "latency": {"reference": "minilm-l6", "samples": 200, **machine, **places, **around},
        "batch": {
            "token_budget": 4096,
            "threads": 2,
            "reference": "static, full depth",
            **machine,
            "flops_mean": 1.02 * flops,
            "flops_speedup": 1 / depth,
            "realised": 0.85,
            "throughput_low": 0.9 * pace,
            "throughput": pace,
            "throughput_high": 1.1 * pace,
        },
    }


def controlled(shares: list[float], score: float, flops: float) -> dict[str, Any]:
    """The same ways out dealt out at random, and by who knows the answers."""
    return {
        "shares": shares,
        "random": {"score": score - 2.5, "flops_mean": flops},
        "oracle": {"score": min(100.0, score + 6), "flops_mean": 0.6 * flops},
        "gain": 2.5,
        "gain_low": 0.4,
        "gain_high": 4.6,
    }


def records() -> Iterator[Record]:
    """All of them, task by task."""
    for task in TASKS:
        world = World(task)
        for place, method in enumerate(names()):
            for seed in range(SEEDS):
                for point in range(POINTS):
                    yield world.record(method, place, seed, point)


def edition() -> Edition:
    """The edition whose yardsticks are the static trainings."""
    static = names()[0]
    return edition_of(
        [
            World(task).record(static, 0, seed, point)
            for task in TASKS
            for seed in range(SEEDS)
            for point in range(POINTS)
        ],
        methods=METHODS,
    )
