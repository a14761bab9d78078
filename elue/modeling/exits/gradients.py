"""What exit methods do to gradients: equilibrium between exits, and surgery where two losses pull apart."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn


def equilibrium(hidden: Tensor, exits_from_here: int) -> tuple[Tensor, Tensor]:
    """Gradient equilibrium (Li et al. 2019, arXiv 1908.06371): copies for an exit and for the trunk above it.

    Values are untouched. Backwards, the layer below receives the mean over the exits at or above it, not their
    sum: the exit's gradient divided by `exits_from_here`, and the trunk's weighted by the exits still to come.
    """
    for_exit, for_trunk = hidden.view_as(hidden), hidden.view_as(hidden)
    if hidden.requires_grad:
        for_exit.register_hook(lambda gradient: gradient / exits_from_here)
        for_trunk.register_hook(lambda gradient: gradient * ((exits_from_here - 1) / exits_from_here))
    return for_exit, for_trunk


@dataclass(frozen=True)
class Surgery:
    """How the gradients of two named losses are joined on the parameters whose names match `where`.

    Where they pull apart, ⟨g_keep, g_project⟩ < 0 over all of these parameters at once, g_project loses what it has of
    g_keep's direction. Other parameters get the plain sum.
    """

    keep: str
    project: str
    where: str

    def __call__(self, module: nn.Module, losses: Mapping[str, Tensor]) -> None:
        """Add the joined gradients to those of the module's parameters."""
        named = [(name, weights) for name, weights in module.named_parameters() if weights.requires_grad]
        parameters = [weights for _, weights in named]
        kept = torch.autograd.grad(losses[self.keep], parameters, retain_graph=True, allow_unused=True)
        projected = torch.autograd.grad(losses[self.project], parameters, allow_unused=True)
        inside = [bool(re.search(self.where, name)) for name, _ in named]
        share = _share(kept, projected, inside)
        for parameter, keep, project, within in zip(parameters, kept, projected, inside, strict=True):
            joined = _joined(keep, project, 1 - share if within else torch.ones_like(share))
            if joined is not None:
                parameter.grad = joined if parameter.grad is None else parameter.grad + joined


def _joined(keep: Tensor | None, project: Tensor | None, kept: Tensor) -> Tensor | None:
    """The part `kept` of one gradient, and all of the other, as a tensor of its own; None where neither is there."""
    if keep is None:
        return None if project is None else project.clone()
    return keep * kept if project is None else torch.addcmul(project, keep, kept)


def _share(kept: Iterable[Tensor | None], projected: Iterable[Tensor | None], inside: Iterable[bool]) -> Tensor:
    """How much of g_keep is in g_project, where that is below 0; else 0. A scalar that stays on its device."""
    squares, products = [torch.zeros(())], [torch.zeros(())]
    for keep, project, within in zip(kept, projected, inside, strict=True):
        if within and keep is not None:
            squares.append(torch.linalg.vecdot(keep.flatten(), keep.flatten()))
            if project is not None:
                products.append(torch.linalg.vecdot(keep.flatten(), project.flatten()))
    device = squares[-1].device
    square, product = (torch.stack([value.to(device) for value in values]).sum() for values in (squares, products))
    return torch.where(product < 0, product / square, torch.zeros_like(product))
