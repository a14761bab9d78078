"""The curve that a board is compared with where no edition fixes one: a static one of the house, never a stranger's."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from elue.record.board import MEASURED, CurveKey, curve_of, is_ranked, measure_of
from elue.record.schema import Record
from elue.scores.comparing import TRUST
from elue.submissions.names import RESERVED, house


def static_of(runs: Iterable[Record]) -> CurveKey | None:
    """The static curve of a board's measured runs that came with a submission of the house or, else, with none.

    What another's submission calls static is nobody's reference. None where there is none.
    """
    return first_of(run for run in runs if run.method.name in RESERVED and _of_the_house(run))


def first_of(runs: Iterable[Record]) -> CurveKey | None:
    """Of curves of measured runs one that came with a submission, with the highest trust, most points, lowest seed and
    first digests; None without any."""
    curves: dict[CurveKey, list[Record]] = defaultdict(list)
    for run in runs:
        if is_ranked(run) and measure_of(run) == MEASURED:
            curves[curve_of(run)].append(run)
    return min(curves, key=lambda key: _preference(key, curves[key]), default=None)


def _of_the_house(run: Record) -> bool:
    return run.submission is None or run.submission.slug in house()


def _preference(key: CurveKey, runs: list[Record]) -> tuple[Any, ...]:
    local = any(run.submission is None for run in runs)
    trust = min(TRUST.index(run.trust) for run in runs)
    return local, -trust, -len(runs), key.seed, key.source_digest, key.weights_digest or ""
