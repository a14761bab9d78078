"""COSEE: training imitates leaving, so that each exit learns most from the samples that will leave there.

He et al., "COSEE: Consistency-Oriented Signal-Based Early Exiting via Calibrated Sample Weighting Mechanism", AAAI
2025, arXiv 2412.13236. At every step thresholds are drawn; a sample's loss weighs most at the exit where it would leave
under each. A second loss holds the signal of right answers under that of wrong ones. A sample leaves at the first exit
whose normalised energy sigmoid(-logsumexp z) is under the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.heads import SharedPoolerHeads
from elue.modeling.exits.imitation import imitating
from elue.modeling.exits.method import ExitOptions, TrainedExits
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.plan import Phase
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class CoseeOptions(ExitOptions):
    draws: int = option(5, "thresholds drawn at every step", 1)
    sharpness: float = option(10.0, "how sharply weights fall away from the exit taken, at the end of training", 0.0)
    contrast: float = option(0.1, "weight of the loss that orders signals of right and wrong answers", 0.0)
    margin: float = option(0.3, "how far they are to be apart", 0.0)


class Cosee(TrainedExits):
    """Exits on a shared pooler, losses weighted by where samples leave, and normalised energy.

    Thresholds are drawn within a batch's own range of signals; in the release, within that of the epoch before, and of
    0 to 1 in the first. The weights are those of its script for SST-2. Poolers start from the backbone's where it has
    one; exits pool by mean unless told, where the paper takes the first token.
    """

    name = "cosee"
    family = "early_exit"
    title = "COSEE: training that imitates leaving"
    paper = "He et al. 2025, COSEE, https://arxiv.org/abs/2412.13236"
    summary = (
        "Classifiers after every layer learn most from the samples that would leave there, at thresholds drawn anew at "
        "every step. A sample leaves at the first whose energy is low. Easy inputs use few layers."
    )
    options = CoseeOptions
    own_rules = ("normalised_energy",)
    from_pooler = True

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> SharedPoolerHeads:
        return SharedPoolerHeads(config, task, options.pooling)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        options = training.options
        objective = imitating(options.draws, options.sharpness, options.contrast, options.margin)
        return [Phase("joint", objective, rates={"^heads": options.head_learning_rate})]
