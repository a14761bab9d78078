"""Agents: small networks that choose an action, each with a critic, for methods that learn by actor and critic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from elue.modeling.reading.book import Numbers
from elue.modeling.reading.trial import Decision


class Agent(nn.Module):
    """Logits of actions, (batch, actions), by a dense map with ReLU and a linear one of what is known, side by side."""

    def __init__(self, known: int, inner: int, actions: int) -> None:
        super().__init__()
        self.inner, self.outer = nn.Linear(known, inner), nn.Linear(inner, actions)
        self.critic = nn.Linear(inner, 1)

    def forward(self, *known: Tensor) -> Tensor:
        return self.outer(F.relu(self.inner(torch.cat(known, 1))))

    def expected(self, *known: Tensor) -> Tensor:
        """What its critic expects of the rest of a reading, (batch,); for training alone."""
        return self.critic(F.relu(self.inner(torch.cat(known, 1)))).squeeze(-1)


class Agents(nn.ModuleDict):
    """Agents by the name of their unit."""

    def expected(self, unit: str, *known: Tensor) -> Tensor:
        """What the critic of a unit expects, (batch,)."""
        agent: Any = self[unit]
        return agent.expected(*known)

    def pushed(self, decisions: Sequence[Decision], towards: Mapping[str, Sequence[float]]) -> Tensor:
        """The sigmoid cross-entropy of all logits to these targets, by unit: mean over actions and decisions."""
        losses = []
        for made in decisions:
            logits = self[made.unit](*made.inputs)
            losses.append(
                F.binary_cross_entropy_with_logits(
                    logits, logits.new_tensor(towards[made.unit]).expand_as(logits), reduction="none"
                ).mean(1)
            )
        return torch.cat(losses).mean() if losses else torch.zeros(())


def one_hot(taken: Numbers, counts: Sequence[int], device: torch.device | None) -> Tensor:
    """Actions of each sample, (samples, kinds), one of so many each, as zeros and ones: (samples, sum of counts)."""
    rows = np.zeros((len(taken), sum(counts)), np.float32)
    rows[np.arange(len(taken))[:, None], taken + np.cumsum([0, *counts[:-1]])] = 1
    return torch.from_numpy(rows).to(device or "cpu")


def layers(*widths: int) -> nn.Sequential:
    """Linear maps of these widths with ReLU between them."""
    maps: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        maps += [nn.ReLU(), nn.Linear(inputs, outputs)]
    return nn.Sequential(*maps[1:])
