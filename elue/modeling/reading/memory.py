"""What is kept of states for attention at the end: sums of a softmax, taken in step by step, as long as three numbers.

They are the highest score so far, (batch, 1), the sum of weights relative to it, (batch, 1), and that of weighed
states, (batch, size): attention over all kept states, to rounding, whatever their number.
"""

from __future__ import annotations

import torch
from torch import Tensor

from elue.modeling.reading.units import State


def empty(like: Tensor) -> State:
    """The sums of nothing, for states (batch, size) like these, which are zeros."""
    return like.new_full((len(like), 1), -1e9), like[:, :1], like


def kept(sums: State, state: Tensor, score: Tensor) -> State:
    """The sums with another state, (batch, size), whose score is (batch, 1)."""
    highest, weight, total = sums
    top = torch.maximum(highest, score)
    old, new = (highest - top).exp(), (score - top).exp()
    return top, old * weight + new, old * total + new * state


def recalled(weight: Tensor, total: Tensor, otherwise: Tensor) -> Tensor:
    """The weighed mean of what was kept, (batch, size); where that is nothing, something else."""
    return torch.where(weight > 0, total / weight.clamp(min=1e-9), otherwise)
