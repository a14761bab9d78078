"""A new measurement is a module and a row: its value stands in the record, and its failure in a flag."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from elue.evaluation.passes import table
from elue.evaluation.passes.table import Pass
from elue.record import files as records
from elue.record.schema import PARTS, Record
from tests.conftest import WritePlugin, WriteTask
from tests.record.test_files import make_record
from tests.running import evaluate_plugin

MODULE = '''
"""How far the work of samples lies apart, and whether the model answers one of them a second time."""

from elue.evaluation.passes.observed import observe
from elue.evaluation.recording import PassResult
from elue.record.schema import Flag


def measure(context, run, measured):
    flops = [counts.flops for counts in measured.answers.counts]
    context.configure(run)
    info = context.evaluation.data.spec.info()
    again = observe(context.worker, context.anonymised(0), 60.0, info, context.traces)
    parts = {"flops_spread": max(flops) - min(flops), "flops_again": [flops[0], again.counts.flops]}
    return PassResult(parts, (Flag(code="looked", detail="twice"),))
'''
"""What a maintainer writes: one file of the two."""


@pytest.fixture
def added(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The other: a row."""
    (tmp_path / "spread_of_work.py").write_text(MODULE)
    monkeypatch.syspath_prepend(tmp_path)
    import spread_of_work  # type: ignore[import-not-found]

    monkeypatch.setitem(sys.modules, "spread_of_work", spread_of_work)
    row = Pass("spread", spread_of_work.measure, lambda context, measured: len(measured.answers.counts) > 1)
    monkeypatch.setattr(table, "PASSES", (*table.PASSES, row))


BODY = "for s in samples: torch.ones(len(s.text.split()), 3) @ W\nreturn [Prediction(0) for s in samples]"
BEFORE = "import torch\nW = torch.nn.Parameter(torch.ones(3, 3))\n"


@pytest.mark.usefixtures("added")
def test_a_new_measurement_is_in_the_record_and_its_file(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask
) -> None:
    (record,) = evaluate_plugin(tmp_path, write_plugin(before=BEFORE, predict=BODY), write_task(6))
    assert record.status == "ok"
    assert record.measurements == {"flops_spread": 18 * 5, "flops_again": (18 * 3, 18 * 3), "asked_again": 0}
    assert [flag.code for flag in record.flags] == ["looked"]
    (path,) = records.files(tmp_path / "runs")
    assert records.read(path) == record


@pytest.mark.usefixtures("added")
def test_where_it_fails_the_run_has_a_flag_and_the_other_passes_go_on(
    tmp_path: Path, write_plugin: WritePlugin, write_task: WriteTask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(table, "PASSES", (table.PASSES[-1], *table.PASSES[:-1]))
    once = "SEEN.append(1)\nif len(SEEN) == 7: raise OSError('enough')\n"
    plugin = write_plugin(before=f"{BEFORE}SEEN = []\n", predict=once + BODY)
    (record,) = evaluate_plugin(tmp_path, plugin, write_task(6), latency=1)
    assert record.status == "ok"
    assert record.measurements == {"asked_again": 0}
    assert record.latency is not None
    assert [flag.code for flag in record.flags] == ["spread"]
    assert "enough" in record.flags[0].detail


def test_every_part_is_a_field_of_the_record_and_every_name_its_own() -> None:
    assert set(PARTS) <= Record.model_fields.keys()
    assert len({(row.name, row.stage) for row in table.PASSES}) == len(table.PASSES)


@pytest.mark.parametrize(
    "value", [{"a": 1}, {"a": 1.5, "b": (1, 2.5)}, {"hist": {"zero": 0, "one": 4}}, {"a": (0,) * 10_000}]
)
def test_plain_numbers_are_kept(value: dict[str, Any]) -> None:
    record = Record.model_validate({**make_record().model_dump(by_alias=True), "measurements": value})
    assert records.loads(records.dumps(record)).measurements == value


@pytest.mark.parametrize(
    "value",
    [
        {"a": float("nan")},
        {"a": float("inf")},
        {"a": True},
        {"a": "text"},
        {"a": 10**400},
        {"a": [[1]]},
        {"a": (0,) * 10_001},
        {"A b": 1},
        {f"m{number}": 1 for number in range(51)},
    ],
)
def test_what_is_not_plain_or_too_much_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Record.model_validate({**make_record().model_dump(by_alias=True), "measurements": value})


def test_records_without_any_keep_their_bytes() -> None:
    assert "measurements" not in records.dumps(make_record())
