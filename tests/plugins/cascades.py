"""Cascades at random weights that part the samples, for tests that ask what they do."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from elue.modeling.cascade import CascadeOptions, StagedModel
from elue.modeling.text import TextEncoder
from elue.plugins.cascade.committees import CommitteeOptions, Committees
from elue.plugins.cascade.elang import ELang
from elue.plugins.cascade.frugalgpt import FrugalGpt, FrugalGptOptions
from elue.plugins.cascade.routellm import RouteLlm, RouteLlmOptions
from elue.protocol import TaskInfo
from tests import small


def committee(task: TaskInfo, text: TextEncoder) -> StagedModel:
    """Three members."""
    network = Committees().network(small.encoder(), task, CommitteeOptions(depths=(1, 2, 4)))
    return Committees().model(stirred(network), text, task)


def elang(task: TaskInfo, text: TextEncoder) -> StagedModel:
    """A model of one layer and one of four."""
    network = ELang().network(small.encoder(), task, CascadeOptions(shallow_layers=1))
    return ELang().model(stirred(network), text, task)


def routed(task: TaskInfo, text: TextEncoder) -> StagedModel:
    """A router of one layer before models of two and four."""
    network = RouteLlm().network(small.encoder(), task, RouteLlmOptions(shallow_layers=2))
    return RouteLlm().model(stirred(network), text, task)


def chained(task: TaskInfo, text: TextEncoder) -> StagedModel:
    """A scorer of one layer and three models."""
    network = FrugalGpt().network(small.encoder(), task, FrugalGptOptions(depths=(1, 2, 4)))
    stirred({name: model for name, model in network.items() if name != "scorer"})
    for part in (*network["scorer"].dense.values(), *network["scorer"].output.values()):
        nn.init.normal_(part.weight, std=1.0)
    return FrugalGpt().model(network.eval().requires_grad_(False), text, task)


def stirred(network: Any) -> Any:
    """Heads on whose logits samples differ, each its own, for inference."""
    torch.manual_seed(0)
    for member in network.values():
        nn.init.normal_(member.head.dense.weight, std=0.6)
        nn.init.normal_(member.head.output.weight, std=0.6)
        member.eval().requires_grad_(False)
    return network
