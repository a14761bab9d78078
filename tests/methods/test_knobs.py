"""Points that keep to a declaration, in one form; all others are refused with the value, and what is allowed."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from elue.errors import ElueError
from elue.evaluation.execute import plan
from elue.methods import knobs, registry
from elue.methods.knobs import Knobs
from elue.worker.inside.points import numeric
from tests.conftest import WritePlugin, WriteTask
from tests.running import evaluation

DECLARED: Knobs = {
    "layers": {"type": "int", "low": 1, "high": 12},
    "share": {"type": "float", "above": 0, "below": 1},
    "factor": {"type": "float", "low": 0, "infinite": True},
    "rule": {"type": "str", "choices": ["entropy", "patience"]},
    "name": {"type": "str"},
    "sure": {"type": "bool"},
}


@pytest.mark.parametrize(
    ("name", "given", "settled"),
    [
        ("layers", 3, 3),
        ("layers", 3.0, 3),
        ("share", 0.5, 0.5),
        ("factor", 1, 1.0),
        ("factor", math.inf, "inf"),
        ("factor", "Infinity", "inf"),
        ("rule", "entropy", "entropy"),
        ("name", "anything", "anything"),
        ("sure", True, True),
    ],
)
def test_a_value_has_the_type_that_is_declared(name: str, given: Any, settled: Any) -> None:
    found = knobs.settled(DECLARED, {name: given})[name]
    assert (found, type(found)) == (settled, type(settled))


@pytest.mark.parametrize(
    ("name", "given", "says"),
    [
        ("layers", 0, "layers can't be 0. It takes a whole number, 1 or more, 12 or less."),
        ("layers", 13, "12 or less"),
        ("layers", 1.7, "a whole number"),
        ("layers", True, "a whole number"),
        ("layers", "two", "layers can't be two"),
        ("layers", math.inf, "a whole number"),
        ("share", 0.0, "It takes a number, above 0, below 1."),
        ("share", 1, "below 1"),
        ("share", math.inf, "share can't be inf"),
        ("factor", math.nan, "It takes a number, 0 or more, or inf."),
        ("factor", "nan", "factor can't be nan"),
        ("factor", -math.inf, "0 or more"),
        ("factor", 10**400, "0 or more"),
        ("factor", 1e30, "0 or more"),
        ("factor", 2**53 + 1, "0 or more"),
        ("rule", "entropi", "It takes entropy or patience."),
        ("name", 3, "It takes text."),
        ("sure", 1, "It takes true or false."),
        ("layer", 3, "Unknown knob 'layer'. Did you mean 'layers'?"),
    ],
)
def test_all_else_is_refused(name: str, given: Any, says: str) -> None:
    with pytest.raises(ElueError) as caught:
        knobs.settled(DECLARED, {name: given})
    assert caught.value.code == "bad_point"
    assert says in str(caught.value)


def test_a_method_without_knobs_has_none() -> None:
    assert knobs.settled({}, {}) == {}


@pytest.mark.parametrize(
    ("value", "kind"), [(3, "int"), (0.5, "float"), ("a", "str"), (True, "bool"), (math.nan, "float")]
)
def test_a_method_that_declares_none_is_told_how(value: Any, kind: str) -> None:
    with pytest.raises(ElueError, match="Unknown knob 'scale': the method declares none") as caught:
        knobs.settled({}, {"scale": value})
    assert caught.value.code == "bad_point"
    assert caught.value.hint == f'Its class may declare some: knobs = {{"scale": {{"type": "{kind}"}}}}.'


def test_an_undeclared_knob_is_refused_before_anything_runs(
    write_plugin: WritePlugin, write_task: WriteTask, tmp_path: Path
) -> None:
    file, task = write_plugin(knobs="{}"), write_task()
    assert [run.identity.point for run in plan(evaluation(tmp_path, file, task))] == [{}]
    with pytest.raises(ElueError, match="Unknown knob 'scale': the method declares none"):
        plan(evaluation(tmp_path, file, task, points=({"scale": 3},)))
    sweeping = write_plugin(points="return [{'scale': 3}]", name="sweeping", knobs="{}")
    with pytest.raises(ElueError, match=r"breaks its own declaration of knobs: Unknown knob 'scale'.*knobs = "):
        plan(evaluation(tmp_path, sweeping, task))
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").rglob("*.json"))


def test_a_model_gets_infinity_as_a_number() -> None:
    point = knobs.settled(DECLARED, {"factor": math.inf, "rule": "entropy"})
    assert json.loads(json.dumps(point)) == point
    assert numeric(DECLARED, point) == {"factor": math.inf, "rule": "entropy"}


@pytest.mark.parametrize(
    ("declared", "says"),
    [
        ("COMPUTED", "'knobs' is no dictionary of literals"),
        ("None", "'knobs' is no dictionary of literals"),
        ("['a']", "'knobs' is no dictionary of literals"),
        ("{'a b': {'type': 'int'}}", "'a b' can't name a knob"),
        ("{'a': {'low': 1}}", "knob 'a' has no type that is one of int, float, str, bool"),
        ("{'a': {'type': 'int', 'minimum': 1}}", "knob 'a' has 'minimum'"),
        ("{'a': {'type': 'int', 'low': '1'}}", "knob 'a' has a bound that is no finite number"),
        ("{'a': {'type': 'int', 'high': 0x1" + "0" * 8000 + "}}", "knob 'a' has a bound that is no finite number"),
        ("{'a': {'type': 'float', 'low': -1e999}}", "knob 'a' has a bound that is no finite number"),
        ("{'a': {'type': 'str', 'choices': 'abc'}}", "knob 'a' has choices that are no list of texts"),
        ("{'a': {'type': 'str', 'help': 1}}", "knob 'a' has a help that is no text"),
    ],
)
def test_a_wrong_declaration_breaks_its_method(write_plugin: WritePlugin, declared: str, says: str) -> None:
    file = write_plugin(knobs=declared, before="COMPUTED = dict()")
    with pytest.raises(ElueError) as caught:
        registry.find(str(file))
    assert says in str(caught.value)


def test_points_written_either_way_are_one_run(
    write_plugin: WritePlugin, write_task: WriteTask, tmp_path: Path
) -> None:
    file = write_plugin(knobs="{'level': {'type': 'float', 'infinite': True}}")
    given = [{"level": 1}, {"level": 1.0}, {"level": math.inf}]
    planned = plan(evaluation(tmp_path, file, write_task(), points=tuple(given)))
    assert [run.identity.point for run in planned] == [{"level": 1.0}, {"level": "inf"}]


def test_a_sweep_that_breaks_its_own_declaration_is_told(
    write_plugin: WritePlugin, write_task: WriteTask, tmp_path: Path
) -> None:
    file = write_plugin(points="return [{'level': 7}]", knobs="{'level': {'type': 'int', 'high': 6}}")
    with pytest.raises(ElueError, match=r"breaks its own declaration of knobs: level can't be 7"):
        plan(evaluation(tmp_path, file, write_task()))


@pytest.mark.parametrize(
    ("method", "point", "says"),
    [
        ("ltp", "scale=3", "Unknown knob 'scale'. Did you mean 'threshold_scale'?"),
        ("elasticbert", "rule=patience,patience=1.7", "patience can't be 1.7. It takes a whole number, 1 or more."),
        ("elasticbert", "rule=patience,patience=0", "patience can't be 0."),
        ("ltp", "threshold_scale=inf", "threshold_scale can't be inf."),
        ("switch", "capacity_factor=nan", "capacity_factor can't be nan. It takes a number, 0 or more, or inf."),
    ],
)
def test_the_command_line_refuses_before_anything_runs(tmp_path: Path, method: str, point: str, says: str) -> None:
    (tmp_path / "weights").mkdir()
    words = ["evaluate", method, "--task", "diagnostic", "--weights", "weights", "--point", point]
    command = [sys.executable, "-m", "elue", *words]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert says in " ".join(done.stderr.split())
    assert not (tmp_path / "runs").exists()


def test_every_baseline_declares_its_knobs_with_help() -> None:
    for name in ("static", "elasticbert", "ltp", "skiprnn", "skimrnn", "switch", "cascadebert"):
        declared = registry.find(name).knobs
        assert declared
        assert all(spec.get("help") for spec in declared.values())
