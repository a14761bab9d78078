"""DeeBERT: exits trained after the encoder, which stays as it was; leave once an exit's entropy is low.

Xin et al., "DeeBERT: Dynamic Early Exiting for Accelerating BERT Inference", ACL 2020, arXiv 2004.12993. Two phases on
the same data: the encoder and the last exit on the last exit's loss, as in ordinary fine-tuning; then the other exits
on the sum of their losses, with all else frozen. A sample leaves at the first exit whose entropy, in nats, is under the
threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.heads import OwnHeads
from elue.modeling.exits.method import ExitOptions, TrainedExits
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.objectives import all_but_last, last_exit
from elue.modeling.exits.parts import in_turn
from elue.modeling.exits.plan import Phase
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class DeeBertOptions(ExitOptions):
    TINY: ClassVar[dict[str, Any]] = {**ExitOptions.TINY, "exit_epochs": 2.0}

    exit_epochs: float = option(3.0, "epochs that the exits before the last are trained for, on a frozen encoder", 0.0)


class DeeBert(TrainedExits):
    """Exits on a frozen encoder, and entropy.

    Frozen means frozen here: the encoder runs without dropout in the second phase, and its gradients do not enter the
    clipping norm, as they do in the release. The release gives the last layer a second head that is never trained and
    may answer; here the last exit is the ordinary one. Poolers start from the backbone's where it has one, as there;
    exits pool by mean unless told, where the paper takes the first token.
    """

    name = "deebert"
    family = "early_exit"
    title = "DeeBERT: exits on a frozen encoder"
    paper = "Xin et al. 2020, DeeBERT, https://arxiv.org/abs/2004.12993"
    summary = (
        "The encoder is fine-tuned as usual, then a classifier is trained after every layer while the encoder stays as "
        "it is. A sample leaves at the first one whose entropy is low. Easy inputs use few layers."
    )
    options = DeeBertOptions
    own_rules = ("entropy",)
    from_pooler = True

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> OwnHeads:
        return OwnHeads(config, task, options.pooling)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        options, early = training.options, range(len(network.layers) - 1)
        waiting, still = in_turn(network)
        rates = {"^heads": options.head_learning_rate}
        return [
            Phase("trunk", last_exit, frozen=waiting, judged=[len(early)]),
            Phase("exits", all_but_last, frozen=still, epochs=options.exit_epochs, rates=rates, judged=early),
        ]
