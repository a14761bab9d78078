"""Releases of torch: the operator table was reviewed for one; on others, an operator must look as it did there."""

from __future__ import annotations

import hashlib
import json
from functools import cache
from importlib import resources

import torch
from torch._ops import OpOverload

from elue.meter.table import operator_table

BUILT_IN = (
    "aten",
    "prim",
    "prims",
    "quantized",
    "quantized_decomposed",
    "mkldnn",
    "mkl",
    "onednn",
    "sparse",
    "inductor",
)
"""Namespaces that torch itself fills; others have releases of their own."""


def digest(operator: OpOverload) -> str:
    """What tells one schema (names, types and defaults of arguments and results) from another."""
    return hashlib.sha256(str(operator._schema).encode()).hexdigest()[:12]


@cache
def reviewed_schemas() -> dict[str, str]:
    """Digests of the schemas of all operators in the table that torch has, in the release it was reviewed for."""
    text = resources.files("elue.meter").joinpath("schemas.json").read_text("utf-8")
    schemas: dict[str, str] = json.loads(text)
    return schemas


@cache
def is_reviewed() -> bool:
    """Whether the torch installed here is the release that the table was reviewed for."""
    return torch.__version__.startswith(f"{operator_table().torch}.")


def as_reviewed(operator: OpOverload) -> bool:
    """Whether an operator is what its rule was made for: on another release, if its schema is the same."""
    if is_reviewed() or operator.namespace not in BUILT_IN:
        return True
    return reviewed_schemas().get(str(operator)) == digest(operator)
