"""E21x: the numbers of a record, done again from its samples, by formulas of their own."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from elue.errors import ElueError
from elue.protocol import Trace
from elue.record.schema import Record, Samples
from elue.scores.resampling import Array
from elue.submissions.checks.records import RERUN, EachRecord
from elue.submissions.finding import Finding, Submission, SubmissionCheck
from elue.tasks import metrics
from elue.tasks.kinds import KINDS

NEVER = f"A record is never edited. {RERUN}"
FEW = 200_000
"""Steps in all traces whose prices are soon found one after the other."""
MOST_DENSE = 4096
"""Steps whose prices are found by a dense factor of this many rows, 128 MiB; those of more one after the other."""
DAMPING, REFINED = 1e-12, 30
"""Added to the normal equations' diagonal, as a share of its sum, and how often their solution is refined."""


def close(value: float, other: float) -> bool:
    """Whether two numbers are the same but for the order of summing."""
    return math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-9)


def labels_from(record: Record, samples: Samples) -> list[float]:
    """Labels that fit values and errors. Where these say only right or wrong, a wrong answer's is any other.

    Numbers to six digits, as tasks hold them, so that equal labels stay equal in ranks.
    """
    pairs = zip(samples.value, samples.error, strict=True)
    if metrics.get(record.task.metric).right_or_wrong:
        return [value if error == 0 else 1 - value for value, error in pairs]
    return [float(f"{value - error:.6g}") for value, error in pairs]


class ScoreRecomputes(EachRecord):
    """Score and interval follow from the answers, and the answers are right or wrong as the labels say.

    The interval of a share may be that of resamples, as records had it before they had Wilson's.
    """

    code = "E211"

    def wrong(self, path: Path, record: Record, submission: Submission) -> Iterator[tuple[str, str]]:
        samples, score = record.samples, record.score
        if samples is None or score is None:
            return
        try:
            metric = metrics.get(record.task.metric)
        except ElueError as error:
            yield f"its score can't be computed ({error.message.rstrip('.')})", NEVER
            return
        if metric.right_or_wrong and not set(samples.error) <= {0.0, 1.0}:
            yield f"an error under {metric.name} is neither 0 nor 1", NEVER
            return
        kind = KINDS[record.task.kind]
        if not all(kind.is_value(value, None) for value in samples.value):
            yield f"an answer is none of a {kind.name}", NEVER
            return
        labels: Sequence[float] = labels_from(record, samples)
        if not metric.right_or_wrong and not all(kind.is_value(label, None) for label in labels):
            yield f"an error is not between two answers of a {kind.name}", NEVER
            return
        data = submission.task_data(record)
        if data is not None and tuple(sample.id for sample in data.samples) == samples.id:
            again = metrics.errors(metric.name, data.labels, samples.value)
            differing = sum(not math.isclose(a, e, abs_tol=1e-6) for a, e in zip(again, samples.error, strict=True))
            if differing:
                yield f"{differing:,} errors are not what the labels say", NEVER
            labels = data.labels
        try:
            measured = metrics.measure(record.task.metric, labels, samples.value, seed=0)
            resampled = metrics.interval(record.task.metric, labels, samples.value, seed=0)
        except ElueError as error:
            yield f"its score can't be computed ({error.message.rstrip('.')})", NEVER
            return
        was = {"value": measured.value, "low": resampled[0], "high": resampled[1]}
        for name, before in was.items():
            said, computed = getattr(score, name), getattr(measured, name)
            if not any(math.isclose(said, number, abs_tol=1e-6) for number in (computed, before)):
                what = {"value": "score", "low": "interval's lower end", "high": "interval's upper end"}[name]
                yield f"its {what} is {said:.4f}, but from its samples {computed:.4f}", NEVER


class TotalsAreSums(EachRecord):
    """FLOPs and parameters of a run are those of its samples."""

    code = "E212"

    def wrong(self, path: Path, record: Record, submission: Submission) -> Iterator[tuple[str, str]]:
        samples, flops, params = record.samples, record.flops, record.params
        if samples is None or flops is None or params is None or not samples.id:
            return
        counted = np.asarray(samples.flops, dtype=np.float64)
        again = {
            "flops.mean": (flops.mean, math.fsum(samples.flops) / len(samples.id)),
            "flops.p50": (flops.p50, float(np.percentile(counted, 50))),
            "flops.p95": (flops.p95, float(np.percentile(counted, 95))),
            "flops.max": (flops.max, float(max(samples.flops))),
            "flops.matmul_mean": (flops.matmul_mean, math.fsum(samples.matmul_flops) / len(samples.id)),
            "params.touched_mean": (params.touched_mean, math.fsum(samples.params_touched) / len(samples.id)),
        }
        if record.units:
            again["units, added up,"] = (math.fsum(record.units.values()), flops.mean)
        for name, (said, computed) in again.items():
            if not close(said, computed):
                yield f"its {name} is {said:,.2f}, but from its samples {computed:,.2f}", NEVER
        if min(samples.flops) < 0 or any(m > f for m, f in zip(samples.matmul_flops, samples.flops, strict=True)):
            yield "a sample has fewer FLOPs than none, or than its multiply-adds", NEVER
        if max(samples.params_touched) > params.total:
            what = f"a sample touched {max(samples.params_touched):,} parameters of {params.total:,}"
            yield what, "Let modules() name every network, and measure again"


class TracesAddUp(SubmissionCheck):
    """There is one price for each step: the same trace costs the same, and all sums agree with one price list.

    The list itself is not in the records. That it exists is what can be held against them: every trace is an equation
    (times of each step, FLOPs), and over all records of a method with the same weights they have a common solution.
    """

    code = "E213"

    def look(self, submission: Submission) -> Iterator[Finding]:
        together: dict[tuple[str, str, str], list[tuple[Path, Record]]] = defaultdict(list)
        for path, record in submission.records.items():
            if record.samples is not None and record.samples.traces and record.measure == "traced":
                weights = record.weights.digest if record.weights else ""
                together[record.method.source_digest, weights, record.profile.digest].append((path, record))
        for group in together.values():
            yield from self._group(group)

    def _group(self, group: Sequence[tuple[Path, Record]]) -> Iterator[Finding]:
        costs: dict[Trace, int] = {}
        for path, record in group:
            samples = record.samples
            assert samples is not None
            if not all(0 <= place < len(samples.traces) for place in samples.trace_of):
                yield self.found(path, "a sample names a trace that is not there", NEVER)
                return
            for place, flops in zip(samples.trace_of, samples.flops, strict=False):
                if costs.setdefault(samples.traces[place], flops) != flops:
                    yield self.found(path, "the same trace costs different FLOPs", NEVER)
                    return
        if not _one_price_list(costs):
            yield self.found(group[0][0], "no price list gives the FLOPs of its traces", NEVER)


def _one_price_list(costs: dict[Trace, int]) -> bool:
    """Whether the linear system (traces by steps) has a solution, to half a FLOP."""
    from scipy.sparse import csr_matrix
    from scipy.sparse.linalg import lsmr

    places: dict[tuple[str, tuple[int, ...]], int] = {}
    rows, columns, times = [], [], []
    for row, trace in enumerate(costs):
        for unit, shape, count in trace:
            rows.append(row)
            columns.append(places.setdefault((unit, tuple(shape)), len(places)))
            times.append(count)
    if not places:
        return not any(costs.values())
    matrix = csr_matrix((times, (rows, columns)), shape=(len(costs), len(places)), dtype=np.float64)
    wanted = np.asarray(list(costs.values()), dtype=np.float64)
    allowed = 0.5 + 1e-7 * wanted
    if matrix.nnz > FEW and len(places) <= MOST_DENSE and _has_prices(matrix, wanted, allowed):
        return True
    prices = lsmr(matrix, wanted, atol=1e-14, btol=1e-14, maxiter=20 * sum(matrix.shape))[0]
    return bool((np.abs(wanted - matrix @ prices) <= allowed).all())


def _has_prices(matrix: Any, wanted: Array, allowed: Array) -> bool:
    """Whether prices are found at once: by the normal equations, a little damped, and refined by what is left over.

    They may be there and not be found like this, where steps nearly always run together.
    """
    from scipy.linalg import LinAlgError, cho_factor, cho_solve

    products = (matrix.T @ matrix).toarray()
    np.fill_diagonal(products, products.diagonal() + DAMPING * products.trace())
    try:
        factor = cho_factor(products, overwrite_a=True)
    except LinAlgError:
        return False
    prices = np.zeros(matrix.shape[1])
    for _ in range(REFINED):
        left = wanted - matrix @ prices
        if (np.abs(left) <= allowed).all():
            return True
        prices += cho_solve(factor, matrix.T @ left)
    return False


CHECKS = (ScoreRecomputes, TotalsAreSums, TracesAddUp)
