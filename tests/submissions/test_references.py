"""Which curve a board is compared with where no edition fixes one."""

from __future__ import annotations

from elue.record.board import curve_of
from elue.record.index import SubmissionRef
from elue.record.schema import Record
from elue.submissions.references import first_of, static_of
from tests.editions import GOOD, STATIC, World


def came_with(own: list[Record], slug: str, **changes: object) -> list[Record]:
    return [record.model_copy(update={"submission": SubmissionRef(slug=slug, seeds=1), **changes}) for record in own]


def test_it_is_the_houses_then_a_local_one_and_never_a_strangers() -> None:
    world = World()
    local, ours = world.training("static", STATIC), came_with(world.training("static", {1: 0.6}, 5), "baselines")
    theirs = came_with(world.training("static", {1: 0.5, 2: 0.5, 3: 0.5, 4: 0.5}), "theirs", trust="verified")
    good = world.training("good", GOOD)
    assert static_of([*theirs, *good, *local, *ours]) == curve_of(ours[0])
    assert static_of([*theirs, *good, *local]) == curve_of(local[0])
    assert static_of([*theirs, *good]) is None
    published = [record.model_copy(update={"measure": "published"}) for record in local]
    failed = [record.model_copy(update={"complete": False}) for record in local]
    assert static_of([*published, *failed]) is None


def test_of_several_it_is_the_most_trusted_then_that_with_most_points_then_the_first_seed() -> None:
    world = World()
    one, two = (came_with(world.training("static", STATIC, seed), "baselines") for seed in (1, 2))
    assert first_of([*two, *one]) == curve_of(one[0])
    assert first_of([*two, *one[1:]]) == curve_of(two[0])
    trusted = [record.model_copy(update={"trust": "reproduced"}) for record in two[:1]]
    assert first_of([*trusted, *one]) == curve_of(two[0])
    assert first_of([]) is None
