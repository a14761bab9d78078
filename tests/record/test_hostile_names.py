"""Names that are SQL, patterns or half characters, in SQLite and PostgreSQL: they are text, and stay what they are."""

from __future__ import annotations

import pytest

from elue.record.board import board_of
from elue.record.store import Store
from tests.record.test_files import make_record

NAMES = (
    "x'; DROP TABLE runs; --",
    'x"; DELETE FROM runs; --',
    "%s %(name)s :name ? $1",
    "x' OR '1'='1",
    "%",
    "_",
    "\\'; SELECT pg_sleep(60); --",
    "E'\\x27' || version()",
    "café",
    "cafe\u0301",
    "TOY",
    "toy",
    "\u202eyot",
)


@pytest.mark.parametrize("place", ["method", "task", "revision", "split", "point"])
def test_a_name_is_text_in_every_column(store: Store, place: str) -> None:
    """Names alike but for capitals, or for how an accent is written, are different ones."""
    plain = make_record()
    written = []
    for number, name in enumerate(NAMES):
        changes = {
            "method": {"method": {**plain.method.model_dump(), "name": name}},
            "task": {"task": {**plain.task.model_dump(), "name": name}},
            "revision": {"task": {**plain.task.model_dump(), "revision": name}},
            "split": {"task": {**plain.task.model_dump(), "split": name}},
            "point": {"point": {name: name}},
        }[place]
        written.append(make_record(key=f"{number:064x}", **changes))
    store.add_all(written)
    told = {record.key: record for record in store.summaries()}
    assert len(told) == len(NAMES)
    for record in written:
        kept = told[record.key]
        assert (kept.method.name, kept.task, kept.point) == (record.method.name, record.task, record.point)
        same = {other.key for other in written if board_of(other) == board_of(record)}
        assert {other.key for other in store.records(board=board_of(record))} == same


def test_the_longest_names_and_the_largest_numbers_that_a_record_may_hold_fit(store: Store) -> None:
    """One that the database refuses would keep all others of its batch out."""
    plain, wide = make_record(), "\U0001d54f"
    most, least, far = 2**63 - 1, -(2**63), 9.9e39
    assert plain.score is not None
    record = make_record(
        key=wide * 64,
        method={**plain.method.model_dump(), "name": wide * 200, "source_digest": wide * 200, "title": wide * 9000},
        task={
            **plain.task.model_dump(),
            "name": wide * 200,
            "split": wide * 50,
            "revision": "'" * 200,
            "limit": 2**31 - 1,
        },
        weights={"digest": '"' * 200, "training": {wide: most}},
        profile={"name": "\\" * 200, "digest": "%" * 64},
        point={wide * 1000: most, "\\": least, "'": "\x01\x7f\ufffe"},
        seed=least,
        score={**plain.score.model_dump(), "value": far, "low": -far, "high": far},
    )
    store.add_all([make_record(key="0" * 64), record])
    assert store.keys() == {"0" * 64, record.key}
    kept = store.record(record.key)
    assert (kept.seed, kept.point, kept.task, kept.score) == (record.seed, record.point, record.task, record.score)
    assert [other.key for other in store.records(board=board_of(record))] == [record.key]
