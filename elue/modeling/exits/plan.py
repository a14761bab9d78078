"""Training plans: phases of what trains, on which objective, for how long and at which rates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from elue.modeling.exits.network import ExitNetwork, Objective

if TYPE_CHECKING:
    from elue.modeling.method import Training
    from elue.modeling.trainer import Ahead, Combine


@dataclass(frozen=True)
class Phase:
    """One phase of a training. What is not said is as the options have it.

    `frozen` are submodules that stay as they are, in eval mode; `rates` learning rates by patterns of parameter names;
    `combine` joins the gradients of named losses; `ahead` is called with network and batch before each step; `judged`
    are the exits, by their place, whose scores on validation data tell the best epoch (none: the last epoch is kept);
    `columns` are further numbers of each training example; `subset` are the examples it trains on, by position.
    """

    name: str
    objective: Objective
    frozen: Sequence[str] = ()
    epochs: float | None = None
    learning_rate: float | None = None
    rates: Mapping[str, float] = field(default_factory=dict)
    combine: Combine | None = None
    ahead: Ahead | None = None
    judged: Sequence[int] | None = None
    columns: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    subset: Sequence[int] | None = None


def follow(plan: Sequence[Phase], network: ExitNetwork, training: Training) -> None:
    """Train a network by the phases of a plan, in order."""
    for phase in plan:
        network.objective = phase.objective
        training.fit(
            network,
            phase=phase.name,
            epochs=phase.epochs,
            learning_rate=phase.learning_rate,
            rates=phase.rates,
            columns=phase.columns,
            subset=phase.subset,
            frozen=phase.frozen,
            combine=phase.combine,
            ahead=phase.ahead,
            judged=phase.judged,
            keep_best=phase.judged is None or bool(phase.judged),
        )
