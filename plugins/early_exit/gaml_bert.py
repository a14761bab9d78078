"""GAML-BERT: exits learn from labels and from one another, and where these pull apart labels win.

Zhu et al., "GAML-BERT: Improving BERT Early Exiting by Gradient Aligned Mutual Learning", EMNLP 2021. One phase on the
sum of all exits' losses and Σ KL(exit ‖ other exit) over all ordered pairs. On weights that exits share, a gradient of
the distillation that goes against that of the labels loses what it has of its direction. Rule and exits are PABEE's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.distillation import mutual
from elue.modeling.exits.gradients import Surgery
from elue.modeling.exits.heads import SharedPoolerHeads
from elue.modeling.exits.method import ExitOptions, TrainedExits
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.plan import Phase
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.protocol import TaskInfo

SHARED = r"^(encoder|heads\.dense)\."
"""What more than one exit uses: the encoder and the pooler."""


@dataclass(frozen=True, kw_only=True)
class GamlBertOptions(ExitOptions):
    mutual_weight: float = option(1.0, "weight of learning from one another beside labels", 0.0)


class GamlBert(TrainedExits):
    """Exits on a shared pooler, mutual learning, gradient alignment, and patience.

    There is no code of the authors' to compare with. That exits teach all others at a temperature of 1 without learning
    by it, that both losses weigh alike, how gradients are projected, over all shared weights at once, and the rule are
    our reading of the paper. The pooler starts from the backbone's where it has one; exits pool by mean unless told.
    """

    name = "gaml_bert"
    family = "early_exit"
    title = "GAML-BERT: exits that teach one another"
    paper = "Zhu et al. 2021, GAML-BERT, https://aclanthology.org/2021.emnlp-main.242"
    summary = (
        "Classifiers after every layer learn from labels and from each other; where the two pull shared weights apart, "
        "labels win. A sample leaves once several exits in a row give the same answer. Easy inputs use few layers."
    )
    options = GamlBertOptions
    own_rules: ClassVar[Sequence[str]] = ("patience",)
    from_pooler = True

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> SharedPoolerHeads:
        return SharedPoolerHeads(config, task, options.pooling)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        rates = {"^heads": training.options.head_learning_rate}
        objective = mutual(training.options.mutual_weight)
        return [Phase("joint", objective, rates=rates, combine=Surgery("exits", "mutual", SHARED))]
