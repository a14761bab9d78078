"""The record: canonical text, keys, upgrades, atomic writing."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from elue.errors import ElueError
from elue.record import files as records
from elue.record.files import Identity
from elue.record.schema import SCHEMA, Record, Samples


def make_record(**changes: object) -> Record:
    identity = Identity("toy", "a" * 64, None, "mine", "b" * 64, "test", None, {"threshold": 0.5}, "c" * 64, 0)
    document = {
        "schema": 1,
        "key": identity.key,
        "method": {
            "name": "toy",
            "family": "static",
            "title": "Toy",
            "paper": "",
            "source_digest": "a" * 64,
            "distribution": None,
        },
        "weights": None,
        "task": {
            "name": "mine",
            "title": "Mine",
            "kind": "classification",
            "split": "test",
            "revision": "b" * 64,
            "metric": "accuracy",
            "size": 2,
            "limit": None,
        },
        "point": {"threshold": 0.5},
        "seed": 0,
        "measure": "observed",
        "profile": {"name": "elue-1", "digest": "c" * 64},
        "status": "ok",
        "reason": "",
        "complete": True,
        "unknown": {},
        "trust": "self_reported",
        "score": {"name": "accuracy", "value": 50.0, "low": 0.0, "high": 100.0},
        "flops": {"mean": 15.0, "p50": 15.0, "p95": 19.5, "max": 20.0, "matmul_mean": 12.0},
        "params": {"total": 7, "touched_mean": 5.0},
        "environment": {"python": "3.11"},
        "times": {"started": "2026-01-01", "wall_seconds": 1.0, "cpu_seconds": None, "peak_memory_bytes": None},
        "command": "elue evaluate toy",
        "samples": {
            "id": ["0", "1"],
            "value": [0.0, 1.0],
            "error": [0.0, 1.0],
            "flops": [10, 20],
            "matmul_flops": [8, 16],
            "params_touched": [5, 5],
        },
    }
    return Record.model_validate({**document, **changes})


def test_reading_what_was_written_gives_the_same_record(tmp_path: Path) -> None:
    record = make_record()
    path = records.write(record, tmp_path)
    assert records.read(path) == record
    assert path == tmp_path / "mine" / "toy" / f"{record.key}.json"
    assert records.dumps(records.read(path)) == path.read_text()


def test_a_record_without_units_has_no_word_of_them(tmp_path: Path) -> None:
    assert '"units"' not in records.dumps(make_record())
    record = make_record(units={"layer.1": 9.0, "embed": 6.0})
    assert records.read(records.write(record, tmp_path)) == record
    assert records.summary(record)["units"] == record.units


def test_the_text_does_not_depend_on_the_order_of_knobs() -> None:
    one = make_record(point={"a": 1, "b": 2.0})
    other = make_record(point={"b": 2.0, "a": 1})
    assert records.dumps(one) == records.dumps(other)


def test_the_key_is_recomputed_from_the_record() -> None:
    record = make_record()
    assert records.identity(record).key == record.key


@pytest.mark.parametrize(
    "change",
    [
        {"source_digest": "d" * 64},
        {"weights_digest": "d" * 64},
        {"revision": "d" * 64},
        {"split": "validation"},
        {"limit": 5},
        {"point": {"threshold": 0.6}},
        {"profile_digest": "d" * 64},
        {"seed": 1},
        {"method": "other"},
        {"task": "other"},
    ],
)
def test_every_field_of_the_identity_changes_the_key(change: dict[str, object]) -> None:
    identity = records.identity(make_record())
    assert replace(identity, **change).key != identity.key  # type: ignore[arg-type]


def test_a_newer_schema_is_refused() -> None:
    text = json.dumps({**json.loads(records.dumps(make_record())), "schema": SCHEMA + 1})
    with pytest.raises(ElueError, match="knows up to") as caught:
        records.loads(text)
    assert caught.value.code == "record_newer"


def test_an_older_schema_climbs_every_step(monkeypatch: pytest.MonkeyPatch) -> None:
    def lift(document: dict[str, object]) -> dict[str, object]:
        renamed = {**document, "schema": 1, "seed": document["random_seed"]}
        del renamed["random_seed"]
        return renamed

    monkeypatch.setattr(records, "UPGRADES", {0: lift})
    old = json.loads(records.dumps(make_record()))
    old["schema"], old["random_seed"] = 0, old.pop("seed")
    assert records.loads(json.dumps(old)) == make_record()


NO_FLOPS = [
    *((-1e-9, "'mean'.*greater than or equal to 0"), (1e40, "below 1e\\+40"), (2**64, "64 bits")),
    *((True, "'mean'.*valid number"), ("5", "'mean'.*valid number"), (None, "'mean'.*valid number")),
    *((float("nan"), "NaN is not a number"), (float("-inf"), "-Infinity is not a number")),
]


def with_flops(document: dict[str, Any], value: object) -> str:
    return json.dumps({**document, "flops": {**document["flops"], "mean": value}})


def test_what_cost_nothing_is_a_record() -> None:
    document = json.loads(records.dumps(make_record()))
    assert records.loads(with_flops(document, 0)).flops.mean == 0  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda d: "not json", "not a run record"),
        (lambda d: json.dumps([1]), "not a run record"),
        (lambda d: json.dumps({**d, "extra": 1}), "extra"),
        (lambda d: json.dumps({**d, "status": "fine"}), "status"),
        (lambda d: json.dumps({**d, "samples": {**d["samples"], "data": "AAAA"}}), "damaged"),
        (lambda d: json.dumps({**d, "samples": {**d["samples"], "encoding": "pickle"}}), "pickle"),
        *((partial(with_flops, value=value), words) for value, words in NO_FLOPS),
    ],
)
def test_damaged_records_are_one_clear_error(damage, words: str) -> None:  # type: ignore[no-untyped-def]
    document = json.loads(records.dumps(make_record()))
    with pytest.raises(ElueError, match=words):
        records.loads(damage(document), "x.json")


def test_uneven_columns_are_refused() -> None:
    record = make_record()
    assert record.samples is not None
    uneven = Samples(**{**record.samples.model_dump(), "flops": (1,)})
    with pytest.raises(ElueError, match="differ in length"):
        records.loads(records.dumps(record.model_copy(update={"samples": uneven})))


@pytest.mark.skipif(os.geteuid() == 0, reason="root writes anywhere")
def test_a_read_only_folder_is_one_clear_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(ElueError, match="Cannot write"):
        records.write(make_record(), tmp_path)


def test_a_file_in_the_way_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("in the way")
    with pytest.raises(ElueError, match="Cannot write"):
        records.write(make_record(), tmp_path)


def test_a_failed_write_leaves_the_old_record_and_no_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = make_record()
    path = records.write(old, tmp_path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(ElueError, match="No space left"):
        records.write(make_record(reason="new"), tmp_path)
    assert records.read(path) == old
    assert list(path.parent.iterdir()) == [path]


def test_what_a_method_says_of_itself_is_left_out_where_it_says_nothing() -> None:
    record = make_record()
    assert "summary" not in records.summary(record)["method"]
    told = record.model_copy(update={"method": record.method.model_copy(update={"summary": "It guesses."})})
    assert records.loads(records.dumps(told)).method.summary == "It guesses."


def test_a_summary_is_read_and_restated_without_unpacking_the_samples() -> None:
    record = make_record()
    text = records.dumps(record)
    head = records.loads(text, samples=False)
    assert (head.samples, head.explained) == (None, ())
    assert records.summary(head) == records.summary(record)
    verified = {"trust": "verified"}
    assert records.restated(text, head.model_copy(update=verified)) == records.dumps(record.model_copy(update=verified))
    document = json.loads(text)
    document["samples"]["data"] = document["samples"]["data"][:-8] + "AAAAAAA="
    with pytest.raises(ElueError, match="damaged"):
        records.loads(json.dumps(document), samples=False)


def test_what_text_calls_declared_is_claimed_or_published(tmp_path: Path) -> None:
    record = make_record(measure="published", claimed=12.5)
    assert (record.measure, record.claimed) == ("published", 12.5)
    document = json.loads(records.dumps(record))
    assert (document["measure"], document["declared"]) == ("declared", 12.5)
    assert "claimed" not in document
    assert records.read(records.write(record, tmp_path)) == record
