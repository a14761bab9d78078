"""Task-MoE: experts are chosen by the task, so that all of a task's tokens go to the same two.

Kudugunta et al., "Beyond Distillation: Task-level Mixture-of-Experts for Efficient Inference", Findings of EMNLP 2021.
A router reads an embedding of the task, p = softmax(T[task] W) in each layer; the two best experts run, weighted by
their probabilities over these two. A task's model at inference is a sub-network of what was trained.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from elue.modeling.encoder import Encoder, FeedForward
from elue.modeling.experts.choices import best, shares
from elue.modeling.experts.layers import ExpertLayer, copies
from elue.modeling.experts.look import Choice, Look
from elue.modeling.experts.losses import Routed, balance
from elue.modeling.experts.method import rates_of
from elue.modeling.experts.network import ExpertsNetwork
from elue.modeling.experts.several import SeveralMethod, SeveralNetwork
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.modeling.several import SeveralOptions
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class TaskMoeOptions(SeveralOptions):
    experts: int = option(4, "experts in each layer that has some", 1)
    every: int = option(2, "every how many layers a feed-forward becomes experts", 1)
    width: int = option(64, "numbers that stand for a task", 1)
    chosen: int = option(2, "experts of a task in training", 1)
    balance: float = option(0.01, "weight of the load-balancing loss over tasks, which is 1 at balance", 0.0)
    noise: float = option(0.02, "what copies differ by at the start, in standard deviations of a weight", 0.0)
    router_rate: float = option(1e-3, "learning rate of the routers", 0.0)


class TaskMoeNetwork(SeveralNetwork):
    """Copies that differ by noise: two experts of one task would else never part. Weights sum to one."""

    KNOBS = ("chosen",)
    chosen: int

    def __init__(self, encoder: Encoder, tasks: Sequence[TaskInfo], options: TaskMoeOptions) -> None:
        super().__init__(encoder, tasks, options)
        self.router_tasks = nn.Parameter(torch.randn(len(self.tasks), options.width))
        gates = {str(number): torch.randn(options.width, options.experts) * 0.02 for number in self.numbered()}
        self.router_gates = nn.ParameterDict({number: nn.Parameter(gate) for number, gate in gates.items()})
        self.folded: dict[int, Choice] = {}

    def layer(self, source: FeedForward) -> ExpertLayer:
        return ExpertLayer(source, None, copies(source, self.options.experts, noise=self.options.noise))

    def told(self, layer: int) -> Choice:
        """The experts of every task in a layer, (tasks, k)."""
        probabilities = (self.router_tasks @ self.router_gates[str(layer)]).softmax(-1)
        return best(probabilities, self.chosen, shares, most=self.options.experts, ordered=False)

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        """The same experts for every token."""
        told = self.folded[look.layer] if look.layer in self.folded else self.told(look.layer)
        rows, chosen = len(look.rows), min(self.chosen, self.options.experts)
        assert told.weight is not None
        expert = np.broadcast_to(told.expert[self.number, :chosen], (rows, chosen))
        return Choice(expert, told.weight[self.number, :chosen].expand(rows, chosen))

    def losses(self, routed: Routed) -> Tensor:
        """E Σ f_i P_i over tasks instead of tokens: all of a batch are one task's."""
        probabilities = (self.router_tasks @ self.router_gates[str(routed.look.layer)]).softmax(-1)
        return self.options.balance * balance(probabilities, self.told(routed.look.layer))

    def at(self, point: Any) -> None:
        super().at(point)
        if getattr(self, "folded", None):
            self.fold()

    @torch.no_grad()
    def fold(self) -> None:
        self.folded = {number: self.told(number) for number in self.numbered()}

    def in_force(self, layer: ExpertLayer, number: int) -> Iterable[nn.Module]:
        return [layer.experts[expert] for expert in self.folded[number].expert[self.number, : self.chosen].tolist()]


class TaskMoe(SeveralMethod):
    """Routing by an embedding of the task, folded in when a task's model is loaded: no router runs.

    Differences: the paper translates between many languages, with up to 128 experts; here tasks are few, each with a
    head of its own, and one expert a task would be no more than a feed-forward of its own: give fewer experts than
    tasks. Batches are of one task, by n^(1/T); the balance loss is taken over tasks, no second expert is left out by
    lot, and no capacity holds, since all tokens go the same way. Experts are noisy copies of a trained encoder's
    feed-forwards. Its gain is in parameters served: a model's are those of its task. k is the paper's, the knob ours.
    """

    name = "task_moe"
    family = "moe"
    title = "Task-MoE: experts by task"
    paper = "Kudugunta et al. 2021, Beyond Distillation, https://arxiv.org/abs/2110.03742"
    summary = (
        "A model learns several tasks at once, and a router picks two experts in each layer by the task, not by the "
        "token. What serves a task is a sub-network, and no router runs. One expert a task is cheaper than two."
    )
    options = TaskMoeOptions
    network_type = TaskMoeNetwork
    knobs = {"chosen": {"type": "int", "low": 1, "help": "experts of the task that run, the likeliest first"}}

    def learn(self, network: Any, training: Training) -> None:
        training.fit(network, rates=rates_of(training.options))

    def ends(self, network: ExpertsNetwork) -> tuple[int, ...]:
        return tuple(range(1, network.options.experts + 1))
