"""The base of methods with experts: a network, its default sweep along the knobs, and rates of the routers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from torch import nn

from elue.modeling.encoder import Encoder
from elue.modeling.experts.model import ExpertsModel
from elue.modeling.experts.network import ExpertsNetwork
from elue.modeling.method import Sweep, TrainedMethod, Training, swept
from elue.modeling.sweep import Tried, choose, middle, refine
from elue.modeling.text import TextEncoder
from elue.protocol import TaskInfo


class ExpertsMethod(TrainedMethod):
    """A network with experts; of its knobs the first makes the default sweep."""

    network_type: ClassVar[type[ExpertsNetwork]]

    def ends(self, network: ExpertsNetwork) -> Sequence[float]:
        """Settings of the knob that the sweep begins with, the cheapest and the costliest among them."""
        return (0.0, float(network.options.experts))

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> nn.Module:
        return self.network_type(encoder, task, options)

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> ExpertsModel:
        return ExpertsModel(network, text, task)

    def learn(self, network: Any, training: Training) -> None:
        training.fit(network, rates=rates_of(training.options))

    def sweep(self, network: Any, training: Training) -> Sweep:
        """From end to end of the first knob, the setting of training among them; all of them where it counts.

        The share of feed-forwards that ran is noted as "ran", in percent, beside the score.
        """
        (knob,) = network.KNOBS[:1]
        trained, ends = network.trained[knob], tuple(self.ends(network))
        settings = sorted({*ends, *([trained] if min(ends) < trained < max(ends) else [])})

        def measure(setting: float) -> Tried:
            network.at({knob: setting})
            return training.tried(network, setting, "ran", attends=False)

        if isinstance(trained, int):
            chosen = choose([measure(setting) for setting in settings], always=settings)
        else:
            chosen = choose(refine(measure, settings, middle), always=settings)
        network.at({})
        return swept(knob, chosen)


def rates_of(options: Any) -> dict[str, float]:
    """Learning rates by parameter name."""
    return {"router": options.router_rate} if hasattr(options, "router_rate") else {}
