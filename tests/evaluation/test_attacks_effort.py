"""Attacks on the count of a run: work beside torch, in whichever pass."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import traced_toys as toys
from tests.conftest import WriteTask
from tests.running import evaluate_plugin

WORK = """
import numpy
A = numpy.ones((500, 500))

def hide():
    for _ in range(4): A @ A

"""
BLANKS = "'  ' in samples[0].text and "
HIDING = {
    "in predict": ((), {"        many = len(samples) > 1\n": "        many = len(samples) > 1\n{}"}, "many and "),
    "in predict_sweep": ((toys.SWEEP,), {"        self.calls += 1\n": "        self.calls += 1\n{}"}, ""),
    "in survey": (
        (toys.SWEEP, toys.LADDER, toys.SURVEY),
        {"        swept = self.predict_sweep": "{}        swept = self.predict_sweep"},
        "",
    ),
    "in the ladder": ((toys.LADDER,), {'        print("ladder"': '{}        print("ladder"'}, ""),
    "in an explanation": ((toys.EXPLAIN,), {"        exits = [tuple": "{}        exits = [tuple"}, ""),
    "where blanks are other": (
        (),
        {"        many = len(samples) > 1\n": "        many = len(samples) > 1\n{}"},
        BLANKS,
    ),
}


def written(folder: Path, name: str, hides: bool) -> Path:
    parts, changed, when = HIDING[name]
    line = f"        [hide() for _ in samples] if {when}{hides} else 0\n"
    before = {"WIDTH, EXITS = 4, 3\n": f"WIDTH, EXITS = 4, 3\n{WORK}"}
    return toys.write(folder, *parts, changed=before | {old: new.format(line) for old, new in changed.items()})


TIERS = {"in predict": (), "in the ladder": pytest.mark.thorough}


@pytest.mark.parametrize("name", [pytest.param(n, marks=TIERS.get(n, pytest.mark.slow)) for n in HIDING])
def test_work_beside_torch_is_flagged_in_every_pass(name: str, tmp_path: Path, write_task: WriteTask) -> None:
    task = write_task(60)
    for hides in (True, False):
        records = evaluate_plugin(tmp_path, written(tmp_path, name, hides), task, repeat=4, explain=16)
        assert [record.status for record in records] == ["ok"] * 4
        flagged = [[flag.code for flag in record.flags] for record in records]
        assert flagged == [["cpu_unexplained"] if hides else []] * 4
