"""Metrics: one row of `METRICS` each, which all that depends on a metric reads. Scores are in percent.

A higher score is a better one, always: fronts, hulls and leads need no more than that. To add a metric, add its row;
`value` alone will do, the other forms are there to be fast.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from elue.errors import ElueError, unknown
from elue.tasks import agreement, correlation, distance, own_metrics
from elue.tasks.closed import fisher, wilson
from elue.tasks.drawing import RESAMPLES, counts_of, drawn
from elue.tasks.kinds import KINDS
from elue.tasks.metric import Metric as Metric

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Score:
    """A metric's value with its confidence interval, in percent."""

    name: str
    value: float
    low: float
    high: float


def _uniform(classes: int) -> float:
    return 100 / classes if classes else 0.0


def _nothing(classes: int) -> float:
    return 0.0


_ERROR = (
    "e the mean {0} and c that of the best constant answer, the {1} of the labels. The lower the error, the higher the "
    "score: 100 is no error, 0 no better than the constant, and -100 stands for all that is worse still."
)
_ROWS = (
    Metric(
        name="accuracy",
        title="Accuracy",
        note="The share of right answers.",
        kinds=("classification",),
        value=agreement.accuracy,
        chance=_uniform,
        counted=agreement.accuracy_counted,
        resampled=agreement.accuracy_resampled,
        right=KINDS["classification"].right,
        right_or_wrong=True,
        published="wilson",
    ),
    Metric(
        name="accuracy_f1",
        title="(Accuracy + F1) / 2",
        note="The mean of the share of right answers and of F1 of the second class.",
        kinds=("classification",),
        value=agreement.accuracy_f1,
        chance=_uniform,
        counted=agreement.accuracy_f1_counted,
        resampled=agreement.accuracy_f1_resampled,
        classes=2,
        right_or_wrong=True,
        published="wilson",
    ),
    Metric(
        name="pearson_spearman",
        title="(Pearson + Spearman) / 2",
        note="The mean of two correlations with the labels, of values and of ranks: 100 is perfect, 0 none.",
        kinds=("regression",),
        value=correlation.pearson_spearman,
        chance=_nothing,
        counted=correlation.pearson_spearman_counted,
        resampled=correlation.pearson_spearman_resampled,
        influence=correlation.pearson_spearman_influence,
        published="fisher",
    ),
    Metric(
        name="macro_f1",
        title="Macro F1",
        note="The mean of F1 over the classes, each counting as much as another.",
        kinds=("classification",),
        value=agreement.macro_f1,
        chance=_uniform,
        counted=agreement.macro_f1_counted,
        resampled=agreement.macro_f1_resampled,
        published="wilson",
    ),
    Metric(
        name="matthews",
        title="Matthews correlation",
        note="The correlation of answered and true classes: 100 is perfect, 0 none.",
        kinds=("classification",),
        value=agreement.matthews,
        chance=_nothing,
        counted=agreement.matthews_counted,
        resampled=agreement.matthews_resampled,
        published="fisher",
    ),
    Metric(
        name="exact_match",
        title="Exact match",
        note="The share of answers that are the label itself.",
        kinds=("classification", "regression"),
        value=agreement.exact_match,
        chance=_uniform,
        counted=agreement.exact_match_counted,
        resampled=agreement.exact_match_resampled,
        right=KINDS["regression"].right,
        published="wilson",
    ),
    Metric(
        name="mean_squared_error",
        title="Mean squared error, as score",
        note=f"100 (1 - e / c), {_ERROR.format('squared error', 'mean')}",
        kinds=("regression",),
        value=distance.squared,
        chance=_nothing,
        counted=distance.squared_counted,
    ),
    Metric(
        name="mean_absolute_error",
        title="Mean absolute error, as score",
        note=f"100 (1 - e / c), {_ERROR.format('absolute error', 'median')}",
        kinds=("regression",),
        value=distance.absolute,
        chance=_nothing,
        counted=distance.absolute_counted,
    ),
)
METRICS: Mapping[str, Metric] = {row.name: row for row in _ROWS}
"""All metrics by name; F1 is that of class 1."""


def get(metric: str) -> Metric:
    """The row of a metric. Raises ElueError `unknown_metric`, naming the nearest.

    One of somebody's own goes by NAME, and in records by NAME@DIGEST: another function of that name is another metric.
    """
    if metric in METRICS:
        return METRICS[metric]
    name, _, digest = metric.partition("@")
    own = own_metrics.find(name)
    if own is None:
        wrong = unknown("metric", name, [*METRICS, *own_metrics.names()])
        raise ElueError(wrong.code, wrong.message, f"{wrong.hint} Your own: {own_metrics.VARIABLE}=FILE.py:FUNCTION.")
    if digest and own.name != metric:
        said = f"The function '{name}' has changed since it scored these runs: {metric}, now {own.name}."
        raise ElueError("other_metric", said, "Measure them anew.")
    return own


def title(metric: str) -> str:
    """What pages call a metric; one that is not known goes by its name, spelled with spaces."""
    name = metric.partition("@")[0]
    return METRICS[metric].title if metric in METRICS else name.replace("_", " ").capitalize()


def note(metric: str) -> str:
    """How a metric's percentages are to be read; nothing of one that is not known."""
    return METRICS[metric].note if metric in METRICS else ""


def chance(metric: str, classes: int) -> float:
    """The score in percent of an answer that costs nothing, see `Metric`. Raises ElueError for an unknown metric."""
    return get(metric).chance(classes)


def score(metric: str, labels: Sequence[float], values: Sequence[float]) -> float:
    """The metric of the answers `values` to samples with these labels, in percent.

    Raises ElueError for an unknown metric, no samples, or not as many values as labels.
    """
    row, label, value = _arrays(metric, labels, values)
    return 100 * row.value(label, value)


def interval(
    metric: str,
    labels: Sequence[float],
    values: Sequence[float],
    seed: int = 0,
    confidence: float = 0.95,
    resamples: int = RESAMPLES,
) -> tuple[float, float]:
    """Percentile bootstrap interval over samples (Efron 1979), in percent; the same seed gives the same interval.

    Where all resamples score the same, which says nothing, it is `known_interval`.
    """
    import numpy as np

    row, label, value = _arrays(metric, labels, values)
    generator = np.random.default_rng(seed)
    if row.resampled:
        scores = row.resampled(label, value, generator, resamples)
    else:
        chunks = drawn(generator, len(label), resamples)
        parts = [_counted(row, label[:, None], value[:, None], counts_of(rows)) for rows in chunks]
        scores = np.concatenate(parts)[:, 0]
    tail = (1 - confidence) / 2
    low, high = (100 * float(end) for end in np.quantile(scores, [tail, 1 - tail]))
    if low == high and confidence == 0.95:
        return known_interval(metric, 100 * row.value(label, value), len(label))
    return low, high


def known_interval(metric: str, score: float, samples: int) -> tuple[float, float]:
    """A 95 % interval for a score in percent, from the number of samples alone; see `Metric.published`.

    Wilson's for shares of right answers, and taken for their mean with F1 too; Fisher's z for correlations. For other
    metrics their number tells nothing: the interval is the score alone.
    """
    form = {"wilson": wilson, "fisher": fisher}.get(get(metric).published)
    low, high = form(score / 100, samples) if form else (score / 100, score / 100)
    return 100 * low, 100 * high


def measure(metric: str, labels: Sequence[float], values: Sequence[float], seed: int = 0) -> Score:
    """The metric with its 95 % interval: Wilson's of a share of right answers, else from resamples."""
    value = score(metric, labels, values)
    if get(metric).right:
        return Score(metric, value, *known_interval(metric, value, len(labels)))
    return Score(metric, value, *interval(metric, labels, values, seed))


def counted(metric: str, labels: Array, values: Array, counts: Array) -> Array:
    """The metric in percent on rows of counts, (rows, runs), see `Metric`. Raises ElueError for an unknown metric."""
    return 100 * _counted(get(metric), labels, values, counts)


def errors(metric: str, labels: Sequence[float], values: Sequence[float]) -> tuple[float, ...]:
    """What a record keeps of each answer: 0 or 1 for right or wrong if its metric needs no more, else value - label."""
    pairs = zip(values, labels, strict=True)
    if get(metric).right_or_wrong:
        return tuple(int(value != label) for value, label in pairs)
    return tuple(value - label for value, label in pairs)


def _counted(row: Metric, labels: Array, values: Array, counts: Array) -> Array:
    """As the metric counts, or drawn sample by sample where it has no such form."""
    import numpy as np

    if row.counted:
        return row.counted(labels, values, counts)
    label = np.broadcast_to(labels, values.shape)
    scores = np.empty((len(counts), values.shape[1]))
    for place, count in enumerate(counts.astype(int)):
        again = np.repeat(np.arange(len(values)), count)
        scores[place] = [row.value(label[again, run], values[again, run]) for run in range(values.shape[1])]
    return scores


def _arrays(metric: str, labels: Sequence[float], values: Sequence[float]) -> tuple[Metric, Array, Array]:
    import numpy as np

    row = get(metric)
    label, value = np.asarray(labels, dtype=float), np.asarray(values, dtype=float)
    if label.shape != value.shape or label.ndim != 1 or not len(label):
        raise ElueError("unpaired_scores", f"{len(values)} values for {len(labels)} labels: nothing to score.")
    if not np.isfinite(value).all():
        raise ElueError("invalid_values", f"Values to score by {metric} must be finite numbers.")
    return row, label, value
