"""Small configurations of transformers with random weights; what is right is added up by hand, attention spelled out.

Every model is run as it is built by default; the products that are right are those of its twin whose attention is
written out (`eager`), from the shapes of linear layers, convolutions and products that Python calls.
"""

from __future__ import annotations

from functools import cache, partial
from typing import Any

import torch
from torch import Tensor, nn

from elue.meter.models.building import build, choose_class, quiet
from elue.meter.models.running import first_that_runs
from elue.meter.models.shapes import Lengths
from tests.benchmarks.counter_cases import Case
from tests.meter.models.products import Products
from tests.meter.models.small import GIVEN, configuration

TOKENS = 16


class Called(nn.Module):
    """A model of transformers whose other inputs are at hand: called with the first one alone."""

    def __init__(self, name: str) -> None:
        super().__init__()
        self.model, self.inputs, _ = made(name, None)

    def forward(self, x: Tensor) -> Any:
        return self.model(**{**self.inputs, next(iter(self.inputs)): x}, return_dict=False)


def made(name: str, attention: str | None) -> tuple[nn.Module, dict[str, Any], int]:
    """A model with random weights, the inputs that it takes, and the products of a forward by hand."""
    with quiet():
        torch.manual_seed(0)
        config = configuration(name)
        model = build(choose_class(config)[0], config, attention, real=True)

        def run(inputs: dict[str, Any]) -> int:
            with Products() as products:
                model(**inputs)
            return products.flops

        ran = first_that_runs(model, Lengths(tokens=TOKENS), run, real=True)
    return model, ran.inputs, ran.outcome


@cache
def right(name: str) -> int:
    """FLOPs of multiply-adds, by hand."""
    return made(name, "eager")[2]


def sample(name: str) -> Tensor:
    """The first input of a model."""
    return next(iter(made(name, None)[1].values()))


def models() -> dict[str, Case]:
    """The cases by name."""
    return {
        f"transformers: {name}": Case(partial(Called, name), partial(sample, name), partial(right, name))
        for name in GIVEN
    }
