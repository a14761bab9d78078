"""Labels of curves: the method's name and, of several curves of one, what differs between them and no more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from elue.record.board import CurveKey


def told_parts(curve: CurveKey) -> dict[str, str]:
    """What tells curves of one method apart, by name."""
    return {"seed": str(curve.seed), "weights": curve.weights_digest or "none", "code": curve.source_digest}


def labels_of(curves: Sequence[CurveKey]) -> list[str]:
    """A label for each curve of a board."""
    return distinct_labels([(curve.method, told_parts(curve)) for curve in curves])


def distinct_labels(curves: Sequence[tuple[str, Mapping[str, str]]]) -> list[str]:
    """A label for each curve, given its method and by name what may tell it from others of that method."""
    same: dict[str, list[Mapping[str, str]]] = defaultdict(list)
    for method, parts in curves:
        same[method].append(parts)
    needed = {method: _needed(several) for method, several in same.items()}
    return [" · ".join([method, *(f"{name} {parts[name][:8]}" for name in needed[method])]) for method, parts in curves]


def _needed(several: Sequence[Mapping[str, str]]) -> list[str]:
    """The first names whose values, together, tell all of the mappings apart."""
    chosen: list[str] = []
    for name in several[0]:
        if len({tuple(parts[chose] for chose in chosen) for parts in several}) == len(several):
            break
        if len({parts[name] for parts in several}) > 1:
            chosen.append(name)
    return chosen
