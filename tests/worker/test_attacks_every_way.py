"""The attacks of this folder in workers confined by every way there is, and by parts of it: none needs the best one."""

from __future__ import annotations

import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from elue.worker.confinement.sandbox import Limits
from elue.worker.failure import WorkerFailure
from elue.worker.inside.seal import TURNS
from elue.worker.output import MOST
from tests.worker import test_attacks, test_attacks_tables, test_floods
from tests.worker.attacking import Attacked
from tests.worker.confinement.probing import WAYS
from tests.worker.helping import PARTS, every_way_and_part

MEANS = {**WAYS, **PARTS}
BESIDE = ("forbidden|invalid", "running beside the worker|answered twice|sent no answer to")
"""How a copy of the worker shows where no call is filtered: it is there, or says what the worker says, too."""


def told(attacked: Attacked, name: str) -> tuple[str, str]:
    """The status and the reason of an attack's failure; an answer is none."""
    try:
        attacked.predict(name)
        for _ in range(TURNS):
            attacked.predict("")
    except WorkerFailure as failure:
        return failure.status, failure.reason
    return "answered", ""


def unexpected(seen: Mapping[str, tuple[str, str]], expected: Mapping[str, tuple[str, str]]) -> dict[str, str]:
    """What came otherwise than expected, by the name of the attack."""
    return {
        name: f"{status}: {reason}"
        for name, (status, reason) in seen.items()
        if status not in expected[name][0].split("|")
        or not any(part in reason for part in expected[name][1].split("|"))
        or not reason.isprintable()
    }


@pytest.mark.thorough
@every_way_and_part
def test_every_attack_is_reported_and_harms_nothing(way: str, tmp_path: Path) -> None:
    test_attacks.furnish(tmp_path)
    attacks = test_attacks.ATTACKS | test_attacks.DEADLY
    attacked = Attacked(tmp_path, {name: body for name, (body, _, _) in attacks.items()}, means=MEANS[way])
    expected = {name: (status, reason) for name, (_, status, reason) in attacks.items()}
    if "seccomp" not in MEANS[way]:
        expected["forks in C"] = BESIDE
    seen = {}
    try:
        for name in test_attacks.ATTACKS:
            seen[name] = told(attacked, name)
            attacked.mend()
        for name in test_attacks.DEADLY:
            seen[name] = told(attacked, name)
            attacked.close()
        assert unexpected(seen, expected) == {}
        assert attacked.predict("").took.flops == 2 * 8 * 8 * 8
    finally:
        attacked.close()
    assert test_attacks.unharmed(tmp_path)


@pytest.mark.thorough
@every_way_and_part
def test_what_the_meter_goes_by_cannot_be_changed_unseen(way: str, tmp_path: Path) -> None:
    attacked = Attacked(tmp_path, test_attacks_tables.ATTACKS, means=MEANS[way])
    seen = {}
    for name in test_attacks_tables.ATTACKS:
        seen[name] = told(attacked, name)
        attacked.close()
    changed = ("forbidden", "tried to change the code that measures it")
    assert unexpected(seen, dict.fromkeys(seen, changed)) == {}


@pytest.mark.slow
@every_way_and_part
def test_no_flood_drowns_the_parent(way: str, tmp_path: Path) -> None:
    attacked = Attacked(tmp_path, test_floods.ATTACKS, Limits(memory=2**30), MEANS[way])
    log = tmp_path / "logs" / "log"
    assert test_floods.ended(attacked, "floods the log", 60.0) in ("answered", "crashed", "failed")
    assert MOST <= log.stat().st_size <= 2 * MOST
    for name, status in test_floods.SILENT:
        attacked.worker()
        clock = time.monotonic()
        assert test_floods.ended(attacked, name, 3.0) in status.split("|"), name
        assert time.monotonic() - clock < 40
    assert test_floods.ended(attacked, "fills memory", 60.0) in ("failed", "crashed")
    assert test_floods.ended(attacked, "fills memory that is no process's own", 60.0) == "crashed"
