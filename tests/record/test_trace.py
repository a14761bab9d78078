"""The bounds of a step, in the one place that has them."""

from __future__ import annotations

import json
from typing import Any

import pytest

from elue.protocol import Prediction, Step
from elue.record.schema import Samples
from elue.record.trace import DIMENSIONS, LARGEST, LONGEST_UNIT, fault, step_of, step_text
from elue.worker.inside.answers import Invalid, TraceNumbers

GOOD = [
    Step("ffn.3", (12, 384)),
    Step("stop", (), 1),
    Step("é" * LONGEST_UNIT, (LARGEST - 1,) * DIMENSIONS, LARGEST - 1),
]
BAD: dict[str, tuple[Any, str]] = {
    "no unit": (Step("", (1,)), "not a short name"),
    "a long unit": (Step("x" * (LONGEST_UNIT + 1), (1,)), "not a short name"),
    "a unit with a line break": (Step("a\nb", (1,)), "not a short name"),
    "a number as unit": (Step(3, (1,)), "not a short name"),  # type: ignore[arg-type]
    "a negative size": (Step("a", (-1,)), "not a tuple of whole numbers"),
    "a size too large": (Step("a", (LARGEST,)), "not a tuple of whole numbers"),
    "a truth as size": (Step("a", (True,)), "not a tuple of whole numbers"),
    "a shape too long": (Step("a", (1,) * (DIMENSIONS + 1)), "not a tuple of whole numbers"),
    "never": (Step("a", (1,), 0), "ran 0 times"),
    "half a time": (Step("a", (1,), 0.5), "ran 0.5 times"),  # type: ignore[arg-type]
    "too often": (Step("a", (1,), LARGEST), "times"),
}


@pytest.mark.parametrize("step", GOOD)
def test_steps_within_bounds_cross_json_and_come_back(step: Step) -> None:
    assert fault(step) == ""
    back = step_of(json.loads(json.dumps(step)))
    assert back == step
    assert type(back) is Step


@pytest.mark.parametrize("case", BAD)
def test_steps_outside_are_named_alike_by_worker_parent_and_record(case: str) -> None:
    step, said = BAD[case]
    assert said in fault(step)
    with pytest.raises(Invalid, match=said):
        TraceNumbers().number([step])
    with pytest.raises(ValueError, match=said):
        step_of(json.loads(json.dumps(step)))
    columns: dict[str, Any] = dict.fromkeys(("value", "error", "flops", "matmul_flops", "params_touched"), (1,))
    with pytest.raises(ValueError, match=said):
        Samples(id=("0",), **columns, trace_of=(0,), traces=((step,),))


@pytest.mark.parametrize("sent", [None, 3, "abc", [], ["a", [1]], ["a", "12", 1], {"unit": "a"}, ["a", [1], 1, 1]])
def test_what_is_no_step_is_none(sent: Any) -> None:
    with pytest.raises(ValueError, match=r"is no step|whole numbers"):
        step_of(sent)


def test_a_tuple_is_no_step_of_a_plugin() -> None:
    assert fault(("a", (1,), 1)) == "a trace holds tuple where a Step belongs"


def test_stored_names_are_read() -> None:
    columns: dict[str, Any] = dict.fromkeys(("value", "error", "flops", "matmul_flops", "params_touched"), (1,))
    stored = {"id": ("0",), **columns, "path": [0], "paths": [[["cell", [1], 7]]]}
    samples = Samples.model_validate(stored)
    assert (samples.trace_of, samples.traces) == ((0,), ((Step("cell", (1,), 7),),))
    dumped = samples.model_dump(mode="json", by_alias=True)
    assert (dumped["path"], dumped["paths"]) == ([0], [[["cell", [1], 7]]])


def test_steps_in_words() -> None:
    assert step_text(Step("ffn.3", (12, 384))) == "ffn.3 (12, 384)"
    assert step_text(Step("cell", (1,), 7)) == "cell (1) x 7"


def test_steps_of_one_unit_and_shape_in_a_row_are_one_and_may_not_overflow() -> None:
    numbers = TraceNumbers()
    assert numbers.number([Step("cell", (1,), 2), Step("cell", (1,), 3), Step("head", ())]) == 0
    assert numbers.steps_of(0) == (Step("cell", (1,), 5), Step("head", ()))
    with pytest.raises(Invalid, match="times"):
        numbers.number([Step("cell", (1,), LARGEST - 1)] * 2)


def test_a_prediction_takes_steps() -> None:
    assert Prediction(1.0, trace=(Step("a", (1,)),)).trace[0].times == 1
