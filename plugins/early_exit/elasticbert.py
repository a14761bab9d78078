"""ElasticBERT: an exit after every layer, trained jointly; leave once an exit is sure enough.

Liu et al., "Towards Efficient NLP: A Standard Evaluation and A Strong Baseline", NAACL 2022, arXiv 2110.07038.
Fine-tuning as there: the sum of all exits' losses, under gradient equilibrium. Two rules at inference:

- entropy (after DeeBERT, arXiv 2004.12993): leave at the first exit whose entropy -Σ p ln p is under the
  threshold. In nats and not divided by ln C, as the paper and its code have it, so that published thresholds
  mean the same here. It needs class probabilities: a regression's single output always has entropy 0.
- patience (PABEE, arXiv 2006.04152): leave once t consecutive exits repeat the answer before them, that is the
  same class, or in regression a number that differs by less than the tolerance, a share of the label's range.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from elue.modeling.encoder import Encoder
from elue.modeling.exits import ExitModel, ExitNetwork, entropy, spread_thresholds
from elue.modeling.ladder import Rule
from elue.modeling.method import Sweep, TrainedMethod, Training
from elue.modeling.options import TrainingOptions, option
from elue.modeling.rules import entropy_or_patience
from elue.modeling.text import TextEncoder
from elue.protocol import Point, TaskInfo


@dataclass(frozen=True, kw_only=True)
class ElasticBertOptions(TrainingOptions):
    gradient_equilibrium: bool = option(True, "scale gradients so that each layer gets the mean over its exits")
    head_learning_rate: float | None = option(None, "peak learning rate of the exits, else that of the encoder", 0.0)
    thresholds: int = option(8, "entropy thresholds in the default sweep, spread evenly over compute", 1)


class ElasticBert(TrainedMethod):
    """Exits at every layer, joint training, entropy or patience."""

    name = "elasticbert"
    family = "early_exit"
    title = "ElasticBERT: exits after every layer"
    paper = "Liu et al. 2022, Towards Efficient NLP, https://arxiv.org/abs/2110.07038"
    options = ElasticBertOptions
    knobs = {
        "rule": {"type": "str", "choices": ["entropy", "patience"], "help": "what decides when to leave"},
        "threshold": {"type": "float", "low": 0, "infinite": True, "help": "entropy: leave below so many nats"},
        "patience": {"type": "int", "low": 1, "help": "patience: leave after so many exits that repeat the answer"},
        "tolerance": {"type": "float", "low": 0, "help": "patience: how near numbers are the same, in a regression"},
    }

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> nn.Module:
        return ExitNetwork(encoder, task, options.pooling, options.gradient_equilibrium)

    def rule(self, point: Point, task: TaskInfo) -> Rule:
        """When a sample leaves at a point."""
        return entropy_or_patience(point, task)

    def model(self, network: Any, text: TextEncoder, task: TaskInfo) -> ExitModel:
        return ExitModel(network, text, task, self.rule)

    def learn(self, network: Any, training: Training) -> None:
        rate = training.options.head_learning_rate
        training.fit(network, rates={} if rate is None else {"^exits": rate})

    def sweep(self, network: Any, training: Training) -> Sweep:
        task, logits = training.job.task, training.logits(network)
        points, scores = default_points(logits, task, training.options.thresholds), []
        for point in points:
            layers, score = training.under(self.rule(point, task), logits)
            scores.append({"point": point, "layers": layers, "score": score})
        return points, {"exits": [training.quality(one) for one in logits.unbind(1)], "points": scores}


def default_points(logits: Tensor, task: TaskInfo, thresholds: int) -> list[dict[str, Any]]:
    """Entropy thresholds whose mean exit layers spread evenly, and every patience, from validation logits.

    A regression has patience alone, its tolerance the median difference between one exit and the next.
    """
    patience: list[dict[str, Any]] = [{"rule": "patience", "patience": t} for t in range(1, logits.shape[1])]
    if task.kind == "regression":
        tolerance = float(f"{logits.squeeze(-1).diff(dim=1).abs().median().item():.3g}")
        return [{**point, "tolerance": tolerance} for point in patience]
    chosen = spread_thresholds(entropy(logits), thresholds)
    return [{"rule": "entropy", "threshold": threshold} for threshold in chosen] + patience
