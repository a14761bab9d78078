"""The base of methods with experts: a network, its default sweep along the knobs, and rates of the routers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from torch import Tensor, nn

from elue.modeling.encoder import Encoder
from elue.modeling.experts.model import ExpertsModel
from elue.modeling.experts.network import ExpertsNetwork
from elue.modeling.method import Sweep, TrainedMethod, Training, swept
from elue.modeling.sweep import Tried, choose, middle, ratio_middle, refine
from elue.modeling.text import TextEncoder
from elue.protocol import Point, TaskInfo


class ExpertsMethod(TrainedMethod):
    """A network with experts; of its knobs the first makes the default sweep, unless `along` leads by way of more."""

    network_type: ClassVar[type[ExpertsNetwork]]

    def ends(self, network: ExpertsNetwork) -> Sequence[float]:
        """Settings of the knob that the sweep begins with, the cheapest and the costliest among them."""
        return (0.0, float(network.options.experts))

    def along(self, network: ExpertsNetwork, place: float) -> Point:
        """The point at a place between the ends: that setting of the first knob."""
        return {network.KNOBS[0]: place}

    def halfway(self, low: float, high: float) -> float | None:
        """A place between two, of very different ones by ratio, or None where there is none that differs."""
        return ratio_middle(low, high) if high > 4 * low > 0 else middle(low, high)

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
            network.at(self.along(network, setting))
            tried = training.tried(network, setting, "ran", attends=False)
            return replace(tried, costs=spent(tried.costs, network, training), weights=None)

        if isinstance(trained, int):
            chosen = choose([measure(setting) for setting in settings], always=settings)
        else:
            chosen = choose(refine(measure, settings, self.halfway), always=settings)
        network.at({})
        if all(self.along(network, tried.setting).keys() == {knob} for tried in chosen):
            return swept(knob, chosen)
        points = [self.along(network, tried.setting) for tried in chosen]
        return points, {
            "points": [{"point": point, **tried.notes} for point, tried in zip(points, chosen, strict=True)]
        }


def spent(ran: Tensor, network: ExpertsNetwork, training: Training) -> Tensor:
    """Multiply-adds of all layers for each validation sample, (samples,), of which experts `ran` such shares."""
    tokens, config = training.judged_tokens, training.encoder.config
    attention = config.layers * config.attention_products(tokens)
    half, sparse = config.feed_forward_products(tokens), len(network.numbered())
    return len(network.turns()) * (attention + (config.layers - sparse) * half) + sparse * ran.double() * half


def rates_of(options: Any) -> dict[str, float]:
    """Learning rates by parameter name."""
    return {"router": options.router_rate} if hasattr(options, "router_rate") else {}
