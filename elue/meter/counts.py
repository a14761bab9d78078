"""What something executed, in numbers: the one type for it, from the Meter to a run's samples. No torch in here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Annotated

try:
    from annotated_types import Ge, Lt, MaxLen
except ImportError:  # beside torch alone there is nothing to decode, and nobody reads these limits
    Ge = Lt = MaxLen = slice  # type: ignore[assignment, misc]

Count = Annotated[int, Ge(0), Lt(2**63)]
"""FLOPs, calls, elements, numbers of things: more would not fit the records."""
Calls = Annotated[Mapping[Annotated[str, MaxLen(200)], Count], MaxLen(10_000)]
"""Numbers of calls by operator."""


EXACT = ("flops", "matmul_flops", "params_touched")
"""What the price of a trace and the Meter on its sample alone must agree on, to the last one."""


@dataclass(frozen=True, slots=True)
class Counts:
    """FLOPs and the multiply-add part of them, parameters read, and bytes of operands and of results.

    `params_touched` is in elements: distinct ones of what was counted together, and of a sum of counts their sum.
    `unknown` counts calls without a rule, `registered` those that a formula of the plugin's own priced, by operator. Of
    the latter `bodied` are those whose body was counted, too, and `underpriced` those of which it took more.
    """

    flops: Count = 0
    matmul_flops: Count = 0
    params_touched: Count = 0
    bytes_read: Count = 0
    bytes_written: Count = 0
    unknown: Calls = field(default_factory=dict)
    registered: Calls = field(default_factory=dict)
    bodied: Count = 0
    underpriced: Count = 0

    def __add__(self, other: Counts) -> Counts:
        return total([self, other])

    def __mul__(self, times: int) -> Counts:
        """The same, so many times over."""
        if times == 1:
            return self
        return Counts(
            times * self.flops,
            times * self.matmul_flops,
            times * self.params_touched,
            times * self.bytes_read,
            times * self.bytes_written,
            {operator: times * calls for operator, calls in self.unknown.items()},
            {operator: times * calls for operator, calls in self.registered.items()},
            times * self.bodied,
            times * self.underpriced,
        )


def total(parts: Iterable[Counts]) -> Counts:
    """The sum of many counts; of none, nothing."""
    flops = matmul_flops = params_touched = bytes_read = bytes_written = bodied = underpriced = 0
    unknown: Counter[str] = Counter()
    registered: Counter[str] = Counter()
    for part in parts:
        flops += part.flops
        matmul_flops += part.matmul_flops
        params_touched += part.params_touched
        bytes_read += part.bytes_read
        bytes_written += part.bytes_written
        bodied += part.bodied
        underpriced += part.underpriced
        if part.unknown:
            unknown.update(part.unknown)
        if part.registered:
            registered.update(part.registered)
    calls = dict(unknown), dict(registered)
    return Counts(flops, matmul_flops, params_touched, bytes_read, bytes_written, *calls, bodied, underpriced)
