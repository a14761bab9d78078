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

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from elue.errors import ElueError, unknown
from elue.modeling.backbone import load_backbone
from elue.modeling.exits import ExitModel, ExitNetwork, entropy, spread_thresholds
from elue.modeling.inference import batched_logits, quality
from elue.modeling.ladder import Rule, simulate
from elue.modeling.options import TrainingOptions, option, parse_options
from elue.modeling.saving import load, save, saved_points
from elue.modeling.training import fit
from elue.protocol import Method, Point, TaskInfo, TrainingJob


@dataclass(frozen=True, kw_only=True)
class ElasticBertOptions(TrainingOptions):
    gradient_equilibrium: bool = option(True, "scale gradients so that each layer gets the mean over its exits")
    head_learning_rate: float | None = option(None, "peak learning rate of the exits, else that of the encoder", 0.0)
    thresholds: int = option(8, "entropy thresholds in the default sweep, spread evenly over compute", 1)


def entropy_rule(threshold: float) -> Rule:
    """Leave when the entropy in nats is under the threshold: 0 never leaves, infinity always.

    The margin is relative to the entropy, which moves by no more than twice its share of what the logits move.
    """

    def margin(logits: Tensor) -> Tensor:
        nats = entropy(logits[:, -1])
        return (threshold - nats) / (nats + 1e-30)

    return Rule("entropy", 1, margin)


def patience_rule(patience: int, tolerance: float | None = None) -> Rule:
    """Leave after `patience` consecutive exits that repeat the answer before them.

    Answers are classes, or with a `tolerance` numbers, which repeat when they differ by less. The margin is how far
    the closest of them is from another class, or the farthest from another number.
    """

    def same_class(logits: Tensor) -> Tensor:
        best, answers = logits.topk(2)
        same = (answers[..., 0] == answers[:, :1, 0]).all(1)
        closest = (best[..., 0] - best[..., 1]).amin(1)
        return torch.where(same, closest, -closest)

    def same_number(logits: Tensor) -> Tensor:
        assert tolerance is not None
        return tolerance - (logits[:, 1:, 0] - logits[:, :-1, 0]).abs().amax(1)

    return Rule("patience", patience + 1, same_class if tolerance is None else same_number)


def rule_of(point: Point, task: TaskInfo) -> Rule:
    """The rule a point names. Raises ElueError for an unknown rule, a missing knob, or entropy on a regression."""
    name = str(point.get("rule", ""))
    if name == "entropy" and task.kind == "regression":
        message = "The entropy rule needs class probabilities, and a regression has none."
        raise ElueError("bad_point", message, "Use rule=patience on this task.")
    try:
        if name == "entropy":
            return entropy_rule(float(point["threshold"]))
        if name == "patience":
            tolerance = float(point["tolerance"]) if task.kind == "regression" else None
            return patience_rule(int(point["patience"]), tolerance)
    except KeyError as error:
        message = f"The point {dict(point)} lacks {error}."
        raise ElueError("bad_point", message, f"Add {error.args[0]}=VALUE.") from error
    raise unknown("rule", name, ("entropy", "patience"), code="bad_point")


class ElasticBert(Method):
    """Exits at every layer, joint training, entropy or patience."""

    name = "elasticbert"
    family = "early_exit"
    title = "ElasticBERT: exits after every layer"
    paper = "Liu et al. 2022, Towards Efficient NLP, https://arxiv.org/abs/2110.07038"
    options = ElasticBertOptions

    def load(self, task: TaskInfo, weights: Path | None, seed: int) -> ExitModel:
        saved = load(weights, self, task)
        network = saved.restore(ExitNetwork(saved.encoder(), task, saved.options["pooling"]))
        return ExitModel(network, saved.text, task, rule_of)

    def points(self, task: TaskInfo, weights: Path | None) -> Sequence[Point]:
        return saved_points(weights)

    def train(self, job: TrainingJob) -> None:
        options = parse_options(ElasticBertOptions, job)
        encoder, text, origin = load_backbone(job, options)
        network = ExitNetwork(encoder, job.task, options.pooling, options.gradient_equilibrium)
        rates = {} if options.head_learning_rate is None else {"^exits": options.head_learning_rate}
        fit(network, job, options, text, rates=rates)
        logits = batched_logits(network, job.validation, text)
        points = default_points(logits, job.task, options.thresholds)
        validation = validate(logits, points, job)
        save(job, self, network, options, encoder.config, text, origin, points, validation)


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


def validate(logits: Tensor, points: Sequence[Point], job: TrainingJob) -> dict[str, Any]:
    """Scores in percent of every exit, and of every point with its mean exit layer, on validation data."""
    by_point = []
    for point in points:
        taken = simulate(logits, rule_of(point, job.task))
        answers = logits[torch.arange(len(logits)), taken - 1]
        score = quality(answers, job.validation, job.task)
        by_point.append({"point": dict(point), "layers": taken.double().mean().item(), "score": score})
    exits = [quality(one, job.validation, job.task) for one in logits.unbind(1)]
    return {"exits": exits, "points": by_point}
