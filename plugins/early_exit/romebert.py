"""RomeBERT: exits learn from labels and from the last one, whose gradient gives way to theirs.

Geng et al., "RomeBERT: Robust Training of Multi-Exit BERT", 2021, arXiv 2101.09755. One phase on the last exit's loss
and, for every other exit, (1 - γ) · loss + γ T² · KL(last ‖ exit). On weights that all share the two pull apart at
times: then the last exit's gradient loses what goes against the distillation's. Rule and exits are DeeBERT's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.distillation import self_distillation
from elue.modeling.exits.gradients import Surgery
from elue.modeling.exits.heads import OwnHeads
from elue.modeling.exits.method import ExitOptions, TrainedExits
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.plan import Phase
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.modeling.shares import checked_shares
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class RomeBertOptions(ExitOptions):
    distillation: float = option(0.9, "share of the distillation in an exit's loss, gamma", 0.0)
    temperature: float = option(3.0, "temperature of the distillation", 0.01)
    gradient_regularization: bool = option(True, "project the last exit's gradient where it goes against the others'")


def shared_weights(layers: int) -> str:
    """A pattern of the weight matrices of all layers but the last: no biases, norms or embeddings."""
    below = "|".join(str(layer) for layer in range(layers - 1))
    return rf"^encoder\.layers\.({below})\.\w+\.(query|key|value|output|inner|outer)\.weight$"


class RomeBert(TrainedExits):
    """Own exits, self-distillation, gradient surgery, and entropy.

    Distillation is kept and the last exit's gradient projected, as in the paper, on all tasks; the release swaps them
    for two. KL is the mean over samples, as the paper writes it; the release also divides it by the number of classes.
    The last layer is left out whatever the depth. Poolers start from the backbone's where it has one; exits pool by
    mean unless told, where the paper takes the first token.
    """

    name = "romebert"
    family = "early_exit"
    title = "RomeBERT: self-distilled exits and gradient surgery"
    paper = "Geng et al. 2021, RomeBERT, https://arxiv.org/abs/2101.09755"
    summary = (
        "A classifier after every layer learns from labels and from the last one, all in one training. Where its "
        "gradient and the last one's go against each other, the last one's gives way. A sample leaves at low entropy."
    )
    options = RomeBertOptions
    own_rules = ("entropy",)
    from_pooler = True

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> OwnHeads:
        return OwnHeads(config, task, options.pooling)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        options, layers = checked_shares(training.options, "distillation"), len(network.encoder.layers)
        objective = self_distillation(options.distillation, options.temperature)
        surgery = Surgery("distilled", "last", shared_weights(layers)) if options.gradient_regularization else None
        return [Phase("joint", objective, rates={"^heads": options.head_learning_rate}, combine=surgery)]
