"""Networks of others under a name of one's own: copies, near copies and bundles have no rank, or none from anybody."""

from __future__ import annotations

import pytest

from elue.record.index import SubmissionRef
from elue.record.schema import Record
from elue.scores.edition import Edition
from tests.editions import GOOD, STATIC, World, answering, called, edition_of, reweighed, rows


@pytest.fixture(scope="module")
def static(world: World) -> list[Record]:
    return world.method("static", STATIC, seeds=5)


@pytest.fixture(scope="module")
def made(world: World, static: list[Record]) -> list[Record]:
    others = {"good": GOOD, "alike": STATIC, "bad": {4: 0.62}}
    return [*static, *(record for name, curve in others.items() for record in world.method(name, curve, seeds=5))]


@pytest.fixture(scope="module")
def edition(static: list[Record]) -> Edition:
    return edition_of(static, methods=50, places=50)


@pytest.mark.parametrize("changed", [1, 2])
@pytest.mark.parametrize("more", [False, True])
def test_the_best_training_three_times_over(
    edition: Edition, made: list[Record], world: World, changed: int, more: bool
) -> None:
    """With other weights and some answers changed each time, and a point that only one of them has, it is one."""
    best = world.training("thrice", GOOD)
    copies = [
        answering(record, changed * seed).model_copy(update={"seed": seed})
        for seed in range(3)
        for record in reweighed(best, f"{seed}" * 64)
    ]
    odd = reweighed(world.training("thrice", {3: 0.7}, 1) if more else [], "1" * 64)
    row = rows(edition, [*made, *copies, *odd])
    assert row["thrice"].tested.rank is None
    assert row["thrice"].tested.why == "these weights: 1 of 3 trainings"


@pytest.mark.parametrize("costs", [(0.1, 0.2, 0.3, 0.35), (1.1, 1.3, 1.5, 1.7), (3, 3.5, 3.7, 3.9)])
def test_the_best_training_three_times_over_among_junk(
    edition: Edition, made: list[Record], world: World, costs: tuple[float, ...]
) -> None:
    """More points that are each training's own, and none a corner of anything, make no further trainings of it."""
    best = world.training("thrice", {2: 0.82, 4: 0.9})
    copies = []
    for seed in range(3):
        junk = world.training("thrice", {cost: 0.5 + 0.01 * place for place, cost in enumerate(costs)}, seed)
        mine = [answering(record, 1) for record in reweighed([*best, *junk], f"{seed}" * 64)]
        copies += [record.model_copy(update={"seed": seed}) for record in mine]
    assert rows(edition, [*made, *copies])["thrice"].tested.why == "these weights: 1 of 3 trainings"


@pytest.mark.parametrize("shared", ["a constant", "a first stage"])
def test_trainings_that_share_their_cheapest_point_are_still_three(
    edition: Edition, made: list[Record], world: World, shared: str
) -> None:
    """One answer to everything, or a public network that none of them trains."""
    own = world.method("shared", {4: 0.9})
    (first,) = world.training("shared", {1: 0.7}) if shared == "a first stage" else world.training("shared", {1: 0.5})
    if shared == "a constant":
        assert first.samples
        errors = tuple(float(label != 1) for label in world.labels)
        samples = first.samples.model_copy(update={"value": (1.0,) * len(errors), "error": errors})
        first = first.model_copy(update={"samples": samples})
    cheap = [first.model_copy(update={"weights": record.weights, "seed": record.seed}) for record in own]
    row = rows(edition, [*made, *own, *cheap])["shared"]
    assert (row.tested.why, len(row.trainings)) == ("", 3)


@pytest.mark.parametrize("changed", [0, 3, 20])
def test_bundling_the_static_networks_as_extra_points(
    edition: Edition, made: list[Record], static: list[Record], changed: int
) -> None:
    """A bad method climbs to the yardstick by them under any rule of hulls, so who has them has no rank.

    With so many answers changed that they pass for trainings of one's own, the bundle is below what it was made of.
    """
    bad = [record for record in made if record.method.name == "bad"]
    bundle = []
    for seed in range(5):
        own = [record for record in bad if record.seed == seed]
        lent = [answering(record, changed) for record in static if record.seed == seed]
        bundle += [record.model_copy(update={"weights": own[0].weights}) for record in called([*own, *lent], "bundle")]
    board = rows(edition, [*made, *bundle])
    lead = board["bundle"].tested.lead
    assert lead
    assert lead.value < 0.8
    assert (board["bad"].tested.lead or lead).value < -3
    if changed == 20:
        assert board["bundle"].tested.rank in (2, 3)
    else:
        assert lead.value == pytest.approx(0, abs=0.8)
        assert board["bundle"].tested.rank is None
        assert board["bundle"].tested.why.endswith("are those of 'static', for no fewer FLOPs")


def test_bundling_all_published_weights(edition: Edition, made: list[Record]) -> None:
    """The best of all that the house has published, under a new name and a new rule: no training of one's own."""
    ours = SubmissionRef(slug="baselines", seeds=5)
    house = [record.model_copy(update={"submission": ours}) for record in made]
    theirs = [
        answering(record, 40).model_copy(update={"submission": SubmissionRef(slug="theirs", seeds=5)})
        for record in called([record for record in house if record.method.name == "good"], "bundle")
    ]
    bundle = rows(edition, [*house, *theirs])["bundle"].tested
    assert (bundle.rank, bundle.why) == (None, "its weights are those of 'good'")
    others = [answering(record, 40) for record in called(theirs, "good")]
    assert rows(edition, [*house, *others])["good"].tested.why != bundle.why


def test_three_answers_changed_of_a_network_of_the_house(edition: Edition, made: list[Record]) -> None:
    """Under other weights, whatever it costs on top; with many more it is another network, and worse than it was."""
    ours, theirs = SubmissionRef(slug="baselines", seeds=5), SubmissionRef(slug="theirs", seeds=5)
    house = [record.model_copy(update={"submission": ours}) for record in made]
    good = [record for record in house if record.method.name == "good"]
    board = {}
    for changed in (3, 60):
        copies = [answering(record, changed) for record in called(reweighed(good), "copy")]
        copies = [record.model_copy(update={"submission": theirs}) for record in copies]
        board[changed] = rows(edition, [*house, *copies])["copy"].tested
    assert board[3].rank is None
    assert board[3].why in {f"its answers at knob={cost} are those of 'good', for no fewer FLOPs" for cost in GOOD}
    assert board[60].why == ""
    assert board[3].lead
    assert board[60].lead
    assert board[60].lead.value < board[3].lead.value - 5


@pytest.mark.parametrize("original", ["static", "good", "alike"])
@pytest.mark.parametrize("changed", [0, 4])
def test_clones_of_a_method(edition: Edition, made: list[Record], original: str, changed: int) -> None:
    """Twenty submissions of it, to the bit or with another answer to one sample in a hundred, cost nobody anything."""
    source = [record for record in made if record.method.name == original]
    copies = [
        answering(record, changed) for number in range(20) for record in called(reweighed(source), f"copy{number}")
    ]
    board, alone = rows(edition, [*made, *copies]), rows(edition, made)
    assert {name: board[name].tested for name in alone} == {name: row.tested for name, row in alone.items()}
    copy = board["copy7"].tested
    if original == "static":
        assert copy.rank is None
        assert copy.why.endswith("are those of 'static', for no fewer FLOPs")
    else:
        assert copy.verdict == ("above" if original == "good" else "level")
