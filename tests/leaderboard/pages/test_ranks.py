"""Ranks on the first page and on those of tasks: those of a filled edition, and of nothing else."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from elue.leaderboard.build import pages
from elue.record import files as records
from elue.record.index import SubmissionRef
from elue.record.schema import Record
from elue.scores.edition import Edition, EditionTask
from elue.scores.edition_board import edition_standing
from tests.editions import GOOD, REVISION, STATIC, World, edition_of, naming, on_validation
from tests.leaderboard.reading import numbers, read
from tests.leaderboard.whole import reader_of, summaries_of
from tests.scoring import against_static, run

SUBMISSIONS = Path(__file__).parents[3] / "submissions"
Files = dict[str, str | bytes]


def came_with(own: list[Record], slug: str, seeds: int = 3) -> list[Record]:
    return [record.model_copy(update={"submission": SubmissionRef(slug=slug, seeds=seeds)}) for record in own]


def build(own: list[Record], edition: Edition) -> Files:
    return dict(pages(summaries_of(own), reader_of(own), editions=[edition]))


def trainings(record: Record, count: int) -> list[Record]:
    """The record as trainings of the seeds 0, 1, 2 … would have left it: the first with its own answers, each other
    with some changed; as it is where there is one."""
    assert record.samples
    assert record.weights
    if count == 1:
        return [record]
    samples, others = record.samples, []
    for seed in range(count):
        changed = random.Random(f"{record.method.name} {seed}")
        flipped = [seed > 0 and changed.random() < 0.04 for _ in samples.id]
        labels = [value if not error else 1 - value for value, error in zip(samples.value, samples.error, strict=True)]
        values = [1 - value if flip else value for value, flip in zip(samples.value, flipped, strict=True)]
        made = run(record.method.name, values, labels, samples.flops, seed=seed, weights=f"{seed:064x}")
        assert made.samples
        assert made.score
        assert made.weights
        digest = made.weights.digest if seed else record.weights.digest
        weights = {"digest": digest, "training": {**(record.weights.training or {}), "seed": seed}}
        whole = {"value": made.samples.value, "error": made.samples.error}
        others.append(
            record.model_copy(
                update={
                    "seed": seed,
                    "weights": record.weights.model_copy(update=weights),
                    "score": record.score.model_copy(update={"value": made.score.value}),  # type: ignore[union-attr]
                    "samples": samples.model_copy(update=whole),
                }
            )
        )
    return [other.model_copy(update={"key": records.identity(other).key}) for other in others]


@pytest.fixture(scope="module")
def measured() -> list[Record]:
    """Committed runs of two methods as three trainings, and of a third as one, as they come from a submission."""
    own = []
    for method, count in (("static", 3), ("elasticbert", 3), ("cascadebert", 1)):
        for path in records.files(SUBMISSIONS / "baselines" / "records" / "sst2_elue" / method):
            record = records.read(path)
            if record.profile.name == "elue-1":
                own += trainings(record, count)
    return came_with(own, "baselines")


@pytest.fixture(scope="module")
def edition(measured: list[Record]) -> Edition:
    return edition_of([record for record in measured if record.method.name == "static"])


@pytest.fixture(scope="module")
def site(measured: list[Record], edition: Edition) -> Files:
    return build(measured, edition)


def test_home_and_task_pages_rank_by_the_edition(site: Files, measured: list[Record], edition: Edition) -> None:
    standing = edition_standing(edition, measured)
    (task,) = standing.tasks
    assert {row.tested.rank for row in task.rows} > {None}, "something is ranked"
    table = read(str(site["tasks/sst2_elue.html"])).one("table", class_="sortable standing")
    shown = {row.all("a")[0].text: row for row in table.one("tbody").all("tr")}
    assert shown.keys() == {"elasticbert", "cascadebert"}
    home = read(str(site["index.html"])).one("table", id="overall")
    placed = {row.all("a")[0].text: row for row in home.one("tbody").all("tr")}
    assert placed.keys() == {"elasticbert", "cascadebert", "static"}
    assert "the yardstick" in placed["static"].text
    overall = {row.method: row.tested for row in standing.overall}
    for row in task.rows:
        for cells, tested in ((shown[row.method], row.tested), (placed[row.method], overall[row.method])):
            lead = tested.estimate
            assert lead
            values = [value for value, _ in numbers(cells)]
            first = [] if tested.rank is None else [tested.rank]
            assert values[: len(first) + 3] == [*first, lead.value, lead.low, lead.high]
            assert ("these weights: 1" in cells.text) == (row.method == "cascadebert")


def test_under_a_board_is_what_it_could_have_told_apart(site: Files, measured: list[Record], edition: Edition) -> None:
    (task,) = edition_standing(edition, measured).tasks
    assert task.smallest
    text = read(str(site["tasks/sst2_elue.html"])).text
    assert f"The smallest lead that this board could have told from 0 is {task.smallest:.1f} points" in text
    assert "One and the same answer to all scores at most 50.00" in text
    assert "of the submission baselines that the edition fixes by digest" in text


def test_elue_1_is_for_comparison_and_says_so(site: Files, measured: list[Record]) -> None:
    page = read(str(site["tasks/sst2_elue.html"]))
    table = page.one("table", class_="sortable compared")
    assert "Rank" not in {head.text for head in table.one("thead").all("th")}
    assert "For comparison, without ranks: elue-1 and elue-2022" in page.text
    assert "Against one curve: static, seed 0, code" in page.text
    scores = {(c.method, c.seed): c.elue_1 for c in against_static(measured).curves}
    by_value = sorted((score.value for score in scores.values() if score), reverse=True)
    shown = [numbers(row)[0][0] for row in table.one("tbody").all("tr")]
    assert shown == pytest.approx(by_value)


def test_json_of_the_edition_is_its_standing_under_its_digest(
    site: Files, measured: list[Record], edition: Edition
) -> None:
    told = json.loads(site["data/edition-test.json"])
    assert told == json.loads(json.dumps(edition_standing(edition, measured).as_json()))
    assert told["digest"] == told["tasks"][0]["digest"] == edition.rules
    assert "data/edition-test.json" in str(site["editions/test.html"])


def test_an_edition_without_its_yardstick_ranks_nothing(measured: list[Record], edition: Edition) -> None:
    bare = {
        name: EditionTask.model_validate({**task.model_dump(), "yardstick": {}}) for name, task in edition.tasks.items()
    }
    files = build(measured, Edition.model_validate({**edition.model_dump(), "tasks": bare}))
    for name in ("index.html", "tasks/sst2_elue.html"):
        page = read(str(files[name]))
        assert not page.all("td", class_="num rank")
        assert "No rank: the edition has no yardstick for this task yet" in page.text


@pytest.mark.thorough
def test_a_static_of_anothers_is_nobodys_reference() -> None:
    """Where no edition ranks, a spoilt copy of `static` with more points and more trust would lift everybody."""
    world = World()
    house = came_with(world.training("static", STATIC), "baselines")
    good = came_with(world.training("good", GOOD), "theirs")
    spoilt = world.training("static", {1: 0.5, 2: 0.5, 3: 0.5, 4: 0.5}, seed=1, trust="verified")
    rules = edition_of(world.method("other", STATIC))
    rules = Edition.model_validate({**rules.model_dump(), "profile_digest": "f" * 64})

    def lead(own: list[Record]) -> list[float]:
        page = read(str(build(own, rules)["tasks/mine.html"]))
        table = page.one("table", class_="sortable compared")
        return [
            numbers(row)[0][0]
            for row in table.one("tbody").all("tr")
            if row.all("a")[0].text == "good" and numbers(row)[0]
        ]

    assert lead([*house, *good]) == lead([*house, *good, *came_with(spoilt, "spoilt")])
    alone = build([*came_with(spoilt, "spoilt"), *good], rules)
    assert "there is no reference curve on this board" in read(str(alone["tasks/mine.html"])).text
    assert lead([*house, *good]) != lead([*spoilt, *good]), "of runs that came with no submission it is the local one"


@pytest.mark.thorough
def test_what_chose_the_corners_is_shown() -> None:
    world = World()
    static, good = world.method("static", STATIC), world.method("good", GOOD)
    own = [*static, *good, *world.method("plain", GOOD)]
    validation = [on_validation(record, record.score.value) for record in good if record.score]
    validation = [record.model_copy(update={"key": records.identity(record).key}) for record in validation]
    edition = naming(edition_of(static), REVISION)
    given = [*own, *validation]
    files = dict(pages(summaries_of(given), reader_of(given), editions=[edition]))
    table = read(str(files["tasks/mine.html"])).one("table", class_="sortable standing")
    told = {row.all("a")[0].text: row.text for row in table.one("tbody").all("tr")}
    assert " validation " in told["good"]
    assert " cross-fitted " in told["plain"]


@pytest.mark.thorough
def test_few_trainings_on_any_task_are_these_weights_on_the_first_page() -> None:
    worlds = [World("mine"), World("other")]
    static = [record for world in worlds for record in world.method("static", STATIC)]
    own = [*worlds[0].training("half", GOOD), *worlds[1].method("half", GOOD)]
    home = read(str(build([*static, *own], edition_of(static))["index.html"])).one("table", id="overall")
    rows = {row.all("a")[0].text: row for row in home.one("tbody").all("tr")}
    assert "These weights" in rows["half"].text
    assert "mine: these weights: 1 of 3 trainings" in rows["half"].text
    assert not rows["half"].one("td", class_="num rank").all("data")
