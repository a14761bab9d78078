"""ElasticBERT: an exit after every layer, trained jointly; leave once an exit is sure enough.

Liu et al., "Towards Efficient NLP: A Standard Evaluation and A Strong Baseline", NAACL 2022, arXiv 2110.07038.
Fine-tuning as there: the sum of all exits' losses, under gradient equilibrium. Rules at inference:

- entropy (after DeeBERT, arXiv 2004.12993): leave at the first exit whose entropy -Σ p ln p is under the
  threshold. In nats and not divided by ln C, as the paper and its code have it, so that published thresholds
  mean the same here. It needs class probabilities: a regression's single output always has entropy 0.
- patience (PABEE, arXiv 2006.04152): leave once t consecutive exits repeat the answer before them, that is the
  same class, or in regression a number that differs by less than the tolerance, a share of the label's range.
- fixed: leave at exit k, whatever it says. A regression has no other way to leave at the first.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from torch import Tensor, nn

from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.exits import ExitNetwork, TrainedExits
from elue.modeling.ladder import Rule
from elue.modeling.method import Training
from elue.modeling.options import TrainingOptions, option
from elue.modeling.rules import (
    entropy_or_patience,
    entropy_points,
    numeric_patience_points,
    patience_points,
    without_repeats,
)
from elue.protocol import Point, TaskInfo


@dataclass(frozen=True, kw_only=True)
class ElasticBertOptions(TrainingOptions):
    gradient_equilibrium: bool = option(True, "scale gradients so that each layer gets the mean over its exits")
    head_learning_rate: float | None = option(None, "peak learning rate of the exits, else that of the encoder", 0.0)
    thresholds: int = option(8, "entropy thresholds the default sweep aims at, spread evenly over compute", 2)


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
    knobs = {
        "rule": {"type": "str", "choices": ["entropy", "patience", "fixed"], "help": "what decides when to leave"},
        "threshold": {"type": "float", "low": 0, "infinite": True, "help": "entropy: leave below so many nats"},
        "patience": {"type": "int", "low": 1, "help": "patience: leave after so many exits that repeat the answer"},
        "tolerance": {"type": "float", "low": 0, "help": "patience: how near numbers are the same, in a regression"},
        "exit": {"type": "int", "low": 1, "help": "fixed: the exit to leave at, from 1"},
    }

    def settled(self, options: ElasticBertOptions, config: EncoderConfig) -> ElasticBertOptions:
        rate = options.head_learning_rate
        return replace(options, head_learning_rate=options.learning_rate if rate is None else rate)

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> nn.Module:
        return ExitNetwork(encoder, task, options.pooling, options.gradient_equilibrium)

    def learn(self, network: Any, training: Training) -> None:
        training.fit(network, rates={"^exits": training.options.head_learning_rate})

    def rule(self, point: Point, task: TaskInfo) -> Rule:
        return entropy_or_patience(point, task)

    def default_points(self, logits: Tensor, task: TaskInfo, options: Any) -> list[Point]:
        """By entropy, and every patience but those that do as another point does; a regression has patience alone."""
        if task.kind == "regression":
            return [tried.setting for tried in numeric_patience_points(logits)]
        by_entropy = entropy_points(logits, options.thresholds)
        return [tried.setting for tried in without_repeats([*by_entropy, *patience_points(logits)])]
