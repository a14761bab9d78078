"""What each sample adds to a score, so that the score on a part of the samples is a mean over them.

For a share of right answers that is exact. Any other metric is taken as linear about its value on all samples: each
sample stands with the value plus its empirical influence (Hampel 1974), found by leaving it out (the jackknife of Tukey
1958) where the metric tells no closed form. What the linear form leaves out is of the order of one by the samples.
"""

from __future__ import annotations

import numpy as np

from elue.scores.resampling import Answered, Array, labels_for
from elue.tasks import metrics

COUNTS_AT_ONCE = 4_000_000
"""Counts held at once while samples are left out."""


def contributions(runs: Answered) -> Array:
    """Points of quality of each sample of each run, (samples, runs); a run's mean is its score in percent."""
    row, labels, values = metrics.get(runs.metric), labels_for(runs), runs.value
    if row.right:
        right: Array = 100.0 * row.right(values, labels).astype(float)
        return right
    score = metrics.counted(runs.metric, labels, values, np.ones((1, len(values))))
    influence = 100 * row.influence(labels, values) if row.influence else _left_out(runs.metric, labels, values)
    centred: Array = influence - influence.mean(axis=0)
    return score + centred


def _left_out(metric: str, labels: Array, values: Array) -> Array:
    """Minus what the score gains by leaving a sample out, times the samples less one; up to a constant."""
    count = len(values)
    if count < 2:
        return np.zeros(values.shape)
    scale, rows = count / (count - 1), max(1, COUNTS_AT_ONCE // count)
    scores = []
    for start in range(0, count, rows):
        counts = np.full((min(rows, count - start), count), scale)
        counts[np.arange(len(counts)), start + np.arange(len(counts))] = 0
        scores.append(metrics.counted(metric, labels, values, counts))
    return -(count - 1) * np.concatenate(scores)
