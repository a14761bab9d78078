"""Every answer is looked at before its parts are used: by its class, and by the call that asked for it."""

from __future__ import annotations

import inspect
import json
import re
from dataclasses import replace
from typing import Any, get_type_hints

import pytest

from elue.conformance.inside import Examiner
from elue.meter import profile
from elue.meter.counts import Counts
from elue.protocol import Explanation, Sample, Step, TaskInfo
from elue.worker import frames
from elue.worker.decoding import Fault, decode, plain
from elue.worker.starting import CopyRequest

CALLS = frames.CallKinds(9, 2, 1)
COUNTS = Counts(9, 6, 5, 4, 3, {"aten.x": 1}, {})
COLUMNS = frames.AnswerColumns((1.0, 0.0), (0, 0), (None, 7), ((1, frozenset({0, 1})),))
NEWS = frames.News((Step("ffn.1", (3, 4), 2),), ((0, 0),))
SAMPLES = (Sample("a", "one"), Sample("b", "two", "three"))
PREDICTED = frames.Predicted(("a", "b"), COLUMNS, COUNTS, 12, NEWS, frames.CallKinds(9, 2, 1))
SWEPT = frames.Swept(("a", "b"), (COLUMNS, COLUMNS), (), NEWS)
ANSWERED = frames.Answered(("a", "b"), (1.0, 0.0))
TASK = TaskInfo("t", "classification", ("no", "yes"), True)
ROWS = frames.TaskRows(TASK, "accuracy", (("a", "one", "two", 1),), (("b", "x", None, 0.5),), 3)
TRAINING = frames.TrainingCall("m:C", (ROWS, ROWS), "tiny", "w", 7, "cpu", {"epochs": "2"}, True)


def sent(frame: Any) -> Any:
    """What the other side reads."""
    return json.loads(json.dumps(frame, default=plain))


@pytest.mark.parametrize(
    "frame",
    [
        frames.Open("m:C", TaskInfo("t", "regression", (), True, 0.0, 5.0), profile.load("elue-1")),
        frames.Configure(({"k": 1, "rule": "entropy"}, {"k": 0.5, "on": True}), 3),
        frames.Survey(SAMPLES, 2),
        PREDICTED,
        SWEPT,
        ANSWERED,
        frames.Told(("a",), (Explanation(("x", "y"), ((0, 1),), ((0.5, 0.5),), {"l": (1, -1)}, 1),), COUNTS, CALLS),
        frames.Offered(None, ({"k": 1},)),
        frames.Reply(None, frames.Trouble("user", "no", "a_code", "mend it"), ("a/path",)),
        TRAINING,
        CopyRequest("a.module", {"HOME": "somewhere"}),
    ],
)
def test_a_frame_comes_back_as_it_was_sent(frame: Any) -> None:
    assert decode(type(frame), sent(frame)) == frame


def changed(frame: Any, where: str, value: Any) -> Any:
    """What is sent for a frame, with one part replaced."""
    document = part = sent(frame)
    *way, last = (int(name) if name.isdigit() else name for name in where.split("."))
    for name in way:
        part = part[name]
    part[last] = value
    return document


@pytest.mark.parametrize(
    ("where", "value", "fault"),
    [
        ("took.flops", -1, "took.flops"),
        ("took.flops", 2**63, "took.flops"),
        ("took.flops", 1.5, "took.flops"),
        ("took.flops", True, "took.flops"),
        ("took.unknown", {"x": "1"}, "took.unknown.x"),
        ("took.unknown", [], "took.unknown"),
        ("took.unknown", {"x" * 300: 1}, "took.unknown.x"),
        ("answers", [], "answers"),
        ("answers.values", [float("inf"), 0], "answers.values.0"),
        ("answers.values", ["1", 0], "answers.values.0"),
        ("answers.claimed", [-5, None], "answers.claimed.0"),
        ("answers.ties", [[0]], "answers.ties.0"),
        ("news.steps", [["ffn", [1]]], "news.steps.0"),
        ("news.steps", [["ffn", [2**31], 1]], "news.steps.0: step ffn has shape"),
        ("news.steps", [["", [1], 1]], "news.steps.0: a step's unit is"),
        ("news.traces", [[0, -1]], "news.traces.0.1"),
    ],
)
def test_what_is_wrong_is_named(where: str, value: Any, fault: str) -> None:
    with pytest.raises(Fault, match=rf"^{re.escape(fault)}"):
        decode(frames.Predicted, changed(PREDICTED, where, value))


@pytest.mark.parametrize(
    ("where", "value", "fault"),
    [
        ("tasks", [], "tasks: 0 long"),
        ("tasks.1.task.kind", "sorting", "tasks.1.task.kind"),
        ("tasks.0.validation", [], "tasks.0.validation: 0 long"),
        ("tasks.0.train.0", ["a", "one", None], "tasks.0.train.0"),
        ("tasks.0.train.0.3", "1", "tasks.0.train.0.3"),
        ("tasks.0.left_out", -1, "tasks.0.left_out"),
        ("seed", 0.5, "seed"),
        ("options", {"epochs": 2}, "options.epochs"),
        ("extra", 1, "extra: unknown"),
    ],
)
def test_what_is_wrong_with_a_training_is_named(where: str, value: Any, fault: str) -> None:
    with pytest.raises(Fault, match=rf"^{re.escape(fault)}"):
        decode(frames.TrainingCall, changed(TRAINING, where, value))


def test_half_an_answer_is_none() -> None:
    for name in sent(PREDICTED):
        rest = {key: value for key, value in sent(PREDICTED).items() if key != name}
        with pytest.raises(Fault, match=f"^{name}: not there"):
            decode(frames.Predicted, rest)
    with pytest.raises(Fault, match=r"^points\.0\.k"):
        decode(frames.Offered, {"unsupported": None, "points": [{"k": [1]}]})


SHORT = replace(COLUMNS, values=(1.0,))


@pytest.mark.parametrize(
    ("call", "answer", "fault"),
    [
        (frames.Predict(SAMPLES), PREDICTED, ""),
        (frames.Predict(SAMPLES), replace(PREDICTED, ids=("b", "a")), "missing, repeated or unknown ids"),
        (frames.Predict(SAMPLES), replace(PREDICTED, ids=("a",)), "missing, repeated or unknown ids"),
        (frames.Predict(SAMPLES), replace(PREDICTED, answers=SHORT), "values: 1 for 2 samples"),
        (
            frames.Predict(SAMPLES),
            replace(PREDICTED, answers=replace(COLUMNS, ties=((2, frozenset({0})),))),
            "a tie of no sample",
        ),
        (frames.PredictSweep(SAMPLES, 2), SWEPT, ""),
        (frames.PredictSweep(SAMPLES, 3), SWEPT, "points: 2 for 3 points"),
        (frames.PredictSweep(SAMPLES, 2), replace(SWEPT, ways=(COLUMNS,)), "ways: 1, where none was asked for"),
        (frames.PredictMany(SAMPLES), replace(SWEPT, points=(COLUMNS,)), ""),
        (frames.Survey(SAMPLES, 2), SWEPT, "ways: 0, where at least one belongs"),
        (frames.Survey(SAMPLES, 2), replace(SWEPT, ways=(COLUMNS, SHORT)), "values: 1 for 2 samples"),
        (frames.ClimbLadder(SAMPLES), replace(SWEPT, points=(), ways=(COLUMNS,)), ""),
        (frames.PriceTraces((0, 1)), frames.Priced((COUNTS,), (), ()), "prices: 1 for 2 traces"),
        (frames.Configure(({}, {}), 0), frames.Configured((5,)), "params_total: 1 for 2 points"),
        (frames.Explain(SAMPLES), frames.Told(("a", "b"), (), COUNTS, CALLS), "explained: 0 for 2 samples"),
        (frames.CountPacks(SAMPLES), frames.Counted(("a", "b"), (1.0,), 1, {}), "values: 1 for 2 samples"),
        (frames.CountPacks(SAMPLES), frames.Counted(("a", "b"), (1.0, 1.0), 1, {}, 2), ""),
        (frames.CountPacks(SAMPLES), frames.Counted(("a", "b"), (1.0, 1.0), 1, {}, 3), "3 of 2 samples run again"),
        (frames.CountPacks(SAMPLES), frames.Counted(("a", "b"), (1.0, 1.0), 1, {}, -1), "-1 of 2 samples run again"),
        (frames.AnswerBare(SAMPLES, True), ANSWERED, ""),
        (frames.AnswerBare(SAMPLES[:1]), ANSWERED, "missing, repeated or unknown ids"),
        (frames.AnswerBare(SAMPLES), replace(ANSWERED, values=(1.0,)), "values: 1 for 2 samples"),
    ],
)
def test_an_answer_is_one_to_the_call(call: frames.Call[Any], answer: Any, fault: str) -> None:
    assert call.fault(answer) == fault


def test_a_worker_has_a_function_for_every_call() -> None:
    """Its name, what it takes and what it gives are those of the call."""
    functions = {name: each for name, each in inspect.getmembers(Examiner, inspect.isfunction) if name[0] != "_"}
    hints = {name: get_type_hints(function) for name, function in functions.items()}
    assert {name: frames.name_of(hint["asked"]) for name, hint in hints.items()} == {name: name for name in hints}
    assert all(frames.answer_of(hint["asked"]) is hint["return"] for hint in hints.values())
    exported = {kind for kind in vars(frames).values() if isinstance(kind, type) and issubclass(kind, frames.Call)}
    assert exported - {frames.Call} <= {hint["asked"] for hint in hints.values()}
