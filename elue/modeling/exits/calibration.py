"""Calibration: what is found after training on a part of the validation data, and saved with the weights."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

COLDEST, HOTTEST = 0.05, 20.0
"""Between which temperatures are looked for."""


def temperature_of(logits: Tensor, labels: Tensor) -> float:
    """The temperature T at which the cross-entropy of logits / T, (samples, classes), is least: convex in 1 / T."""

    from scipy.optimize import minimize_scalar

    def loss(inverse: float) -> float:
        return F.cross_entropy(logits.double() * inverse, labels.long()).item()

    return 1 / float(
        minimize_scalar(loss, bounds=(1 / HOTTEST, 1 / COLDEST), method="bounded", options={"xatol": 1e-6}).x
    )


def temperatures_of(logits: Tensor, labels: Sequence[float]) -> Tensor:
    """One temperature an exit, (exits,), by logits (samples, exits, classes) of the calibration part."""
    truth = torch.tensor(labels)
    return torch.tensor([temperature_of(exit_logits, truth) for exit_logits in logits.unbind(1)])
