"""The doctor's checks: this machine is sound, and a torch that nobody reviewed is noticed."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from elue.cli import doctor, soundness
from elue.meter import Meter, profile, releases
from elue.meter.ledger import Ledger
from tests.commanding import elue


def spent() -> float:
    """Processor seconds of the processes that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def test_the_doctor_finds_this_machine_well_in_less_than_ten_seconds(tmp_path: Path) -> None:
    """On a machine where importing torch takes 1.7, or as much more as that takes longer there."""
    before = spent()
    subprocess.run([sys.executable, "-c", "import torch"], check=True)
    slower = max(1.0, (spent() - before) / 1.7)
    before = spent()
    command = [sys.executable, "-m", "elue", "doctor", "--json"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, check=False)
    took = spent() - before
    assert done.returncode == 0, done.stdout
    found = {check["name"]: check for check in json.loads(done.stdout)}
    assert all(check["ok"] is not False for check in found.values()), found
    assert all(found[name]["ok"] for name in ("operator table", "grad modes", "fvcore"))
    assert found["profile elue-1"]["detail"] == profile.load("elue-1").digest
    assert took < 10 * slower


@pytest.mark.parametrize(
    ("version", "ok"), [("2.13.9", True), ("2.11.0", None), ("3.0.1+cpu", None), ("2.10.1", False)]
)
def test_the_doctor_tells_which_torch_the_table_was_reviewed_for(
    monkeypatch: pytest.MonkeyPatch, version: str, ok: bool | None
) -> None:
    monkeypatch.setattr(doctor.metadata, "version", lambda package: version)
    found = doctor.table()
    assert found.ok is ok
    assert (version in found.detail + found.hint) is not ok


def test_a_check_that_fails_or_raises_is_not_ok(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> tuple[bool, str]:
        raise RuntimeError("no such kernel\nand a trace")

    monkeypatch.setattr(doctor, "CHECKS", {"wrong": lambda: (False, "1, of 2"), "broken": broken})
    found = doctor.sound()
    assert [(check.ok, check.detail) for check in found] == [
        (False, "1, of 2"),
        (False, "RuntimeError: no such kernel"),
    ]
    assert all(check.hint for check in found)


@pytest.mark.parametrize("name", soundness.CHECKS)
def test_a_meter_that_misses_work_is_noticed(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """With a Meter that sees nothing, and thinks that is all, no check passes."""
    monkeypatch.setattr(Ledger, "count", lambda self, *operator: None)
    monkeypatch.setattr(Meter, "complete", True)
    monkeypatch.setattr(Meter, "flops", property(lambda self: 7))
    monkeypatch.setattr(Meter, "matmul_flops", property(lambda self: 0))
    monkeypatch.setattr(Meter, "params_touched", property(lambda self: 0))
    right, _ = soundness.CHECKS[name]()
    assert not right


@pytest.mark.parametrize(("reviewed", "right"), [(True, False), (False, None)])
def test_incomplete_is_no_pass(monkeypatch: pytest.MonkeyPatch, reviewed: bool, right: bool | None) -> None:
    """What can be counted with the torch that was reviewed has to be; with another, to say so is neither."""
    monkeypatch.setattr(releases, "is_reviewed", lambda: reviewed)
    monkeypatch.setattr(Meter, "complete", False)
    for name in ("sums as scatters", "older threads", "compiled code", "meta device", "functions as arguments"):
        assert soundness.CHECKS[name]()[0] is right


def test_an_interrupt_waits_until_a_check_has_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """torch, broken off while it is imported, ends the process or says that models are missing."""
    ended = []

    def first() -> list[doctor.Diagnosis]:
        os.kill(os.getpid(), signal.SIGINT)
        ended.append("first")
        return []

    monkeypatch.setattr(doctor, "versions", first)
    monkeypatch.setattr(doctor, "machine", lambda: ended.append("second") or [])
    done = elue("doctor", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted; what was finished is kept\n")
    assert ended == ["first"]
