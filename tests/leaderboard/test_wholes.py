"""A damaged record in a store: the site is that of all the others, and says which one was left out."""

from __future__ import annotations

from pathlib import Path

import pytest

from elue.errors import ElueError
from elue.leaderboard import build
from elue.leaderboard.wholes import Wholes
from elue.record import files as records
from elue.record.schema import Record
from tests.editions import GOOD, STATIC, World, edition_of
from tests.leaderboard.whole import reader_of, summaries_of


def without_its_end(text: str) -> str:
    return text[: len(text) // 2]


def boasting_of(text: str) -> str:
    """Half a FLOP in one sample, whatever the summary says."""
    record = records.loads(text)
    assert record.samples
    flops = (0.5, *record.samples.flops[1:])
    return records.dumps(record.model_copy(update={"samples": record.samples.model_copy(update={"flops": flops})}))


def gone(text: str) -> str:
    raise ElueError("unknown_run", f"There is no run {records.loads(text).key}.")


def newer(text: str) -> str:
    return text.replace('"schema": 1', '"schema": 999')


DAMAGE = (without_its_end, boasting_of, gone, newer)


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("ranked", [pytest.param(True, marks=pytest.mark.thorough), False])
def test_damaged_records_keep_none_off_the_board(ranked: bool, tmp_path: Path) -> None:
    """Whatever their summaries claim, the site is to the byte that of the others, ranks of an edition too."""
    world = World(samples=320)
    static, good = world.method("static", STATIC), world.method("good", GOOD)
    editions = [edition_of(static)] if ranked else []
    whole = [*static, *good] if ranked else [*static[:3], *good[:6]]
    damaged = dict(zip((record.key for record in good), DAMAGE, strict=False))
    read = reader_of(whole)
    summaries = [_boasting(of) if of.key in damaged else of for of in summaries_of(whole)]

    def reading(key: str) -> str:
        return damaged[key](read(key)) if key in damaged else read(key)

    told: list[ElueError] = []
    build(summaries, tmp_path / "site", reading, editions=editions, skipped=told.append)
    sound = [of for of in summaries if of.key not in damaged]
    build(sound, tmp_path / "sound", read, editions=editions)
    assert files(tmp_path / "site") == files(tmp_path / "sound")
    assert len(told) == len(DAMAGE)
    assert {key for key in damaged if any(key in error.message for error in told)} == damaged.keys()
    with pytest.raises(ElueError) as caught:
        build(summaries, tmp_path / "other", reading, editions=editions)
    assert caught.value.message in {error.message for error in told}
    assert not (tmp_path / "other").exists()


def _boasting(summary: Record) -> Record:
    assert summary.score
    assert summary.flops
    score, flops = summary.score.model_copy(update={"value": 99.0}), summary.flops.model_copy(update={"mean": 1.0})
    return summary.model_copy(update={"score": score, "flops": flops})


def test_a_broken_index_is_no_damaged_record() -> None:
    def broken(key: str) -> str:
        raise ElueError("database_broken", "The index can't be read.")

    with pytest.raises(ElueError, match="The index"):
        Wholes(broken).read("a")


def test_what_can_be_read_comes_with_its_text() -> None:
    record = World(samples=30).training("static", STATIC)[0]
    wholes = Wholes(reader_of([record]))
    assert wholes.read(record.key) == (record, records.dumps(record))
    assert wholes.damaged == {}
