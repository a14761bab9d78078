"""Training options in a campaign file: where each stands, and what is wrong with it, before anything is trained."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from elue.campaign.form import Fault
from elue.campaign.naming import tables_named
from elue.errors import ElueError
from elue.methods import options as declarations
from elue.methods.registry import MethodSource
from elue.protocol import Knob

Place = tuple[str, ...]


def fault(
    name: str, method: MethodSource, trains: bool, document: Mapping[str, Any], backbones: Sequence[str]
) -> Fault | None:
    """The first thing by which what a file gives an entry's trainings is not what its method declares.

    A method that is not trained has no use for any, and may have none of its own.
    """
    told = list(_given(name, method, document))
    if not trains:
        own = next((place for place, _ in told if place[:2] == ("method", name)), None)
        return (own, f"'{method.name}' has no training that it could be an option of") if own else None
    options = declarations.declared(method) if told else None
    if options is None:
        return None
    for place, value in told:
        for backbone in backbones:
            try:
                declarations.check(options, place[-1], value, backbone)
            except ElueError as error:
                return place, f"of method '{name}': {error}"
    return None


def _given(name: str, method: MethodSource, document: Mapping[str, Any]) -> Iterator[tuple[Place, Knob]]:
    """Where each option of an entry stands in the file, and its values, those of trials among them."""
    tables = document.get("method", {})
    places: list[tuple[Place, Mapping[str, Any]]] = [((), document)]
    places += [(("method", label), tables[label]) for label in tables_named(name, method, tables)]
    for place, table in places:
        for option, value in table.get("options", {}).items():
            yield (*place, "options", option), value
    grids = [(place, table["grid"]) for place, table in places if "grid" in table]
    if not grids and "grid" in document.get("search", {}):
        grids = [(("search",), document["search"]["grid"])]
    for place, grid in grids[-1:]:
        for option, values in grid.items():
            for value in values:
                yield (*place, "grid", option), value
