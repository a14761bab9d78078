"""Committees: complete models in order of cost, asked one after another until their mean is sure enough.

Wang X. et al., "Wisdom of Committees: An Overlooked Approach To Faster and More Accurate Models", ICLR 2022, arXiv
2012.01988. After each model the probabilities of all asked so far are averaged; once the highest mean is above the
threshold, the mean answers. Nothing is trained for it: the members are networks of `static`, taken from its weights
folder by the option `trained`, or made here by the same code.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from torch import nn

from elue.errors import ElueError
from elue.modeling.cascade import TrainedCascade, depths_of
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.heads import EncoderWithHead
from elue.modeling.method import Training
from elue.modeling.options import option, parse_options
from elue.modeling.reuse import as_trained, weights_digest
from elue.modeling.saving import load
from elue.plugins.static import Static, StaticOptions, networks_of
from elue.protocol import TaskInfo, TrainingJob


@dataclass(frozen=True, kw_only=True)
class CommitteeOptions(StaticOptions):
    depths: tuple[int, ...] = option((), "depths of the members; 1/4, 1/2 and all of the backbone if left out", 1)
    trained: str = option("", "weights folder of static to take the members from; what is noted of it is its digest")
    thresholds: int = option(8, "thresholds the default sweep aims at, spread evenly over compute", 2)


OWN = ("depths", "trained", "thresholds")
"""Options that do something where the members are trained already."""


class Committees(TrainedCascade):
    """Members of several depths, each trained by itself, and one threshold on their mean probability.

    Differences from the paper: its members are of several architectures, these are one encoder cut at several depths
    and trained from one seed; one threshold holds for all, where the paper may choose one a member on held-out data.
    That members are averaged, and that they stop above the threshold, not at it, is our reading.
    """

    name = "committees"
    family = "cascade"
    title = "Committees: complete models whose mean answers"
    paper = "Wang et al. 2022, Wisdom of Committees, https://arxiv.org/abs/2012.01988"
    summary = (
        "Complete models of growing depth stand one behind the other, each trained by itself. What they answer is "
        "averaged as they are asked. As soon as the mean is confident enough, it is the answer."
    )
    options = CommitteeOptions
    asks = "mean_probability"
    knobs = {"threshold": {"type": "float", "low": 0, "high": 1, "help": "mean probability above which it is answered"}}

    def settled(self, options: CommitteeOptions, config: EncoderConfig) -> CommitteeOptions:
        options = replace(options, depths=depths_of(options.depths, config, "committee"))
        return replace(options, trained=weights_digest(Path(options.trained))) if options.trained else options

    def network(self, encoder: Encoder, task: TaskInfo, options: CommitteeOptions) -> nn.ModuleDict:
        return networks_of(encoder, task, options.pooling, options.depths)

    def stages(self, network: Any) -> Mapping[str, EncoderWithHead]:
        return {f"depth-{depth}": member for depth, member in network.items()}

    def train(self, job: TrainingJob) -> None:
        trained = parse_options(CommitteeOptions, job).trained
        super().train(as_trained(job, Path(trained), Static(), CommitteeOptions, OWN) if trained else job)

    def learn(self, network: Any, training: Training) -> None:
        job = training.job
        if not training.options.trained:
            Static().learn(network, training)
            return
        saved = load(Path(str(job.options["trained"])), Static(), job.task)
        depths, pooling = saved.options["depths"], saved.options["pooling"]
        cuts = saved.restore(networks_of(saved.encoder(), job.task, pooling, depths))
        for depth, member in network.items():
            if depth not in cuts:
                message = f"These static networks have no depth {depth}: it was not trained."
                raise ElueError("bad_option", message, f"Set depths to some of {', '.join(cuts)}.")
            member.load_state_dict(cuts[depth].state_dict())
        network.eval()
