"""Voting: exits that are trained to differ, and leave by the votes of all that were asked.

Sun T. et al., "Early Exiting with Ensemble Internal Classifiers", 2021, arXiv 2105.13792. One phase on the sum of all
exits' losses, less μ times the cross-entropy of each to the nearest exit before it. After m exits a sample leaves once
the votes for one class, over m ** λ, reach the threshold; the majority answers, not the exit it leaves at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.distillation import diverse
from elue.modeling.exits.heads import OwnHeads
from elue.modeling.exits.method import ExitOptions, TrainedExits
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.plan import Phase
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class VotingOptions(ExitOptions):
    diversity: float = option(0.1, "weight of the loss that drives exits apart, which has no bound: keep it small", 0.0)


class Voting(TrainedExits):
    """Own exits, diverse training, and votes.

    There is no code of the authors' to compare with. The objective is the paper's equation 14 as others quote it; that
    votes are weighed by a power of the number of exits is our reading, and that every exit has a pooler of its own, our
    choice. Ties go to the class that is likelier on average. Exits pool by mean unless told.
    """

    name = "voting"
    family = "early_exit"
    title = "Voting: an ensemble of the exits so far"
    paper = "Sun et al. 2021, Early Exiting with Ensemble Internal Classifiers, https://arxiv.org/abs/2105.13792"
    summary = (
        "Classifiers after every layer are trained to be right and to differ from their nearest predecessor. A sample "
        "leaves once enough of those asked agree, and their majority answers. Easy inputs use few layers."
    )
    options = VotingOptions
    own_rules = ("votes",)

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> OwnHeads:
        return OwnHeads(config, task, options.pooling)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        objective = diverse(training.options.diversity)
        return [Phase("joint", objective, rates={"^heads": training.options.head_learning_rate})]
