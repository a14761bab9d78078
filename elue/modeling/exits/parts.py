"""Which heads of a network with exits stay as they are while others learn."""

from __future__ import annotations

from torch import nn

from elue.modeling.exits.network import ExitNetwork


def in_turn(network: ExitNetwork) -> tuple[list[str], list[str]]:
    """What is frozen while the last exit learns, and what while the others do: modules by name, the encoder beside.

    The first are the heads that no loss looks at yet: their gradient is 0, and weight decay would shrink them.
    """
    by_layer = [(name, part) for name, part in network.heads.named_children() if isinstance(part, nn.ModuleDict)]
    own = [[f"heads.{name}.{layer}" for name, part in by_layer if str(layer) in part] for layer in network.layers]
    return [name for early in own[:-1] for name in early], ["encoder", *own[-1]]
