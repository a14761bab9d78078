"""Labels of curves: the method's name and, of several curves of one, what differs between them and no more."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from elue.record.board import CurveKey, curve_of
from elue.record.schema import Record


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
    return [
        " · ".join([method, *(f"{name} {_short(name, parts[name])}" for name in needed[method])])
        for method, parts in curves
    ]


def label_of(record: Record) -> str:
    """What its user called a run or, else, the training of its weights."""
    training = (record.weights.training if record.weights else None) or {}
    return str(record.environment.get("label") or training.get("label") or "")[:40]


def variants_of(records: Iterable[Record]) -> dict[CurveKey, dict[str, str]]:
    """For each curve what its user called it, and its training options, by name: where these differ, they tell."""
    variants: dict[CurveKey, dict[str, str]] = {}
    for record in records:
        training = (record.weights.training if record.weights else None) or {}
        label = label_of(record) or "none"
        options = training.get("options")
        told = {str(name): str(value) for name, value in options.items()} if isinstance(options, dict) else {}
        variants[curve_of(record)] = {"label": str(label), **told}
    names: dict[str, dict[str, None]] = defaultdict(dict)
    for curve, parts in variants.items():
        names[curve.method].update(dict.fromkeys(parts))
    return {curve: {n: parts.get(n, "none") for n in names[curve.method]} for curve, parts in variants.items()}


def _short(name: str, value: str) -> str:
    return value[:8] if name in ("weights", "code") else value[:40]


def _needed(several: Sequence[Mapping[str, str]]) -> list[str]:
    """The first names whose values, together, tell all of the mappings apart."""
    chosen: list[str] = []
    for name in several[0]:
        if len({tuple(parts[chose] for chose in chosen) for parts in several}) == len(several):
            break
        if len({parts[name] for parts in several}) > 1:
            chosen.append(name)
    return chosen
