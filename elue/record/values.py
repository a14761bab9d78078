"""The types of values in a record: every number is finite and bounded, and a text fits the index's column for it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StrictFloat, StrictInt

from elue.record.bounds import LARGEST, LARGEST_WHOLE

Finite = Annotated[float, Field(allow_inf_nan=False, gt=-LARGEST, lt=LARGEST)]
Whole = Annotated[int, Field(ge=-LARGEST_WHOLE, lt=LARGEST_WHOLE)]
Amount = Annotated[float, Field(strict=True, allow_inf_nan=False, ge=0, lt=LARGEST)]
"""How much there is of something, such as FLOPs: 0 or more, and no text or truth value that could be taken for one."""
Count = Annotated[int, Field(ge=0, lt=LARGEST_WHOLE)]
Size = Annotated[int, Field(ge=0, lt=2**31)]
Word = Annotated[str, Field(max_length=200)]
Digest = Annotated[str, Field(max_length=64)]

Number = (
    Annotated[StrictInt, Field(ge=-LARGEST_WHOLE, lt=LARGEST_WHOLE)]
    | Annotated[StrictFloat, Field(allow_inf_nan=False, gt=-LARGEST, lt=LARGEST)]
)
Name = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,39}$")]
Measurement = (
    Number
    | Annotated[tuple[Number, ...], Field(max_length=10_000)]
    | Annotated[dict[Name, Number], Field(max_length=1000)]
)
"""What a further measurement of a run may be: a number, a list of numbers, or numbers by name."""
