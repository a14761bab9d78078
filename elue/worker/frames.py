"""What each call of a worker must be answered with. A plugin that has taken its worker over can send anything."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, ValidationError

Count = Annotated[int, Field(ge=0, lt=2**63)]
"""FLOPs, calls, elements: more would not fit the records."""


class _Answer(BaseModel):
    """Fields a call promises; a call may say more."""

    model_config = ConfigDict(strict=True, extra="allow")


class _Described(_Answer):
    options: list[dict[str, Any]]


class _Opened(_Answer):
    environment: dict[str, Any]


class _Points(_Answer):
    unsupported: str | None
    points: list[dict[str, bool | int | FiniteFloat | str]]


class _Configured(_Answer):
    params_total: Count


class _Step(_Answer):
    unit: Annotated[str, Field(max_length=200)]
    shape: list[Count]
    times: Count


class _Prediction(_Answer):
    id: Annotated[str, Field(max_length=200)]
    value: FiniteFloat
    scores: list[FiniteFloat] = []
    trace: list[_Step] = []
    path: Count = 0
    declared: Count | None = None


class _Predicted(_Answer):
    predictions: list[_Prediction]
    flops: Count
    matmul_flops: Count
    params_touched: Count
    unknown: dict[str, Count]


ANSWERS: dict[str, type[_Answer]] = {
    "describe": _Described,
    "open": _Opened,
    "points": _Points,
    "configure": _Configured,
    "predict": _Predicted,
}
"""The shape of an answer by the name of its call; calls that are not here promise nothing."""


def fault(call: str, answer: dict[str, Any]) -> str:
    """What is wrong with an answer, in one line; empty where it has the shape its call promises."""
    shape = ANSWERS.get(call)
    if shape is None:
        return ""
    try:
        shape.model_validate(answer)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        return f"{where}: {first['msg']}"
    return ""
