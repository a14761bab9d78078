"""Records of weights that were asked by rules not their own."""

from __future__ import annotations

from elue.record import files as records
from elue.record.schema import Record
from tests.editions import STATIC, World
from tests.scores.test_crossings import CURVES, asked
from tests.scoring import run


def crossed_store(seeds: int = 1) -> list[Record]:
    """A static curve, and so many trainings asked by their method's own rule and by others."""
    world = World()
    static = [
        run("static", world.answers(accuracy), world.labels, cost * 1000 * world.lengths, knob=cost, task=world.task)
        for cost, accuracy in STATIC.items()
    ]
    curves = [(seed, rule) for seed in range(seeds) for rule in CURVES]
    runs = [record for seed, rule in curves for record in asked(world, "exits", rule, CURVES[rule], seed)]
    return [*static, *(record.model_copy(update={"key": records.identity(record).key}) for record in runs)]
