"""Default sweeps of methods that keep by rank or by predictors."""

from __future__ import annotations

from typing import Any

from elue.modeling.keeping.lengths import Lengths, text_of
from elue.modeling.method import Sweep, Training, along
from elue.modeling.sweep import Tried, choose, middle, refine


def between_lists(network: Any, training: Training, longest: int) -> Sweep:
    """Lists around the learned one, in `network.lengths`: from all tokens by way of it to one a layer.

    Between two lists each layer's length falls geometrically, from that of the `longest` text.
    """
    learned: Lengths = network.lengths

    def at(place: float) -> Lengths:
        if place == 0:
            return network.all_of_them
        if place <= 1:
            return _rounded(longest ** (1 - place) * min(length, longest) ** place for length in learned)
        return _rounded(min(length, longest) ** (2 - place) for length in learned)

    def measure(place: float) -> Tried:
        network.lengths = learned if place == 1 else at(place)
        return training.tried(network, place, "kept")

    settings = [0.0, 1.0, 2.0]
    chosen = choose(refine(measure, settings, middle), always=settings)
    network.lengths = learned
    return along("lengths", {text_of(learned if t.setting == 1 else at(t.setting)): t.notes for t in chosen})


def _rounded(lengths: Any) -> Lengths:
    return tuple(max(1, round(length)) for length in lengths)
