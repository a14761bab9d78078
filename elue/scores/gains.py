"""What deciding is worth: a method's score above that of leaving as often, at random, on the same weights.

Every run with controls has that as its `gain`, by samples. Here it is told of a method's trainings, under each of its
rules at the point that is nearest to a share of the full model's compute. The interval adds what trainings differ by
to what samples do. Trainings differ by samples, too, so it is rather too wide than too narrow.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from elue.record.point import point_text
from elue.record.schema import Record
from elue.scores.edition import Edition
from elue.scores.edition_runs import EditionRun, entered, gathered
from elue.scores.headlines import is_of_the_full_model
from elue.scores.intervals import Estimate
from elue.scores.trainings import Difference, with_part
from elue.tasks.closed import QUANTILE

HALF = 0.5


@dataclass(frozen=True, slots=True)
class Gained:
    """What deciding is worth, in points, under a rule of a method on a task, over so many trainings.

    `rule` has what a point names in words, not in numbers; empty for nothing. `compute` is the mean share of the full
    model's FLOPs at the points with these keys.
    """

    task: str
    method: str
    rule: str
    trainings: int
    compute: float
    gain: Estimate
    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Decided:
    """What scoring needs of a run beside its cost: its rule, its gain and how sure that is."""

    rule: str
    gain: float
    error: float


def gains(edition: Edition, records: Iterable[Record], share: float = HALF) -> list[Gained]:
    """The gains of an edition's methods near a share of full compute, by task, method and rule.

    Whole records may come one by one, none is kept. A method that decides nothing has no controls, and no row.
    """
    decided: dict[str, _Decided] = {}

    def watched() -> Iterator[Record]:
        for record in records:
            if (own := record.controls) is not None:
                rule = point_text({name: value for name, value in record.point.items() if isinstance(value, str)})
                error = (own.gain_high - own.gain_low) / (2 * QUANTILE)
                decided[record.key] = _Decided(rule, own.gain, error)
            yield record

    runs = gathered(edition, watched())
    return [
        gained for task in edition.tasks for gained in _of_task(edition, task, runs.runs.get(task, ()), decided, share)
    ]


def _of_task(
    edition: Edition, task: str, runs: Sequence[EditionRun], decided: Mapping[str, _Decided], share: float
) -> Iterator[Gained]:
    full = max((run.at[0] for run in runs if is_of_the_full_model(edition.tasks[task], run)), default=None)
    by_rule: dict[tuple[str, str], list[EditionRun]] = defaultdict(list)
    for run in runs:
        if (own := decided.get(run.key)) is not None:
            by_rule[run.curve.method, own.rule].append(run)
    for (method, rule), own_runs in sorted(by_rule.items()):
        if full is not None:
            yield _gained(task, method, rule, own_runs, full, share, decided)


def _gained(
    task: str,
    method: str,
    rule: str,
    runs: Sequence[EditionRun],
    full: float,
    share: float,
    decided: Mapping[str, _Decided],
) -> Gained:
    chosen = [min(own, key=lambda run: (abs(run.at[0] - share * full), run.at)) for own in entered(runs).trainings]
    values = [decided[run.key].gain for run in chosen]
    error = fmean(decided[run.key].error for run in chosen)
    degrees = len(chosen[0].column.value) - 1
    gain = Difference(fmean(values), error, degrees, ((error, degrees),), len(values) > 1)
    if len(values) > 1:
        gain = with_part(gain, stdev(values), len(values))
    return Gained(
        task=task,
        method=method,
        rule=rule,
        trainings=len(values),
        compute=fmean(run.at[0] for run in chosen) / full,
        gain=gain.estimate,
        keys=tuple(run.key for run in chosen),
    )
