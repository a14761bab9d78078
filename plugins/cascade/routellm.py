"""RouteLLM's idea on encoders: a router reads the text first and says which of two models answers.

Ong et al., "RouteLLM: Learning to Route LLMs with Preference Data", 2024, arXiv 2406.18665. The router tells how likely
the strong model wins over the weak one; at a threshold or above, the strong one answers, else the weak one, and the
other is not run. The router runs for every sample and is part of the cost.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from elue.errors import ElueError
from elue.modeling.cascade import CascadeOptions, TrainedCascade
from elue.modeling.encoder import Encoder, EncoderConfig, truncated
from elue.modeling.heads import EncoderWithHead
from elue.modeling.held_out import check_share, held_out
from elue.modeling.kinds import kind_of
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.modeling.router import RoutedModel, Router, wins
from elue.modeling.signals import LOGITS, SCORES, Signals
from elue.modeling.text import TextEncoder
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class RouteLlmOptions(CascadeOptions):
    router_layers: int = option(1, "layers of the backbone that the router is made of", 1)
    held_out: float = option(
        0.2, "share of the training data that the models don't see and the router learns from", 0.0
    )


class RouteLlm(TrainedCascade):
    """A router of few layers, a small model and the full one.

    Differences: the paper routes between language models, by preferences of people and of a judge; here the strong
    model wins where it is right and the weak one wrong, and a tie counts for the weak one from the start, where the
    paper's router on BERT tells ties apart and adds them to the weak model in the end. Thresholds are even in compute,
    where they are quantiles of the score on sample prompts there. Models know what they were trained on too well to
    tell who wins there, so that a share of the training data is held out for the router, and its last epoch is kept. Of
    the paper's routers this is the one on an encoder.
    """

    name = "routellm"
    family = "cascade"
    title = "RouteLLM: a router chooses the model"
    paper = "Ong et al. 2024, RouteLLM, https://arxiv.org/abs/2406.18665"
    summary = (
        "A small network reads each text first and tells how likely the full model does better on it than the small "
        "one. By that, one of the two is run. The router's own cost is counted for every text."
    )
    options = RouteLlmOptions
    asks = "score"
    tells = (LOGITS, SCORES)
    knobs = {"threshold": {"type": "float", "low": 0, "help": "score from which on the full model answers"}}

    def supports(self, task: TaskInfo) -> str | None:
        if kind_of(task).numbers:
            return "its router learns who is right, and numbers are neither right nor wrong"
        return None

    def settled(self, options: RouteLlmOptions, config: EncoderConfig) -> RouteLlmOptions:
        if options.router_layers > config.layers:
            message = f"router_layers is {options.router_layers}, and the backbone has {config.layers} layers."
            raise ElueError("bad_option", message, f"Give {config.layers} or less.")
        check_share(options.held_out, "router")
        return super().settled(options, config)

    def network(self, encoder: Encoder, task: TaskInfo, options: RouteLlmOptions) -> nn.ModuleDict:
        networks: dict[str, nn.Module] = {"router": Router(truncated(encoder, options.router_layers), options.pooling)}
        for name, depth in (("shallow", options.shallow_layers), ("full", encoder.config.layers)):
            networks[name] = EncoderWithHead(truncated(encoder, depth), task, options.pooling)
        return nn.ModuleDict(networks)

    def stages(self, network: Any) -> dict[str, EncoderWithHead]:
        return {name: network[name] for name in ("shallow", "full")}

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> RoutedModel:
        return RoutedModel(network, network["router"], self.stages(network), text, task, self.rule)

    def learn(self, network: Any, training: Training) -> None:
        seen, held = held_out(training, training.options.held_out)
        for name, stage in self.stages(network).items():
            training.fit(stage, phase=name, subset=seen)
        columns = {"wins": wins(training, network["shallow"], network["full"], held)}
        training.fit(network["router"], phase="router", subset=held, columns=columns, keep_best=False)

    def seen(self, network: Any, training: Training) -> Signals:
        score = training.outputs(network["router"])[SCORES]
        logits = super().seen(network, training).of_logits()
        return Signals.whole(logits, torch.stack([score, torch.zeros_like(score)], 1))

    def layers(self, network: Any) -> torch.Tensor:
        """The router's and those of the one model that runs."""
        return torch.tensor(
            [len(network["router"].encoder.layers) + len(network[name].encoder.layers) for name in ("shallow", "full")]
        )
