"""Which modules of a network with exits are the heads of some of them."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from elue.modeling.exits.network import ExitNetwork


def own_heads(network: ExitNetwork, layers: Iterable[int]) -> list[str]:
    """Names of the modules that the exits after these layers, from 1, have for themselves.

    An exit that no loss of a phase looks at is to be frozen in it: its gradient is 0, and weight decay would shrink it.
    """
    by_layer = [(name, part) for name, part in network.heads.named_children() if isinstance(part, nn.ModuleDict)]
    return [f"heads.{name}.{layer}" for layer in layers for name, part in by_layer if str(layer) in part]
