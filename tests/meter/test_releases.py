"""Other releases of torch: what looks as it did when the table was reviewed is counted, else it is incomplete."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from elue.meter import releases
from elue.meter.table import operator_table
from tests.meter import review_operators

ROOT = Path(__file__).parent.parent.parent
OLDER = os.environ.get("ELUE_OLDER_TORCH", "")


def test_the_schemas_on_file_are_those_of_the_release_reviewed() -> None:
    if not releases.is_reviewed():
        pytest.skip(f"the table was reviewed for torch {operator_table().torch}; this is {torch.__version__}")
    assert releases.reviewed_schemas() == review_operators.schemas()
    named = [name for name in operator_table().rules if name.startswith("aten.")]
    assert not set(named) - set(releases.reviewed_schemas())


def on_another_release(code: str) -> str:
    """What code prints where torch says that it is another release, and `linear` and `view` had other schemas."""
    before = """
import torch
torch.__version__ = "2.99.0"
from elue.meter import releases
reviewed = dict(releases.reviewed_schemas())
for name in ("aten.relu.default", "aten.view.default", "aten.linear.default", "aten.conv1d.default"):
    assert reviewed[name]
    reviewed[name] = "another"
releases.reviewed_schemas = lambda: reviewed
from elue.meter import Meter
x = torch.rand(2, 3)
"""
    done = subprocess.run([sys.executable, "-c", before + code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.mark.parametrize(
    ("call", "says"),
    [
        ("x @ x.t()", "24 {}"),
        pytest.param("x + x", "6 {}", marks=pytest.mark.thorough),
        pytest.param("x.relu()", "0 {'aten.relu.default': 1}", marks=pytest.mark.thorough),
        pytest.param("x.view(-1)", "0 {'aten.view.default': 1}", marks=pytest.mark.thorough),
        ("torch.nn.functional.linear(x, x)", "0 {'aten.linear.default': 1}"),
        pytest.param(
            "torch.nn.functional.conv1d(x[None], torch.rand(4, 2, 2))",
            "0 {'aten.conv1d.default': 1}",
            marks=pytest.mark.thorough,
        ),
    ],
)
def test_an_operator_that_has_changed_makes_the_count_incomplete(call: str, says: str) -> None:
    code = f"with Meter(track=False) as meter: y = {call}\n"
    if "torch.rand" in call:
        code += "meter.complete or print(0, {k: n for k, n in meter.unknown.items()})"
    else:
        code += "print(meter.flops, meter.unknown)"
    assert on_another_release(code) == says


_THREADS = """
import gc, sys, threading, torch
{before}
from elue.meter import Meter
from elue.meter import observing
x = torch.rand(2, 3)
def work():
    x + x
seen = set()
for _ in range(50):
    with Meter() as meter:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    seen.add((meter.flops, meter.complete))
gc.collect()
left = [thing for thing in gc.get_objects() if type(thing) is observing.Thread]
print(seen, len(left) < 25, sys.getrefcount(observing.here()) > 2)
"""


@pytest.mark.parametrize("before", ["", "vars(torch._C).pop('_remove_obj_from_tls', None)"])
def test_threads_end_well_where_torch_can_forget_no_thread(before: str) -> None:
    """Releases before 2.13 cannot take back what a thread was given to keep, and 2.11 keeps it without a reference."""
    code = _THREADS.format(before=before)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("{(6, True)} True True\n", "")


@pytest.mark.slow
@pytest.mark.parametrize("name", ["golden", "attribution", "threads", "older_threads", "closing", "inside_operators"])
def test_what_holds_of_the_release_reviewed_holds_of_an_older_one(name: str) -> None:
    if not OLDER:
        pytest.skip("ELUE_OLDER_TORCH names no folder with torch 2.11 or 2.12")
    env = {**os.environ, "PYTHONPATH": OLDER}
    version = subprocess.run(
        [sys.executable, "-c", "import torch; print(torch.__version__)"],
        env=env,
        capture_output=True,
        text=True,
        check=True,
    )
    assert version.stdout.startswith(("2.11.", "2.12."))
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"tests/meter/test_{name}.py"]
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout
