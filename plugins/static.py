"""The static reference: the encoder cut after k layers, fine-tuned on its own for each k.

Every dynamic method is measured against this curve: what a plain model of the same kind reaches at each depth.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from elue.errors import ElueError, unknown
from elue.modeling.backbone import load_backbone
from elue.modeling.encoder import Encoder, truncated
from elue.modeling.heads import EncoderWithHead
from elue.modeling.inference import batched_logits, quality
from elue.modeling.options import TrainingOptions, option, parse_options
from elue.modeling.running import WholeModel
from elue.modeling.saving import load, save, saved_points
from elue.modeling.text import TextEncoder
from elue.modeling.training import fit
from elue.protocol import Method, Point, TaskInfo, TrainingJob


@dataclass(frozen=True, kw_only=True)
class StaticOptions(TrainingOptions):
    depths: tuple[int, ...] = option((), "depths to train, comma-separated; every one if left out", 1)


def networks_of(encoder: Encoder, task: TaskInfo, pooling: str, depths: Iterable[int]) -> dict[str, EncoderWithHead]:
    """A network of its own for each depth, by the depth as a string."""
    return {str(k): EncoderWithHead(truncated(encoder, k), task, pooling) for k in sorted(set(depths))}


class StaticModel(WholeModel):
    """Answers with the network of the depth that the point names as `layers`; the deepest until it is set."""

    def __init__(self, networks: dict[str, EncoderWithHead], text: TextEncoder, task: TaskInfo) -> None:
        super().__init__(list(networks.values())[-1], text, task)
        self.networks = networks

    def configure(self, point: Point) -> None:
        layers = str(point.get("layers", ""))
        if layers not in self.networks:
            raise unknown("value of layers", layers, self.networks, code="bad_point")
        self.use(self.networks[layers])


class Static(Method):
    """Cut, fine-tune, repeat: no decision is made at inference time."""

    name = "static"
    family = "static"
    title = "Static encoder, cut at k layers"
    paper = "Devlin et al. 2019, BERT, https://arxiv.org/abs/1810.04805"
    options = StaticOptions

    def load(self, task: TaskInfo, weights: Path | None, seed: int) -> StaticModel:
        saved = load(weights, self, task)
        layers = [int(point["layers"]) for point in saved.note["points"]]
        networks = networks_of(saved.encoder(), task, saved.options["pooling"], layers)
        saved.restore(nn.ModuleDict(networks))
        return StaticModel(networks, saved.text, task)

    def points(self, task: TaskInfo, weights: Path | None) -> Sequence[Point]:
        return saved_points(weights)

    def train(self, job: TrainingJob) -> None:
        options = parse_options(StaticOptions, job)
        encoder, text, origin = load_backbone(job, options)
        layers = sorted(set(options.depths)) or range(1, encoder.config.layers + 1)
        if max(layers) > encoder.config.layers:
            message = f"Depth {max(layers)} was asked for, the backbone has {encoder.config.layers} layers."
            raise ElueError("bad_option", message, f"Give depths from 1 to {encoder.config.layers}.")
        networks = networks_of(encoder, job.task, options.pooling, layers)
        scores = {}
        for k, network in networks.items():
            torch.manual_seed(job.seed)
            network.head.reset()
            fit(network, job, options, text, phase=f"depth-{k}")
            scores[k] = quality(batched_logits(network, job.validation, text), job.validation, job.task)
        points: list[Point] = [{"layers": k} for k in layers]
        module = nn.ModuleDict(networks)
        save(job, self, module, options, encoder.config, text, origin, points, {"layers": scores})
