"""Editions: read, refused with the reason, frozen under a digest."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue import tasks
from elue.errors import ElueError
from elue.meter import profile
from elue.scores import edition
from elue.scores.edition import content_of
from tests.editions import preview
from tests.scoring import run

PREVIEW = preview()
YARDSTICK = """
[tasks.mrpc.yardstick]
submission = "baselines"
runs = ["{}"]
range = [89e6, 534e6]
""".format("a" * 64)


def test_the_preview_names_its_tasks_and_rules() -> None:
    shipped = edition.load("2026-preview")
    assert edition.names() == ["2026-preview"]
    assert set(shipped.tasks) == {"sst2_elue", "mrpc"}
    assert (shipped.score, shipped.seeds, shipped.split, shipped.points) == ("elue-2", 3, "test", 16)
    for name, task in shipped.tasks.items():
        assert task.samples in tasks.get(name).sizes["test"]
        assert task.samples >= shipped.samples


def test_an_open_edition_follows_its_profile_and_a_frozen_one_names_it(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(PREVIEW)
    follows = edition.load(path)
    assert follows.profile_digest == profile.load("elue-1").digest
    path.write_text(f'digest = "{follows.rules}"\n{PREVIEW}')
    with pytest.raises(ElueError, match="'profile_digest'"):
        edition.load(path)


def test_the_digest_is_that_of_the_rules(tmp_path: Path) -> None:
    def digest(text: str) -> str:
        (tmp_path / "2026-preview.toml").write_text(text)
        return edition.load(tmp_path / "2026-preview.toml").rules

    own = digest(PREVIEW)
    assert digest(PREVIEW + "\n# a comment\n") == own
    changed = {digest(PREVIEW.replace("seeds = 3", "seeds = 4")), digest(PREVIEW + YARDSTICK), own}
    assert len(changed) == 3


def test_a_frozen_edition_does_not_change(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    fixed = f'profile_digest = "{"b" * 64}"\n{PREVIEW}{YARDSTICK}'
    path.write_text(fixed)
    read = edition.load(path)
    assert not read.frozen
    path.write_text(f'digest = "{read.rules}"\n{fixed}')
    frozen = edition.load(path)
    assert frozen.frozen
    assert frozen.rules == read.rules
    path.write_text(path.read_text().replace("89e6", "88e6"))
    with pytest.raises(ElueError, match="is frozen as") as caught:
        edition.load(path)
    assert caught.value.code == "changed_edition"


@pytest.mark.parametrize(
    ("old", "new", "say"),
    [
        ("seeds = 3", "seeds = 1", "'seeds'"),
        ("seeds = 3", "sedes = 3", "'sedes'|'seeds'"),
        ("samples = 400", "samples = 20", "'samples'"),
        ('score = "elue-2"', 'score = "elue-9"', "'score'"),
        ("[tasks.sst2_elue]", "[tasks.sst2_elue]\nclusters = [0, 0]", "hold 2 samples"),
        ("[tasks.sst2_elue]", f"[tasks.sst2_elue]\nclusters = {[1, *range(2209)]}", "numbered from 0 on"),
        ("89e6, 534e6", "534e6, 89e6", "lower budget"),
        ("range = [89e6, 534e6]", "", "none of them"),
        ("[tasks.mrpc]", "[tasks.mrpc.trainings]\nspread = [1, 1, 1, 1]\ndegrees = 13\n\n[tasks.mrpc]", "degrees"),
        ("[tasks.mrpc]", "[tasks.mrpc.trainings]\nspread = [1, 0, 1, 1]\ndegrees = 9\n\n[tasks.mrpc]", "spread"),
        ('runs = ["aaaa', 'runs = ["AAAA', "runs"),
        ("title", "title = ", "Cannot read"),
    ],
)
def test_mistakes_name_the_entry(tmp_path: Path, old: str, new: str, say: str) -> None:
    text = PREVIEW + YARDSTICK
    assert old in text
    (tmp_path / "mine.toml").write_text(text.replace(old, new, 1))
    with pytest.raises(ElueError, match=say):
        edition.load(tmp_path / "mine.toml")


def test_an_unknown_edition_and_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ElueError, match="2026-previev") as caught:
        edition.load("2026-previev")
    assert "2026-preview" in caught.value.hint
    with pytest.raises(ElueError, match="Cannot read"):
        edition.load(tmp_path / "none.toml")


def test_a_run_is_known_by_what_it_answered() -> None:
    labels = [0.0, 1.0, 1.0]
    record = run("static", labels, labels, [1, 2, 3])
    again = record.model_copy(update={"trust": "verified", "command": "another"})
    assert content_of(record) == content_of(again)
    others = [run("static", [0.0, 1.0, 0.0], labels, [1, 2, 3]), run("static", labels, labels, [1, 2, 4])]
    other = run("stattic", labels, labels, [1, 2, 3])
    assert len({content_of(one) for one in (record, *others, other)}) == 4
