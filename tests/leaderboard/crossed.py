"""Records of weights that were asked by rules not their own."""

from __future__ import annotations

from elue.record import files as records
from elue.record.schema import Record
from tests.editions import STATIC, World
from tests.scores.test_crossings import CURVES, asked
from tests.scoring import run


def crossed_store() -> list[Record]:
    """A static curve, and one training asked by its own rule and by others."""
    world = World()
    static = [
        run("static", world.answers(accuracy), world.labels, cost * 1000 * world.lengths, knob=cost, task=world.task)
        for cost, accuracy in STATIC.items()
    ]
    runs = [record for rule, curve in CURVES.items() for record in asked(world, "exits", rule, curve)]
    return [*static, *(record.model_copy(update={"key": records.identity(record).key}) for record in runs)]
