"""A controller that sets a price on what is kept until a chosen share of the tokens is deleted (MrT5, section 3.3)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

PROPORTIONAL, INTEGRAL = 0.5, 1e-5
"""How it answers to how far deletion is from its target, now and over steps."""


class Controller(nn.Module):
    """The weight of a price, which is no gradient's affair, and the sum of errors so far that it rests on."""

    def __init__(self, target: float) -> None:
        super().__init__()
        self.target = target
        self.errors: Tensor
        self.register_buffer("errors", torch.zeros(()))

    def weight(self, deleted: Tensor) -> Tensor:
        """The weight, 0 or more, of the next step, where this share of the tokens is deleted."""
        error = self.target - deleted
        self.errors += error
        return (PROPORTIONAL * error + INTEGRAL * self.errors).clamp(min=0)

    def missing(self, deleted: Tensor, scale: float) -> Tensor:
        """What the loss stands to gain by deleting up to the target, where deleting all takes `scale` off the price.

        With each share more it falls by the weight, PROPORTIONAL · error, times the scale: in all half of that times
        the error.
        """
        error = (self.target - deleted).clamp(min=0)
        return PROPORTIONAL * scale / 2 * error**2
