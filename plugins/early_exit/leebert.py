"""LeeBERT: exits learn from labels and from one another, by weights that are learned on the other half of the data.

Zhu, "LeeBERT: Learned Early Exit for BERT with Cross-Level Optimization", ACL 2021. One phase on Σ w_m · loss_m and
Σ w_mt · KL(exit t ‖ exit m). The training data are two halves. Before each step the weights are changed so that a step
on the first half lowers the plain sum of all exits' losses on both. Rule and exits are PABEE's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.conformal import parts
from elue.modeling.exits.crossed import HALF, CrossLevel
from elue.modeling.exits.heads import SharedPoolerHeads
from elue.modeling.exits.method import ExitOptions, TrainedExits
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.plan import Phase
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class LeeBertOptions(ExitOptions):
    learn_from: str = option("all", "which exits an exit learns from beside labels", choices=("all", "later"))
    weight_rate: float = option(1e-3, "learning rate of the losses' weights", 0.0)
    first_half: float = option(1.0, "how much the half that a step is tried on counts in judging it", 0.0)


class LeeBert(TrainedExits):
    """Exits on a shared pooler, mutual distillation, cross-level optimisation, and patience.

    After LeeBERT, of which there is no code: that exits distil from one another by weights learned on a second half is
    the paper's; the rest is our reading. A step is tried on the first half's part of a batch, plainly and as long as
    the encoder's learning rate, without dropout; its outcome is the unweighted losses on both parts; the derivative is
    exact; the weights, softplus of free numbers, start at 1 for an exit's own loss and 1 / exits for each other exit's
    lesson, and have an Adam of their own. Then all parameters take a step on the whole batch by the new weights.
    Divergence is KL from teacher to exit, and teachers do not learn by it. Halves are drawn by the seed. The pooler
    starts from the backbone's where it has one; exits pool by mean unless told.
    """

    name = "leebert"
    family = "early_exit"
    title = "LeeBERT: exits that learn by learned weights"
    paper = "Zhu 2021, LeeBERT, https://aclanthology.org/2021.acl-long.231"
    summary = (
        "Classifiers after every layer learn from labels and from each other, and how much each lesson weighs is "
        "learned on other data. A sample leaves once several exits in a row give the same answer. Easy inputs use few "
        "layers."
    )
    options = LeeBertOptions
    own_rules: ClassVar[Sequence[str]] = ("patience",)
    from_pooler = True

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> SharedPoolerHeads:
        return SharedPoolerHeads(config, task, options.pooling)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        options, count = training.options, len(training.job.train)
        _, second = parts(count, 0.5, training.job.seed)
        held = set(second)
        halves = [float(place in held) for place in range(count)]
        crossed = CrossLevel(
            network.task,
            step=options.learning_rate,
            rate=options.weight_rate,
            first=options.first_half,
            later=options.learn_from == "later",
        )
        crossed.begin(network)
        rates = {"^heads": options.head_learning_rate}
        return [Phase("joint", crossed.objective(network), rates=rates, columns={HALF: halves}, ahead=crossed)]
