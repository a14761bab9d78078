"""Paired bootstrap: scores and mean FLOPs of many runs on the same resamples of a task's samples.

A resample of n samples is how often each of them was drawn, a row of counts that add up to n (Efron 1979). Every run
is scored on the same rows, so what is hard about a sample is hard for all, and differences keep only what differs.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elue.errors import ElueError, unknown
from elue.record.schema import Record
from elue.tasks.metrics import METRICS

Array = NDArray[np.float64]

CHUNK = 500_000
"""Counts held at once while resampling."""


@dataclass(frozen=True, slots=True)
class Column:
    """What the bootstrap needs of one run; `ids` is a digest of which samples it answered, in which order."""

    run: str
    metric: str
    ids: str
    value: Array
    error: Array
    flops: Array


@dataclass(frozen=True, slots=True)
class Answered:
    """Runs side by side, a column a run (n samples, p runs): answers, errors, FLOPs."""

    metric: str
    value: Array
    error: Array
    flops: Array


@dataclass(frozen=True, slots=True)
class Resampled:
    """Scores in percent and mean FLOPs a sample, a row a resample, a column a run."""

    scores: Array
    flops: Array


def column_of(record: Record) -> Column:
    """The samples of a run as arrays, a tenth of what they take in a record. Raises ElueError `no_samples`."""
    samples = record.samples
    if samples is None or not samples.id:
        hint = "Read the whole record, not its summary."
        raise ElueError("no_samples", f"Run {record.key[:12]} of '{record.method.name}' has no samples.", hint)
    ids = hashlib.sha256("\0".join(samples.id).encode()).hexdigest()
    value, error, flops = (np.array(numbers, dtype=float) for numbers in (samples.value, samples.error, samples.flops))
    return Column(f"{record.key[:12]} of '{record.method.name}'", record.task.metric, ids, value, error, flops)


def side_by_side(columns: Sequence[Column]) -> Answered:
    """Runs that answered the same samples.

    Raises ElueError `no_runs`, `samples_differ` when two did not answer the same ones in one order, `unknown_metric`.
    """
    if not columns:
        raise ElueError("no_runs", "There are no runs to resample.")
    first = columns[0]
    if first.metric not in METRICS:
        raise unknown("metric", first.metric, METRICS)
    for column in columns:
        if (column.ids, column.metric) != (first.ids, first.metric):
            message = f"Runs {first.run} and {column.run} did not answer the same samples by one metric."
            raise ElueError("samples_differ", message, "Compare runs of one task, split, revision and limit.")
    stacked = (np.column_stack([getattr(column, name) for column in columns]) for name in ("value", "error", "flops"))
    return Answered(first.metric, *stacked)


def draws(samples: int, resamples: int, seed: int) -> Iterator[Array]:
    """Resamples as rows of counts, in chunks; how large the chunks are does not change what is drawn."""
    generator = np.random.default_rng(seed)
    rows = max(1, CHUNK // samples)
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        drawn = generator.integers(samples, size=(size, samples))
        drawn += np.arange(size)[:, None] * samples
        yield np.bincount(drawn.ravel(), minlength=size * samples).reshape(size, samples).astype(float)


def resample(runs: Answered, resamples: int = 1000, seed: int = 0) -> Resampled:
    """Scores and FLOPs of all runs on the same `resamples` resamples; the same seed draws the same ones."""
    scores, flops = [], []
    for counts in draws(len(runs.value), resamples, seed):
        scores.append(_scores(runs, counts))
        flops.append(counts @ runs.flops / len(runs.flops))
    return Resampled(np.concatenate(scores), np.concatenate(flops))


def observed(runs: Answered) -> Resampled:
    """Scores and FLOPs on the samples as they are: the one resample that draws each sample once."""
    counts = np.ones((1, len(runs.value)))
    return Resampled(_scores(runs, counts), counts @ runs.flops / len(runs.flops))


def _scores(runs: Answered, counts: Array) -> Array:
    """Scores in percent, a row a row of counts."""
    return 100 * SCORES[runs.metric](runs, counts)


def _accuracy(runs: Answered, counts: Array) -> Array:
    right: Array = counts @ (runs.error == 0).astype(float)
    return right / len(runs.value)


def _accuracy_f1(runs: Answered, counts: Array) -> Array:
    """Of two classes, so a wrong answer tells the label: it is the other one."""
    answer = runs.value == 1
    label = np.where(runs.error == 0, answer, ~answer)
    hit: Array = counts @ (answer & label).astype(float)
    found: Array = counts @ answer.astype(float) + counts @ label.astype(float)
    f1 = np.divide(2 * hit, found, out=np.zeros_like(found), where=found > 0)
    return (_accuracy(runs, counts) + f1) / 2


def _pearson_spearman(runs: Answered, counts: Array) -> Array:
    labels = labels_of(runs)
    pearson = _pearson(labels, runs.value, counts)
    spearman = _spearman(labels, runs.value, counts)
    return (pearson + spearman) / 2


SCORES = {"accuracy": _accuracy, "accuracy_f1": _accuracy_f1, "pearson_spearman": _pearson_spearman}
"""Each metric of `elue.tasks.metrics` on rows of counts, as a fraction."""


def labels_of(runs: Answered) -> Array:
    """The labels of a regression: answer minus error, freed of the rounding that would tear ties apart.

    They come from the run with the smallest numbers, which rounds least. Raises ElueError `samples_differ` when
    another run was scored against other labels.
    """
    sizes = np.maximum(np.abs(runs.value), np.abs(runs.error)).max(axis=0)
    best = int(np.argmin(sizes))
    digits = 13 - math.ceil(math.log10(sizes[best])) if sizes[best] > 0 else 13
    labels: Array = np.round(runs.value[:, best] - runs.error[:, best], digits)
    if not np.allclose(runs.value - runs.error, labels[:, None], rtol=0, atol=1e-9 * max(1.0, float(sizes.max()))):
        raise ElueError("samples_differ", "The runs were scored against different labels.")
    return labels


def _pearson(labels: Array, values: Array, counts: Array) -> Array:
    """Pearson's correlation on each row of counts, 0 where either side is constant."""
    count = len(labels)
    left, right = _standard(labels[:, None]), _standard(values)
    left_mean, right_mean = counts @ left / count, counts @ right / count
    left_spread = counts @ left**2 / count - left_mean**2
    right_spread = counts @ right**2 / count - right_mean**2
    product = counts @ (left * right) / count - left_mean * right_mean
    varied = (left_spread > 1e-12) & (right_spread > 1e-12)
    return np.where(varied, product / np.sqrt(np.where(varied, left_spread * right_spread, 1)), 0.0)


def _standard(values: Array) -> Array:
    """Columns with mean 0 and variance 1; a constant one is all 0."""
    centred: Array = values - values.mean(axis=0)
    spread = centred.std(axis=0)
    return np.where(np.ptp(values, axis=0) > 0, centred / np.where(spread > 0, spread, 1), 0.0)


def _spearman(labels: Array, values: Array, counts: Array) -> Array:
    """Spearman's correlation on each row of counts: average ranks by counting, since only counts change."""
    count = len(labels)
    by_sample = np.ascontiguousarray(counts.T)
    order, starts = _ties(labels)
    sizes, ranks = _ranks(by_sample, order, starts)
    mean = (count + 1) / 2
    label_spread = (sizes * ranks**2).sum(axis=0) - count * mean**2
    weighted = np.empty_like(by_sample)
    weighted[order] = np.repeat(ranks, np.diff(np.append(starts, count)), axis=0)
    weighted *= by_sample
    found = np.zeros((len(counts), values.shape[1]))
    for column in range(values.shape[1]):
        order, starts = _ties(values[:, column])
        sizes, ranks = _ranks(by_sample, order, starts)
        spread = (sizes * ranks**2).sum(axis=0) - count * mean**2
        product = (ranks * _grouped(weighted, order, starts)).sum(axis=0) - count * mean**2
        np.divide(
            product, np.sqrt(spread * label_spread), out=found[:, column], where=(spread > 0) & (label_spread > 0)
        )
    return found


def _ties(values: Array) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """The order of the values, and where in it each distinct value begins."""
    order = np.argsort(values, kind="stable")
    return order, np.flatnonzero(np.r_[True, np.diff(values[order]) > 0])


def _grouped(by_sample: Array, order: NDArray[np.intp], starts: NDArray[np.intp]) -> Array:
    """Sums over samples of equal value, a row a value, a column a resample."""
    ordered = by_sample[order]
    return ordered if len(starts) == len(order) else np.add.reduceat(ordered, starts, axis=0)


def _ranks(by_sample: Array, order: NDArray[np.intp], starts: NDArray[np.intp]) -> tuple[Array, Array]:
    """How often each distinct value was drawn, and the average rank of those draws."""
    sizes = _grouped(by_sample, order, starts)
    return sizes, np.cumsum(sizes, axis=0) - (sizes - 1) / 2


def fronts(costs: Array, scores: Array) -> NDArray[np.bool_]:
    """Which points are on the front of `elue.scores.pareto.front`, for each row of points."""
    order = np.lexsort((-scores, costs), axis=-1)
    cost, score = np.take_along_axis(costs, order, -1), np.take_along_axis(scores, order, -1)
    best = np.maximum.accumulate(score, axis=-1)
    before = np.concatenate([np.full((len(score), 1), -np.inf), best[:, :-1]], axis=-1)
    new = np.ones(score.shape, dtype=bool)
    new[:, 1:] = (cost[:, 1:] != cost[:, :-1]) | (score[:, 1:] != score[:, :-1])
    first = np.maximum.accumulate(np.where(new, np.arange(score.shape[1]), 0), axis=-1)
    chosen = np.zeros(score.shape, dtype=bool)
    np.put_along_axis(chosen, order, np.take_along_axis(score > before, first, -1), -1)
    return chosen
