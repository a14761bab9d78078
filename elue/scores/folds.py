"""Folds of a task's samples, and the means of runs on them: as they are, and as other samples would have given them.

Other samples: each fold of a draw holds as many as the real one, all new from the same population, so folds stay
independent as they really are. Means of that many samples are nearly normal, with the covariance of the samples at
hand, and are drawn as such (a parametric bootstrap: Efron and Tibshirani 1993, section 6.5) instead of sample by
sample: the same for a small part of the work. A bootstrap inside the real folds would not do: it takes what sets one
fold apart from another for the truth, and intervals come out too wide.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache, cached_property

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from elue.errors import ElueError
from elue.scores.resampling import Array

FOLDS = 5
Indices = NDArray[np.intp]
SMALL = 1e-10
"""Variance below which, in units of a column's own, it is taken for rounding."""


@dataclass(frozen=True, slots=True)
class Folds:
    """The fold and the cluster of each sample, (samples,) both; samples of one cluster share a fold."""

    fold: Indices
    cluster: Indices

    @property
    def sizes(self) -> Array:
        """How many samples each fold holds, (folds,)."""
        return np.bincount(self.fold, minlength=FOLDS).astype(float)

    @property
    def clusters(self) -> int:
        """How many samples, or clusters of them, there are: so many independent draws."""
        return int(self.cluster.max()) + 1


def folds_of(ids: Sequence[str], clusters: Sequence[int] = ()) -> Folds:
    """Deal samples out to folds by the digests of their ids, so that their order has no part in it.

    `clusters` are the numbers of the clusters that samples belong to, from 0 on, where some belong together; a cluster
    goes by its least id. Raises ElueError `bad_clusters` where there are not as many numbers as samples.
    """
    cluster = np.asarray(clusters or range(len(ids)), dtype=np.intp)
    if len(cluster) != len(ids):
        raise ElueError("bad_clusters", f"Clusters of {len(cluster)} samples are given for {len(ids)}.")
    names: dict[int, str] = {}
    for group, name in zip(cluster.tolist(), ids, strict=True):
        names[group] = min(name, names.get(group, name))
    dealt = sorted(names, key=lambda group: hashlib.sha256(names[group].encode()).digest())
    fold = np.empty(len(names), dtype=np.intp)
    fold[dealt] = np.arange(len(names)) % FOLDS
    return Folds(fold[cluster], cluster)


def fold_means(columns: Array, folds: Folds) -> Array:
    """The mean of each column (samples, columns) on each fold, (1, folds, columns); 0 on an empty one."""
    member = (folds.fold == np.arange(FOLDS)[:, None]).astype(float)
    means: Array = member @ columns / np.maximum(folds.sizes, 1)[:, None]
    return means[None]


@dataclass(frozen=True)
class Drawn:
    """Columns and what was drawn for them, in units of each column's `spread` over samples, (columns,).

    `residuals` (clusters, columns) have unit sums of squares; `noise` (draws, folds, columns) is what the mean over a
    fold of one sample would differ from the truth by.
    """

    spread: Array
    residuals: Array
    noise: Array

    def means(self, centre: Array, folds: Folds) -> Array:
        """Fold means as other samples would have given them, around `centre` (columns,): (draws, folds, columns)."""
        return centre + self.spread * self.noise / np.sqrt(np.maximum(folds.sizes, 1))[:, None]

    @cached_property
    def inverse(self) -> Array:
        """The pseudo-inverse of the columns' covariance, (columns, columns)."""
        return np.asarray(np.linalg.pinv(self.residuals.T @ self.residuals, rcond=SMALL, hermitian=True), np.float64)


def draw(columns: Array, folds: Folds, draws: int, seed: int, beside: Drawn | None = None) -> Drawn:
    """Noise of the columns' fold means, with the covariance of the samples; the same seed draws the same.

    `beside` are columns that have their noise already: the new ones are drawn given that, so both belong to the same
    draws of samples.
    """
    spread, residuals = _residuals(columns, folds)
    with _linear_algebra().limit(limits=1):
        own = residuals.T @ residuals
        given: Array | float = 0.0
        if beside is not None:
            across = beside.residuals.T @ residuals
            weights = beside.inverse @ across
            own -= across.T @ weights
            given = beside.noise @ weights
        values, vectors = np.linalg.eigh(own)
        root = vectors * np.sqrt(np.where(values > SMALL, values, 0.0))
        fresh = np.random.default_rng(seed).standard_normal((draws, FOLDS, len(root)))
        return Drawn(spread, residuals, given + fresh @ root.T)


@cache
def _linear_algebra() -> ThreadpoolController:
    """NumPy's linear algebra. On matrices this small a second thread is many times slower wherever cores are taken,
    and numbers would depend on how many there are."""
    return ThreadpoolController().select(user_api="blas")


def _residuals(columns: Array, folds: Folds) -> tuple[Array, Array]:
    """How far a sample of each column lies from the mean, and what each cluster has of that; its squares add up to 1.

    A column that does not vary has no spread and no residuals.
    """
    samples, clusters = len(columns), folds.clusters
    mean = columns.mean(axis=0)
    centred = columns - mean
    if clusters < samples:
        order = np.argsort(folds.cluster, kind="stable")
        starts = np.flatnonzero(np.diff(folds.cluster[order], prepend=-1))
        centred = np.add.reduceat(centred[order], starts, axis=0)
    centred *= np.sqrt(clusters / max(clusters - 1, 1) / samples)
    spread = np.sqrt((centred**2).sum(axis=0))
    varied = spread > SMALL * np.abs(mean)
    return np.where(varied, spread, 0.0), np.where(varied, centred / np.where(varied, spread, 1.0), 0.0)
