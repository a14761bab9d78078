"""Crossings: weights asked by every rule whose signals they have, in one pass, each marked that is not of their own."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from elue import tasks
from elue.errors import ElueError
from elue.evaluation import execute as evaluate
from elue.evaluation.recording import training_of
from elue.modeling.rules.registry import RULES
from elue.plugins.early_exit.berxit import Berxit
from elue.plugins.early_exit.cat import Cat
from elue.plugins.early_exit.elasticbert import ElasticBert
from elue.plugins.early_exit.pabee import Pabee
from elue.record import files as records
from elue.record.board import counts, is_ranked
from elue.record.schema import Crossing, Record
from tests import running, small
from tests.conftest import WriteTask

SCORED = {"score", "halting", "conformal"}
OWN = {
    ElasticBert: ("entropy", "patience"),
    Pabee: ("patience",),
    Berxit: ("score", "entropy"),
    Cat: ("conformal", "score"),
}
MISSING = {ElasticBert: SCORED, Pabee: SCORED, Berxit: {"conformal"}, Cat: set[str]()}
QUICK = {"latency": 0, "repeat": 0, "audit": 2, "explain": 0}


def task_of_colours(write_task: WriteTask, size: int = 16) -> Path:
    examples = small.examples(size, seed=5)
    return write_task(labels=[int(one.label) for one in examples], texts=[one.sample.text for one in examples])


def trained(method: Any, toml: Path, out: Path) -> Path:
    method().train(small.job(out, tasks.get(str(toml)).info(), tiny_layers="4", thresholds="3", learning_rate="1e-2"))
    return out


def asked(tmp_path: Path, method: Any, toml: Path, **changes: Any) -> list[Record]:
    given = {"weights": tmp_path / "weights", **QUICK, **changes}
    return running.evaluate_plugin(tmp_path / given.pop("below", "all"), method.name, toml, **given)


@pytest.mark.parametrize(
    ("method", "rules"),
    [
        pytest.param(ElasticBert, ("patience", "gap"), id="elasticbert, two rules"),
        pytest.param(ElasticBert, ("all",), id="elasticbert", marks=pytest.mark.thorough),
        *(pytest.param(method, ("all",), id=method.name, marks=pytest.mark.slow) for method in (Cat, Pabee, Berxit)),
    ],
)
def test_one_pass_gives_what_every_point_gives_by_itself(
    method: Any, rules: tuple[str, ...], tmp_path: Path, write_task: WriteTask
) -> None:
    toml = task_of_colours(write_task)
    trained(method, toml, tmp_path / "weights")
    crossed = asked(tmp_path, method, toml, rules=rules)
    expected = set(RULES) - MISSING[method] if rules == ("all",) else set(rules)
    assert {record.point["rule"] for record in crossed} == expected
    assert {(record.status, record.flags) for record in crossed} == {("ok", ())}
    points = tuple(record.point for record in crossed)
    alone = asked(tmp_path, method, toml, points=points, measure="observed", below="alone")
    assert [record.key for record in alone] == [record.key for record in crossed]
    for one, other in zip(crossed, alone, strict=True):
        assert one.samples is not None
        assert other.samples is not None
        for column in ("id", "value", "error", "flops", "matmul_flops", "params_touched"):
            assert getattr(one.samples, column) == getattr(other.samples, column), (one.point, column)
        assert one.crossing == other.crossing
        own = one.point["rule"] in OWN[method]
        assert one.crossing == (None if own else Crossing(rule=str(one.point["rule"]), own=OWN[method]))
        assert is_ranked(one) is own
        assert counts(one)
        assert records.loads(records.dumps(one)).crossing == one.crossing
    for rule in sorted({str(point["rule"]) for point in points}):
        flops = [record.flops.mean for record in crossed if record.flops and record.point["rule"] == rule]
        assert max(flops) > min(flops), rule
    told = training_of(tmp_path / "weights")
    assert told is not None
    assert set(told["crossings"]) == MISSING[method]


def test_a_sweep_of_own_rules_is_the_method_s_own_with_its_ends(tmp_path: Path, write_task: WriteTask) -> None:
    toml = task_of_colours(write_task)
    trained(Berxit, toml, tmp_path / "weights")
    own = [record.point for record in asked(tmp_path, Berxit, toml)]
    ends = asked(tmp_path, Berxit, toml, rules=("entropy",), rerun="missing")
    entropy = asked(tmp_path, Berxit, toml, rules=("entropy",), below="anew")
    assert [record.point for record in entropy if record.point not in own] == [record.point for record in ends]
    assert {record.point["rule"] for record in entropy} == {"entropy"}
    thresholds = {point["threshold"] for point in own if point["rule"] == "entropy"}
    assert {record.point["threshold"] for record in entropy} >= thresholds
    exits = [{len(trace) for trace in record.samples.traces} for record in entropy if record.samples]
    assert any(len(lengths) == 1 for lengths in exits)
    again = running.evaluation(
        tmp_path / "all", "berxit", toml, weights=tmp_path / "weights", rules=("all",), rerun="missing", **QUICK
    )
    planned = evaluate.plan(again)
    done = [dict(run.identity.point) for run in planned if not run.due]
    assert all(point in done for point in own)
    due = {run.identity.point["rule"] for run in planned if run.due}
    assert due - {"score"} == set(RULES) - {"score", "entropy", "conformal"}


def test_points_given_on_their_own_are_crossings_all_the_same(tmp_path: Path, write_task: WriteTask) -> None:
    toml = task_of_colours(write_task)
    trained(Pabee, toml, tmp_path / "weights")
    points = ({"rule": "confidence", "threshold": 0.9}, {"rule": "patience", "patience": 2})
    crossing, own = asked(tmp_path, Pabee, toml, points=points)
    assert crossing.crossing == Crossing(rule="confidence", own=("patience",))
    assert own.crossing is None
    assert "crossing" not in records.summary(own)


@pytest.mark.parametrize(
    ("method", "rules", "words"),
    [
        (Pabee, ("score",), "The score rule needs learned scores, and these weights tell none."),
        (Pabee, ("entropie",), "Unknown rule 'entropie'."),
    ],
)
def test_what_cannot_be_asked(
    method: Any, rules: tuple[str, ...], words: str, tmp_path: Path, write_task: WriteTask
) -> None:
    toml = task_of_colours(write_task)
    trained(method, toml, tmp_path / "weights")
    with pytest.raises(ElueError, match=words):
        asked(tmp_path, method, toml, rules=rules)


def test_weights_from_before_there_were_sweeps_say_so(tmp_path: Path, write_task: WriteTask) -> None:
    toml = task_of_colours(write_task)
    about = trained(Pabee, toml, tmp_path / "weights") / "elue.json"
    note = json.loads(about.read_text())
    del note["crossings"]
    about.write_text(json.dumps(note))
    with pytest.raises(ElueError, match="was trained before there were any"):
        asked(tmp_path, Pabee, toml, rules=("all",))
    with pytest.raises(ElueError, match="name no rule"):
        running.evaluate_plugin(tmp_path, "static", toml, rules=("all",))
