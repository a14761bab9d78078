"""Every conformance check: a sound method passes or is skipped, and one that is bad in exactly that respect fails."""

from __future__ import annotations

import time
from typing import Any

import pytest
import torch

from elue import conformance
from elue.conformance import CHECKS, Result, Subject, compute, odd
from elue.protocol import Explanation, Method, Prediction, Sample, TaskInfo
from tests.conformance.behaving import (
    CALLS,
    SAMPLES,
    TASK,
    Sound,
    Training,
    by_company,
    changed,
    costlier,
    counting,
    holding_on,
    holding_on_to_company,
    method,
    mystery,
    padded,
    predicts,
    raises,
    recalling,
    remembering,
    shallow_trace,
    sticky,
)


def run(name: str, made: Method) -> Result:
    return conformance.run(name, Subject(made, TASK, SAMPLES))


@pytest.mark.parametrize("name", CHECKS)
def test_a_sound_method_passes(name: str) -> None:
    result = run(name, Sound())
    assert result.outcome == "pass", result
    assert result.reason


@pytest.mark.parametrize("name", ["traces-equal-observed", "ladder", "predict-sweep", "survey", "explain"])
def test_what_is_not_offered_is_skipped(name: str) -> None:
    assert run(name, predicts(lambda self, s: Prediction(0))).outcome == "skip"


def test_one_point_has_nothing_to_change() -> None:
    lonely = method(points=lambda self, task, weights: [{"layers": 1}])
    assert run("points-change-compute", lonely).outcome == "skip"
    assert run("points-leave-nothing", lonely).outcome == "skip"


BAD: dict[str, tuple[str, Method, str]] = {
    "name with a slash": ("names", method(name="a/b"), "may hold only letters"),
    "no family": ("names", method(family="magic"), "not one of static"),
    "another api": ("names", method(api=7), "this version has 1"),
    "no predict": ("model", changed(predict=None), "has no predict"),
    "no points": ("points", method(points=lambda self, task, weights: []), "returned nothing"),
    "a point twice": ("points", method(points=lambda self, task, weights: [{"layers": 1}] * 2), "there twice"),
    "a knob that is a list": ("points", method(points=lambda s, t, w: [{"layers": [1]}]), "hold a number"),
    "a knob that is NaN": ("points", method(points=lambda s, t, w: [{"layers": float("nan")}]), "layers can't be nan"),
    "a knob not declared": ("points", method(knobs={"depth": {"type": "int"}}), "Unknown knob 'layers'"),
    "a knob outside its range": ("points", method(knobs={"layers": {"type": "int", "high": 1}}), "layers can't be 2"),
    "a knob of no type": ("points", method(knobs={"layers": {}}), "has no type"),
    "no label": ("predictions", predicts(lambda self, s: Prediction(2)), "not a label index"),
    "too few": ("predictions", changed(predict=lambda self, samples: []), "0 predictions for 4 samples"),
    "scores no probabilities": (
        "predictions",
        predicts(lambda self, s: Prediction(0, (3.0, -2.0))),
        "no probabilities",
    ),
    "scores too many": ("predictions", predicts(lambda self, s: Prediction(0, (0.5, 0.3, 0.2))), "3 scores for 2"),
    "in training mode": (
        "modules",
        method(Training),
        "training mode",
    ),
    "hidden parameters": ("modules", changed(modules=lambda self: []), "only 0 are found: add modules()"),
    "answers at random": ("deterministic", predicts(counting), "the answer is"),
    "costs at random": ("deterministic", predicts(costlier), "FLOPs"),
    "remembers the one before": ("order", predicts(remembering), "in reverse order"),
    "holds on to the first sample": ("order", predicts(holding_on), "in reverse order"),
    "knows what it has seen": ("deterministic", predicts(recalling), "costs 21 and then 0 FLOPs"),
    "holds on to its first company": ("company", changed(predict=holding_on_to_company), "in company"),
    "answers by company": ("company", changed(predict=by_company), "in company"),
    "scores by padding": ("company", changed(predict=padded), "scores move by"),
    "keeps a point": ("points-leave-nothing", changed(configure=sticky), "after a visit"),
    "answers by id": ("no-labels", predicts(lambda self, s: Prediction(int("f" in s.id))), "under other ids"),
    "looks for a label": (
        "no-labels",
        predicts(lambda self, s: Prediction(int(getattr(s, "label", 0)))),
        "looked for label",
    ),
    "an unknown operator": ("operators-priced", predicts(mystery), "no rule for elue_test_conformance.mystery"),
    "a knob without effect": (
        "points-change-compute",
        predicts(lambda self, s: Prediction(0)),
        "the knob saves nothing",
    ),
    "a trace too short": ("traces-equal-observed", changed(predict=shallow_trace), "the Meter counted"),
    "no trace at all": (
        "traces-equal-observed",
        changed(predict=lambda self, samples: [Prediction(0) for _ in samples]),
        "has no trace",
    ),
    "a sweep of its own": (
        "predict-sweep",
        changed(predict_sweep=lambda self, samples, points: [[Prediction(0)] * len(samples)] * len(points)),
        "predict_sweep at",
    ),
    "a survey without the ladder": (
        "survey",
        changed(survey=lambda self, samples, points: [self.predict_sweep(samples, points)]),
        "1 entries for 2 parts",
    ),
    "a survey of other points": (
        "survey",
        changed(survey=lambda self, samples, points: (self.predict_sweep(samples, points[::-1]), self.ladder(samples))),
        "survey at",
    ),
    "a survey of another ladder": (
        "survey",
        changed(
            survey=lambda self, samples, points: (
                self.predict_sweep(samples, points),
                [rungs[::-1] for rungs in self.ladder(samples)],
            )
        ),
        "ladder and then survey",
    ),
    "a sweep too short": ("predict-sweep", changed(predict_sweep=lambda self, samples, points: []), "for 2 points"),
    "a ladder upside down": (
        "ladder",
        changed(ladder=lambda self, samples: [self.climb(s, 2)[::-1] for s in samples]),
        "the cheapest comes first",
    ),
    "a ladder for one": ("ladder", changed(ladder=lambda self, samples: [self.climb(samples[0], 2)]), "for 4 samples"),
    "a ladder to elsewhere": (
        "ladder",
        changed(
            ladder=lambda self, samples: [
                [Prediction(1 - r.value, (), r.trace) for r in self.climb(s, 2)] for s in samples
            ]
        ),
        "another answer",
    ),
    "explains what is not there": (
        "explain",
        changed(explain=lambda self, samples: [Explanation(("a",), ((0, 5),)) for _ in samples]),
        "positions",
    ),
    "explains nothing": ("explain", changed(explain=lambda self, samples: [None] * len(samples)), "not Explanation"),
    **{
        f"fails on {name}": (f"survives-{name}", predicts(raises(text)), "cannot read this")
        for name, text in odd.ODD.items()
    },
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_method_fails(name: str) -> None:
    CALLS.clear()
    check, made, says = BAD[name]
    result = run(check, made)
    assert result.outcome == "fail", result
    assert says in result.detail


def test_every_check_can_fail() -> None:
    assert {check for check, _, _ in BAD.values()} | {"time-per-sample", "answers-cost"} == set(CHECKS)


def small_move(model: Any, sample: Sample) -> Prediction:
    """A step that the point takes or leaves, beside one of 50 times its size."""
    torch.ones(8, 100) @ torch.ones(100, 8)
    if model.layers > 1:
        torch.ones(8, 2) @ torch.ones(2, 8)
    return Prediction(0)


@pytest.mark.parametrize(
    ("check", "predict", "said"),
    [
        ("answers-cost", lambda self, s: Prediction(len(s.text) % 2), "answers differ, and none takes a FLOP"),
        ("points-change-compute", small_move, "moves compute by 2 %, less than 5 %"),
    ],
)
def test_what_is_to_be_looked_at_is_told(check: str, predict: Any, said: str) -> None:
    result = run(check, predicts(predict))
    assert result.outcome == "warn", result
    assert said in result.detail


def test_one_answer_to_all_may_be_free() -> None:
    assert run("answers-cost", predicts(lambda self, s: Prediction(1))).outcome == "pass"


def test_only_modules_that_compute_have_to_be_in_eval_mode() -> None:
    part = torch.nn.Linear(64, 64).eval()
    for holder, told in ((torch.nn.ModuleList([part]), False), (torch.nn.Sequential(part), True)):
        assert holder.training
        result = run("modules", changed(modules=lambda self, held=holder: [held]))
        assert ("training mode" in result.detail) is told, result


def test_a_slow_sample_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compute, "SAMPLE_SECONDS", 0.001)
    slow = predicts(lambda self, s: time.sleep(0.002) or Prediction(0))
    assert "an evaluation gives a sample" in run("time-per-sample", slow).detail


def test_regression_answers_may_move_a_little_and_no_more() -> None:
    score = TaskInfo("warmth", "regression", low=1.0, high=5.0)
    for by, outcome in ((1e-5, "pass"), (1e-2, "fail")):
        made = changed(
            predict=lambda self, samples, by=by: [Prediction(2.0 + by * len(samples)) for _ in samples], rehearse=None
        )
        assert conformance.run("company", Subject(made, score, SAMPLES)).outcome == outcome


def test_numbers_of_a_ladder_may_move_a_little_and_no_more() -> None:
    """Its samples run in other company than those that are asked."""
    score = TaskInfo("warmth", "regression", low=1.0, high=5.0)
    for by, outcome in ((1e-5, "pass"), (1e-2, "fail")):
        made = changed(
            predict=lambda self, samples: [Prediction(2.0, (), self.climb(s)[-1].trace) for s in samples],
            ladder=lambda self, samples, by=by: [
                [Prediction(2.0 + by, (), rung.trace) for rung in self.climb(s, 2)] for s in samples
            ],
        )
        assert conformance.run("ladder", Subject(made, score, SAMPLES)).outcome == outcome
