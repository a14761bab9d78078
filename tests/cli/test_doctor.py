"""The doctor's checks: this machine is sound, and a torch that nobody reviewed is noticed."""

from __future__ import annotations

import pytest

from elue.cli import doctor
from elue.meter import profile


def test_the_doctor_finds_this_machine_well() -> None:
    found = {check.name: check for check in doctor.checks()}
    assert all(check.ok is not False for check in found.values()), found
    assert found["operator table"].ok
    assert found["grad modes"].ok
    assert found["profile elue-1"].detail == profile.load("elue-1").digest


def test_the_doctor_notices_a_torch_the_table_was_not_reviewed_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.metadata, "version", lambda package: "2.99.0")
    assert doctor.table().ok is False
