"""What a group of boards shows, in plain sentences: nothing that its interval does not separate."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from elue.leaderboard.groups import Group
from elue.leaderboard.text import FAMILY_TITLES, clean, signed_text, titled
from elue.scores.budgets import Ahead
from elue.scores.leads import KEPT, Lead

HALF = {0.5: "half a point"}


@dataclass(frozen=True, slots=True)
class Finding:
    """Sentences, and one that says on how much they rest."""

    sentences: tuple[str, ...]
    basis: str


@dataclass(frozen=True, slots=True)
class Kept:
    """The shares of full compute from which on a method keeps the full model's score on all of some tasks: as it came
    out and for sure, None for never; `least` is the share below which it is sure not to on one of them."""

    value: float | None
    sure: float | None
    least: float | None


def kept(leads: Sequence[Lead]) -> Kept | None:
    """Of the leads on some tasks, the largest shares; None without any."""
    if not leads:
        return None
    values, sure, least = zip(*((lead.reach.value, lead.reach.high, lead.reach.low) for lead in leads), strict=True)
    return Kept(_largest(values), _largest(sure), _largest(least))


def _largest(shares: Sequence[float | None]) -> float | None:
    known = [share for share in shares if share is not None]
    return max(known) if len(known) == len(shares) else None


def finding(group: Group, families: Mapping[str, str]) -> Finding | None:
    """What the group shows; `families` are those of its methods. None of one without leads."""
    if not group.whole:
        return None
    sentences = [sentence for sentence in (_keeps(group, families), _leads(group, families), _none(group)) if sentence]
    return Finding(tuple(sentences), _basis(group))


def _named(method: str, families: Mapping[str, str]) -> str:
    return f"{clean(method)} ({titled(FAMILY_TITLES, families.get(method, '')).lower()})"


def _keeps(group: Group, families: Mapping[str, str]) -> str:
    """Who keeps the full model's score for sure at the least compute, if that is less than the static model needs."""
    wide = len(group.compared)
    sure = {method: of.sure for method, own in group.whole.items() if (of := kept(own))}
    shares = {method: share for method, share in sure.items() if share is not None}
    static = kept([group.statics[task] for task in group.compared if task in group.statics])
    if not shares:
        return ""
    best = min(shares, key=lambda method: (shares[method], method))
    if static and static.sure is not None and static.sure <= shares[best]:
        return ""
    beside = ""
    if static and static.least is not None and static.least > shares[best]:
        beside = f"; a static model does so at no less than {100 * static.least:.0f} %"
    every = f" on each of {wide} tasks" if wide > 1 else ""
    return (
        f"{_named(best, families)} keeps within {HALF.get(KEPT, f'{KEPT:g} points')} of the full model"
        f"{every} at {100 * shares[best]:.0f} % of its compute{beside}."
    )


def _leads(group: Group, families: Mapping[str, str]) -> str:
    """The largest lead that is sure."""
    best: tuple[float, str, int, Ahead] | None = None
    for method, rows in group.along.methods.items():
        for place, row in enumerate(rows):
            if row and row.word == "sure" and row.low is not None and row.low > 0 and (not best or row.low > best[0]):
                best = row.low, method, place, row
    if best is None:
        return "" if not group.along.looks else "No lead over the static model is sure at any budget."
    _, method, place, row = best
    low, high = group.along.budgets[place]
    return (
        f"{_named(method, families)} leads the static model most at {100 * (low * high) ** 0.5:.0f} % of full compute: "
        f"by {signed_text(row.value)} points, {signed_text(row.low or 0)} to {signed_text(row.high or 0)}."
    )


def _none(group: Group) -> str:
    """How many methods lead at no budget that could be told."""
    rows = group.along.methods
    idle = [m for m, own in rows.items() if not any(row and row.word == "sure" and row.value > 0 for row in own)]
    if not idle or len(idle) == len(rows):
        return ""
    named = f": {_listed([clean(method) for method in idle])}" if len(idle) <= 4 else ""
    return f"Of {len(idle)} of {len(rows)} methods no lead over it is sure at any budget{named}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _basis(group: Group) -> str:
    counts = sorted(set(_trainings(group)))
    samples = sum(board.size for board in group.boards if board.task in group.compared)
    tasks = "1 task" if len(group.compared) == 1 else f"{len(group.compared)} tasks"
    many = f"{counts[0]}" if len(counts) == 1 else f"{counts[0]} to {counts[-1]}"
    trainings = "1 training" if counts == [1] else f"{many} trainings"
    general = all(lead.lead.general for own in group.whole.values() for lead in own)
    weights = "" if general else " It holds for these weights; other trainings may differ."
    return f"From {tasks} with {samples:,} samples, {trainings} of each method, 95 % intervals.{weights}"


def _trainings(group: Group) -> Iterator[int]:
    for own in group.whole.values():
        yield from (len(lead.trainings) for lead in own)
