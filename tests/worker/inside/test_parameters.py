"""Counting a model's parameters: each once, of the modules in force."""

from __future__ import annotations

from types import SimpleNamespace

import torch
from torch import nn

from elue.worker.inside.parameters import modules_of, total_parameters


def test_shared_parameters_count_once() -> None:
    first, second = nn.Linear(4, 3), nn.Linear(4, 3)
    second.weight = first.weight
    assert total_parameters(modules_of(SimpleNamespace(a=first, b=[second]))) == 12 + 3 + 3


def test_the_model_says_which_modules_are_in_force() -> None:
    small, large = nn.Linear(2, 2), nn.Linear(10, 10)
    model = SimpleNamespace(small=small, large=large, modules=lambda: [small])
    assert total_parameters(modules_of(model)) == 6


def test_modules_are_found_in_nested_attributes() -> None:
    model = SimpleNamespace(stages={"one": [SimpleNamespace(net=nn.Linear(1, 1, bias=False))]}, name="x")
    assert total_parameters(modules_of(model)) == 1


def test_a_model_without_parameters() -> None:
    assert total_parameters(modules_of(SimpleNamespace(rule="majority"))) == 0


def test_a_parameter_without_a_module_counts() -> None:
    shared = nn.Linear(2, 3)
    model = SimpleNamespace(own=nn.Parameter(torch.ones(4, 5)), rows=[nn.Parameter(torch.ones(7))], tied=shared.weight)
    assert total_parameters(modules_of(model)) == 20 + 7 + 6
    assert not any(module.training for module in modules_of(model))
    model.whole = shared
    assert total_parameters(modules_of(model)) == 20 + 7 + 6 + 3
