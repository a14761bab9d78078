"""Every answer is looked at before its parts are used."""

from __future__ import annotations

from typing import Any

import pytest

from elue.worker import frames as schemas

PREDICTION = {"id": "ab", "value": 1.0, "scores": [0.5], "trace": [], "declared": None}
PREDICTED = {"predictions": [PREDICTION], "flops": 1, "matmul_flops": 0, "params_touched": 0, "unknown": {}}


def test_a_whole_answer_may_say_more() -> None:
    assert schemas.fault("predict", {**PREDICTED, "registered": {}, "traffic": [1, 2]}) == ""
    assert schemas.fault("a call nobody described", {"anything": 1}) == ""
    step = {"unit": "ffn.1", "shape": [3, 4], "times": 2}
    assert schemas.fault("predict", {**PREDICTED, "predictions": [{**PREDICTION, "trace": [step]}]}) == ""


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"flops": -1}, "flops"),
        ({"flops": 2**63}, "flops"),
        ({"flops": 1.5}, "flops"),
        ({"flops": True}, "flops"),
        ({"unknown": {"x": "1"}}, r"unknown\.x"),
        ({"unknown": []}, "unknown"),
        ({"predictions": {}}, "predictions"),
        ({"predictions": [{**PREDICTION, "value": float("inf")}]}, r"predictions\.0\.value"),
        ({"predictions": [{**PREDICTION, "value": "1"}]}, r"predictions\.0\.value"),
        ({"predictions": [{**PREDICTION, "scores": [float("nan")]}]}, r"predictions\.0\.scores\.0"),
        ({"predictions": [{**PREDICTION, "declared": -5}]}, r"predictions\.0\.declared"),
        ({"predictions": [{**PREDICTION, "trace": [["ffn", [1]]]}]}, r"predictions\.0\.trace\.0"),
    ],
)
def test_what_is_wrong_is_named(changes: dict[str, Any], where: str) -> None:
    import re

    assert re.match(where, schemas.fault("predict", {**PREDICTED, **changes}))


def test_half_an_answer_is_none() -> None:
    for name in PREDICTED:
        rest = {key: value for key, value in PREDICTED.items() if key != name}
        assert schemas.fault("predict", rest).startswith(name)
    assert schemas.fault("open", {}).startswith("environment")
    assert schemas.fault("points", {"unsupported": None, "points": [{"k": [1]}]}).startswith("points.0.k")
