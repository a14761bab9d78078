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

import math
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from elue.modeling import sweep
from elue.modeling.encoder import Encoder
from elue.modeling.exits import ExitModel, ExitNetwork, entropy
from elue.modeling.ladder import Rule, simulate
from elue.modeling.method import Sweep, TrainedMethod, Training
from elue.modeling.options import TrainingOptions, option
from elue.modeling.rules import entropy_or_patience
from elue.modeling.sweep import Tried, choose
from elue.modeling.text import TextEncoder
from elue.protocol import Point, TaskInfo


@dataclass(frozen=True, kw_only=True)
class ElasticBertOptions(TrainingOptions):
    gradient_equilibrium: bool = option(True, "scale gradients so that each layer gets the mean over its exits")
    head_learning_rate: float | None = option(None, "peak learning rate of the exits, else that of the encoder", 0.0)
    thresholds: int = option(8, "entropy thresholds the default sweep aims at, spread evenly over compute", 2)


class ElasticBert(TrainedMethod):
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
    """A sweep from leaving at exit 1 to never leaving, from validation logits: by entropy, and every patience.

    Of patiences those that do as another point does are left out. A regression has patience alone, its tolerance the
    median difference between one exit and the next, or another where that closes a gap.
    """

    def tried(point: dict[str, Any]) -> Tried:
        return Tried(point, simulate(logits, entropy_or_patience(point, task)))

    layers = range(1, logits.shape[1])
    if task.kind == "regression":
        apart = logits.squeeze(-1).diff(dim=1).abs()
        tolerances = [float(f"{apart.quantile(share).item():.3g}") for share in (0.5, 0.1, 0.3, 0.7, 0.9)]
        points = [
            {"rule": "patience", "patience": t, "tolerance": tolerance} for tolerance in tolerances for t in layers
        ]
        always = [{"rule": "fixed", "exit": 1}, *points[: len(layers)]]
        return [one.setting for one in choose(map(tried, [*always, *points[len(layers) :]]), 2, always)]
    nats = entropy(logits)
    ends = [0.0, math.floor(10 * math.log(task.outputs) + 1) / 10]  # entropy is at most the logarithm
    values = [*ends, *sweep.thresholds(nats[:, :-1].flatten(), over=False, at_most=500)]
    every = [{"rule": "entropy", "threshold": value} for value in values]
    chosen = choose(map(tried, every), thresholds, every[:2])
    for one in map(tried, [{"rule": "patience", "patience": t} for t in layers]):
        if not any(one.alike(other) for other in chosen):
            chosen.append(one)
    return [one.setting for one in chosen]
