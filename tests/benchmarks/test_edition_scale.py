"""An edition of 45 methods, six tasks, three trainings and ten points is scored in a minute and 2 GB."""

from __future__ import annotations

import resource
import time

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from elue.scores.contributions import contributions
from elue.scores.folds import folds_of
from elue.scores.leads import Sampled, lead_of, scale_of
from elue.scores.resampling import Answered

TASKS = {
    "sst2_elue": ("accuracy", 2210),
    "imdb": ("accuracy", 25_000),
    "snli": ("accuracy", 9824),
    "scitail": ("accuracy", 2126),
    "mrpc": ("accuracy_f1", 1725),
    "stsb": ("pearson_spearman", 1379),
}
METHODS, TRAININGS, POINTS, LAYERS = 45, 3, 10, 12


def training(metric: str, labels: np.ndarray, points: int, generator: np.random.Generator) -> Answered:
    """Points of rising cost and quality."""
    quality = np.linspace(0.7, 0.9, points)
    shape = (len(labels), points)
    if metric == "pearson_spearman":
        values = labels[:, None] + generator.normal(size=shape) / quality**4
        error = values - labels[:, None]
    else:
        error = (generator.random(shape) > quality).astype(float)
        values = np.where(error == 0, labels[:, None], 1 - labels[:, None])
    flops = 1e8 * np.linspace(1, 6, points) * generator.uniform(0.5, 1.5, (len(labels), 1))
    return Answered(metric, values, error, flops)


@pytest.mark.benchmark
def test_an_edition_is_scored_in_a_minute() -> None:
    with threadpool_limits(1):
        taken = edition_seconds()
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(f"{taken:.1f} s of one core, {memory:.2f} GB")
    assert taken < 60
    assert memory < 2


def edition_seconds() -> float:
    """Processor seconds of scoring; making the answers is left out."""
    generator = np.random.default_rng(0)
    taken = 0.0
    for task, (metric, samples) in TASKS.items():
        labels = generator.integers(0, 2, samples).astype(float)
        if metric == "pearson_spearman":
            labels = np.round(5 * generator.random(samples), 1)

        def sampled(points: int, metric: str = metric, labels: np.ndarray = labels) -> Sampled:
            nonlocal taken
            answered = training(metric, labels, points, generator)
            start = time.process_time()
            made = Sampled(answered.flops, contributions(answered))
            taken += time.process_time() - start
            return made

        static = [sampled(LAYERS) for _ in range(TRAININGS)]
        start = time.process_time()
        folds = folds_of([str(number) for number in range(samples)])
        scale = scale_of(static, folds, 1e8, 6e8, draws=1000, seed=0)
        taken += time.process_time() - start
        for _ in range(METHODS):
            own = [sampled(POINTS) for _ in range(TRAININGS)]
            start = time.process_time()
            lead_of(own, scale)
            taken += time.process_time() - start
        print(f"{task}: {taken:.1f} s so far")
    return taken
