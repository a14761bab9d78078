"""The static reference: the encoder cut after k layers, fine-tuned on its own for each k.

Every dynamic method is measured against this curve: what a plain model of the same kind reaches at each depth.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

from elue.errors import ElueError, unknown
from elue.modeling.encoder import Encoder, EncoderConfig, truncated
from elue.modeling.heads import EncoderWithHead
from elue.modeling.method import Sweep, TrainedMethod, Training, along
from elue.modeling.options import TrainingOptions, option
from elue.modeling.running import WholeModel
from elue.modeling.text import TextEncoder
from elue.protocol import Point, TaskInfo


@dataclass(frozen=True, kw_only=True)
class StaticOptions(TrainingOptions):
    depths: tuple[int, ...] = option((), "depths to train, comma-separated; every one if left out", 1)


def networks_of(encoder: Encoder, task: TaskInfo, pooling: str, depths: Iterable[int]) -> nn.ModuleDict:
    """A network of its own for each depth, by the depth as a string."""
    return nn.ModuleDict({str(k): EncoderWithHead(truncated(encoder, k), task, pooling) for k in sorted(set(depths))})


class StaticModel(WholeModel):
    """Answers with the network of the depth that the point names as `layers`; the deepest until it is set."""

    def __init__(self, networks: Any, text: TextEncoder, task: TaskInfo) -> None:
        super().__init__(list(networks.values())[-1], text, task)
        self.networks = networks

    def configure(self, point: Point) -> None:
        layers = str(point.get("layers", ""))
        if layers not in self.networks:
            raise unknown("value of layers", layers, self.networks, code="bad_point")
        self.use(self.networks[layers])


class Static(TrainedMethod):
    """Cut, fine-tune, repeat: no decision is made at inference time.

    Differences from BERT's own fine-tuning: the head pools by mean unless told, and has a tanh layer of its own that
    starts at random at every depth, the deepest too, where BERT's starts from its pre-trained pooler.
    """

    name = "static"
    family = "static"
    title = "Static encoder, cut at k layers"
    paper = "Devlin et al. 2019, BERT, https://arxiv.org/abs/1810.04805"
    summary = (
        "The encoder is cut after a number of layers and gets a head of its own there. Every sample takes the same "
        "way through it. Its depths make the reference curve that all scores are taken against."
    )
    options = StaticOptions
    knobs = {"layers": {"type": "int", "low": 1, "help": "depth of the network that answers, one of those trained"}}

    def settled(self, options: StaticOptions, config: EncoderConfig) -> StaticOptions:
        if max(options.depths, default=1) > config.layers:
            message = f"Depth {max(options.depths)} was asked for, the backbone has {config.layers} layers."
            raise ElueError("bad_option", message, f"Give depths from 1 to {config.layers}.")
        return options if options.depths else replace(options, depths=tuple(range(1, config.layers + 1)))

    def network(self, encoder: Encoder, task: TaskInfo, options: StaticOptions) -> nn.ModuleDict:
        return networks_of(encoder, task, options.pooling, options.depths)

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> StaticModel:
        return StaticModel(network, text, task)

    def learn(self, network: Any, training: Training) -> None:
        for depth, cut in network.items():
            torch.manual_seed(training.job.seed)
            cut.head.reset()
            training.fit(cut, phase=f"depth-{depth}")

    def sweep(self, network: Any, training: Training) -> Sweep:
        scores = {int(depth): training.quality(training.logits(cut)) for depth, cut in network.items()}
        return along("layers", scores)
