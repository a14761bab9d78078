"""ElasticBERT: an exit after every layer, trained jointly; leave once an exit is sure enough.

Liu et al., "Towards Efficient NLP: A Standard Evaluation and A Strong Baseline", NAACL 2022, arXiv 2110.07038.
Fine-tuning as there: the sum of all exits' losses, under gradient equilibrium. Rules at inference:

- entropy (after DeeBERT, arXiv 2004.12993): leave at the first exit whose entropy -Σ p ln p is under the
  threshold. In nats and not divided by ln C, as the paper and its code have it, so that published thresholds
  mean the same here. It needs class probabilities: a regression's single output always has entropy 0.
- patience (PABEE, arXiv 2006.04152): leave once t consecutive exits repeat the answer before them, that is the
  same class, or in regression a number that differs by less than the tolerance, a share of the label's range.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.exits.heads import OwnHeads
from elue.modeling.exits.method import ExitOptions, TrainedExits
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.objectives import sum_of_exits
from elue.modeling.exits.plan import Phase
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class ElasticBertOptions(ExitOptions):
    gradient_equilibrium: bool = option(True, "scale gradients so that each layer gets the mean over its exits")


class ElasticBert(TrainedExits):
    """Exits at every layer, joint training, entropy or patience.

    What the paper names so is a model pre-trained with exits; this is its fine-tuning, exits under gradient equilibrium
    on any encoder, and has no multi-exit pre-training unless the backbone is the released ElasticBERT, whose encoder
    loads. Other differences from the release: exits pool by mean unless told, and start at random where those of the
    release start from pre-trained poolers; their rate may differ from the encoder's; a sample that has left costs
    nothing further.
    """

    name = "elasticbert"
    family = "early_exit"
    title = "ElasticBERT: exits after every layer"
    paper = "Liu et al. 2022, Towards Efficient NLP, https://arxiv.org/abs/2110.07038"
    summary = (
        "A classifier stands after every layer, and all are trained together. A sample leaves at the first one that "
        "is sure enough, by the entropy of its answer or because several in a row agree. Easy inputs use few layers."
    )
    options = ElasticBertOptions
    own_rules = ("entropy", "patience")
    numeric_rules = ("patience", "fixed")

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> OwnHeads:
        return OwnHeads(config, task, options.pooling)

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> ExitNetwork:
        heads = self.heads(encoder.config, task, options)
        return ExitNetwork(encoder, task, heads, balanced=options.gradient_equilibrium)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        return [Phase("joint", sum_of_exits, rates={"^heads": training.options.head_learning_rate})]
