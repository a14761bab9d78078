"""Past-Future: an exit looks at all layers so far, and imagines those to come; leave when its entropy is low.

Liao et al., "A Global Past-Future Early Exit Method for Accelerating Inference of Pre-trained Language Models", NAACL
2021. One phase on half of the depth-weighted loss and of how far imagined vectors are from the real ones. Low layers
are cut from the gradient at random, less and less often.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.exits.method import ExitOptions, TrainedExits
from elue.modeling.exits.network import ExitNetwork, Lesson
from elue.modeling.exits.objectives import depth_weighted
from elue.modeling.exits.past_future import PastFutureHeads, ThawingNetwork
from elue.modeling.exits.plan import Phase
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class PastFutureOptions(ExitOptions):
    frozen_layers: int = option(2, "lowest layers that learn more and more often as training goes on", 0)


def imitating_loss(lesson: Lesson) -> Mapping[str, Tensor]:
    """Half of the depth-weighted loss, and half of the imitation's."""
    losses = {"exits": depth_weighted(lesson)["exits"] / 2}
    return losses | {name: loss / 2 for name, loss in lesson.extras.items()}


class PastFuture(TrainedExits):
    """Exits on past and imagined vectors, and entropy.

    An exit imagines the layers above it alone; the release works out all at every exit and throws the others away,
    which adds up to about a fifth of a layer in a pass of 30 tokens through twelve layers of BERT's width. Training
    counts optimizer steps for both sides of the share that thaws; the release counts forward passes for one. Exits pool
    by mean unless told, where the paper takes the first token.
    """

    name = "past_future"
    family = "early_exit"
    title = "Past-Future: exits that imagine the layers to come"
    paper = "Liao et al. 2021, A Global Past-Future Early Exit Method, https://aclanthology.org/2021.naacl-main.162"
    summary = (
        "An exit answers by the vectors of all layers so far and by what it imagines of those to come, weighed against "
        "each other. A sample leaves at the first whose entropy is low. Easy inputs use few layers."
    )
    options = PastFutureOptions
    own_rules = ("entropy",)

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> PastFutureHeads:
        return PastFutureHeads(config, task, options.pooling)

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> ExitNetwork:
        network = ThawingNetwork(encoder, task, self.heads(encoder.config, task, options))
        network.frozen = options.frozen_layers
        return network

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        return [Phase("joint", imitating_loss, rates={"^heads": training.options.head_learning_rate})]
