"""RightTool: exits after a few layers, each on a mixture of all layers so far, calibrated; leave when confident.

Schwartz et al., "The Right Tool for the Job: Matching Model and Instance Complexities", ACL 2020, arXiv 2004.07453. One
pooler serves every layer, and an exit classifies a weighted sum of the pooled vectors of the layers up to it. One phase
on the sum of all exits' losses; afterwards each exit gets a temperature. A sample leaves at the first exit whose
highest probability, at its temperature, is above the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from elue.errors import ElueError
from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.calibration import temperatures_of
from elue.modeling.exits.method import ExitOptions, TrainedExits
from elue.modeling.exits.mixture import MixtureHeads
from elue.modeling.exits.network import TEMPERATURES, ExitNetwork
from elue.modeling.exits.objectives import sum_of_exits
from elue.modeling.exits.plan import Phase
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class RightToolOptions(ExitOptions):
    exits: tuple[int, ...] = option(
        (), "layers with an exit; if not given, at the shares of 1, 4, 6 and 12 of 12, as in the paper's base", 1
    )


class RightTool(TrainedExits):
    """Few exits on mixtures of layers, temperatures, and confidence.

    The mixing weights train; in the release they are made anew after every step, and never do. Temperatures are fitted
    on half of the validation data, and the epoch is chosen on the other half; points are chosen on all of it. The
    release takes all for both. Mixing weights start alike, there as a random unit vector. A sample leaves above the
    threshold; at it, only in the paper. The pooler starts from the backbone's where it has one; it reads the mean of
    the tokens unless told, where the paper takes the first.
    """

    name = "righttool"
    family = "early_exit"
    title = "RightTool: a few calibrated exits"
    paper = "Schwartz et al. 2020, The Right Tool for the Job, https://arxiv.org/abs/2004.07453"
    summary = (
        "Classifiers stand after a few layers, each on a mixture of all layers so far, and their confidence is "
        "calibrated after training. A sample leaves at the first that is confident enough. Easy inputs use few layers."
    )
    options = RightToolOptions
    own_rules = ("confidence",)
    from_pooler = True
    calibration = 0.5

    def settled(self, options: Any, config: EncoderConfig) -> Any:
        layers = config.layers
        exits = tuple(sorted(set(options.exits or [1, -(-layers // 3), -(-layers // 2), layers])))
        if exits[-1] != layers or len(exits) < 2:
            message = f"Option 'exits' can't be {', '.join(map(str, exits))} on {layers} layers."
            raise ElueError("bad_option", message, f"Name two layers or more of 1 to {layers}, the last among them.")
        return super().settled(replace(options, exits=exits), config)

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> MixtureHeads:
        return MixtureHeads(config, task, options.pooling, options.exits)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        return [Phase("joint", sum_of_exits, rates={"^heads": training.options.head_learning_rate})]

    def calibrate(self, network: ExitNetwork, training: Training) -> None:
        labels = [example.label for example in training.job.validation]
        network.tables.keep(TEMPERATURES, temperatures_of(training.logits(network), labels))
