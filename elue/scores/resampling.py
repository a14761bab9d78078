"""Paired bootstrap: scores and mean FLOPs of many runs on the same resamples of a task's samples.

A resample of n samples is how often each of them was drawn, a row of counts that add up to n (Efron 1979). Of samples
that belong together whole clusters are drawn instead (Davison and Hinkley 1997, section 3.8). Every run
is scored on the same rows, so what is hard about a sample is hard for all, and differences keep only what differs.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from elue.errors import ElueError
from elue.record.schema import Record
from elue.tasks import metrics
from elue.tasks.drawing import RESAMPLES, counts_of

Array = NDArray[np.float64]

COUNTS_AT_ONCE = 500_000
"""Counts held at once while resampling."""
MOST_RESAMPLES = 1_000_000
"""More say nothing that these don't, and take hours."""


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
    metrics.get(first.metric)
    for column in columns:
        if (column.ids, column.metric) != (first.ids, first.metric):
            message = f"Runs {first.run} and {column.run} did not answer the same samples by one metric."
            raise ElueError("samples_differ", message, "Compare runs of one task, split, revision and limit.")
    stacked = (np.column_stack([getattr(column, name) for column in columns]) for name in ("value", "error", "flops"))
    return Answered(first.metric, *stacked)


def draws(samples: int, resamples: int, seed: int, clusters: Sequence[int] = ()) -> Iterator[Array]:
    """Resamples as rows of counts, in chunks; how large the chunks are does not change what is drawn.

    With `clusters`, the number of each sample's, whole clusters are drawn, as many as there are: so how many samples
    these are differs from row to row. Raises ElueError for a seed below 0, and for no
    resamples or too many.
    """
    if seed < 0:
        raise ElueError("bad_value", f"The seed of resamples is {seed}.", "Take 0 or more.")
    if not 1 <= resamples <= MOST_RESAMPLES:
        raise ElueError("bad_value", f"{resamples:,} resamples can't be drawn.", f"Take at most {MOST_RESAMPLES:,}.")
    generator = np.random.default_rng(seed)
    rows = max(1, COUNTS_AT_ONCE // samples)
    drawn = max(clusters) + 1 if clusters else samples
    for start in range(0, resamples, rows):
        size = min(rows, resamples - start)
        counts = counts_of(generator.integers(drawn, size=(size, drawn)))
        yield counts[:, clusters] if clusters else counts


def resample(runs: Answered, resamples: int = RESAMPLES, seed: int = 0, clusters: Sequence[int] = ()) -> Resampled:
    """Scores and FLOPs of all runs on the same `resamples` resamples; the same seed draws the same ones.

    `clusters` are those of samples that belong together. Raises ElueError `bad_clusters` where there are not as many.
    """
    if clusters and len(clusters) != len(runs.value):
        raise ElueError("bad_clusters", f"Clusters of {len(clusters)} samples are given for {len(runs.value)}.")
    labels = labels_for(runs)
    scores, flops = [], []
    for counts in draws(len(runs.value), resamples, seed, clusters):
        scores.append(metrics.counted(runs.metric, labels, runs.value, counts))
        flops.append(counts @ runs.flops / counts.sum(axis=1)[:, None])
    return Resampled(np.concatenate(scores), np.concatenate(flops))


def observed(runs: Answered) -> Resampled:
    """Scores and FLOPs on the samples as they are: the one resample that draws each sample once."""
    counts = np.ones((1, len(runs.value)))
    return Resampled(
        metrics.counted(runs.metric, labels_for(runs), runs.value, counts), counts @ runs.flops / len(runs.flops)
    )


def labels_for(runs: Answered) -> Array:
    """The labels, (n, 1), or what they are to each run, (n, p), where errors tell only right from wrong.

    Of two classes the other one is the label of a wrong answer; of more it is known only that it is another.
    """
    if metrics.get(runs.metric).right_or_wrong:
        return np.where(runs.error == 0, runs.value, 1 - runs.value)
    return labels_of(runs)[:, None]


def labels_of(runs: Answered) -> Array:
    """The labels where errors tell them: answer minus error, freed of the rounding that would tear ties apart.

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
