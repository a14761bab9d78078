"""CascadeBERT: ask a small complete model first, and the full one only when the small one is unsure.

Li et al., "CascadeBERT: Accelerating Inference of Pre-trained Language Models via Calibrated Complete Models
Cascade", Findings of EMNLP 2021, arXiv 2012.14682. Both models are fine-tuned with cross-entropy plus a
difficulty-aware regularisation that makes confidence comparable between samples: of each pair in a batch the
easier one should be the more confident one.

Difficulty is, as there, how many of K models of different seeds get a training sample right. To afford it on two
cores the K models have the shallow depth, and each is trained on one random half of the data and judges the
other, then the reverse, so that memorising can't make everything easy. That costs K x difficulty_epochs passes
of the shallow model. The paper's small model is pretrained at its depth; here it is the backbone's first layers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from elue.errors import ElueError
from elue.modeling.backbone import load_backbone
from elue.modeling.cascade import StagedModel
from elue.modeling.encoder import Encoder, truncated
from elue.modeling.heads import EncoderWithHead
from elue.modeling.inference import batched_logits, quality
from elue.modeling.ladder import Rule
from elue.modeling.options import TrainingOptions, option, parse_options
from elue.modeling.saving import load, save, saved_points
from elue.modeling.text import TextEncoder
from elue.modeling.training import fit, recall
from elue.protocol import Method, Point, TaskInfo, TrainingJob


@dataclass(frozen=True, kw_only=True)
class CascadeBertOptions(TrainingOptions):
    TINY: ClassVar[dict[str, Any]] = {**TrainingOptions.TINY, "difficulty_models": 2, "difficulty_epochs": 2.0}

    shallow_layers: int = option(0, "depth of the small model; 0 is a third of the backbone", 0)
    difficulty_models: int = option(5, "models whose mistakes say how hard a sample is; 0 leaves that out", 0)
    difficulty_epochs: float = option(1.0, "epochs each of them is trained for", 0.0)
    margin: float = option(0.5, "margin of the difficulty-aware loss", 0.0)
    difficulty_weight: float = option(0.5, "weight of the difficulty-aware loss beside cross-entropy", 0.0)
    thresholds: int = option(8, "thresholds in the default sweep, spread evenly over compute", 2)


def difficulty_loss(confidence: Tensor, ease: Tensor, margin: float) -> Tensor:
    """Margin ranking over all ordered pairs of a batch: mean of max(0, -g(i,j)(c_i - c_j) + margin).

    `confidence` (batch,) is the highest probability, `ease` (batch,) how many models got the sample right;
    g is 1 where i is easier than j, -1 where it is harder and 0 where they are equal.
    """
    g = (ease[:, None] - ease[None, :]).sign()
    return torch.relu(margin - g * (confidence[:, None] - confidence[None, :])).mean()


class CalibratedNetwork(EncoderWithHead):
    """A complete model that in training is also told, by `ease` in the batch, which samples are hard."""

    def __init__(self, encoder: Encoder, task: TaskInfo, options: CascadeBertOptions) -> None:
        super().__init__(encoder, task, options.pooling)
        self.margin, self.weight = options.margin, options.difficulty_weight

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        out = super().forward(batch)
        if "ease" in batch and self.weight:
            confidence = out["logits"].float().softmax(-1).amax(-1)
            out["loss"] = out["loss"] + self.weight * difficulty_loss(confidence, batch["ease"], self.margin)
        return out


class Cascade(nn.Module):
    """The small model and the full one, in the order they are asked."""

    def __init__(self, encoder: Encoder, task: TaskInfo, options: CascadeBertOptions) -> None:
        super().__init__()
        self.shallow = CalibratedNetwork(truncated(encoder, options.shallow_layers), task, options)
        self.full = CalibratedNetwork(encoder, task, options)


def confidence_rule(point: Point, task: TaskInfo) -> Rule:
    """Keep the small model's answer if its highest probability is above the threshold.

    The margin is relative to what is missing to certainty, which moves by no more than its share of what logits move.
    """
    if "threshold" not in point:
        message = f"The point {dict(point)} lacks 'threshold'."
        raise ElueError("bad_point", message, "Add threshold=VALUE between 0 and 1.")
    threshold = float(point["threshold"])

    def margin(logits: Tensor) -> Tensor:
        confidence = logits[:, -1].softmax(-1).amax(-1)
        return (confidence - threshold) / (1 - confidence + 1e-30)

    return Rule("confidence", 1, margin)


class CascadeModel(StagedModel):
    """The small model, then the full one."""

    def __init__(self, cascade: Cascade, text: TextEncoder, task: TaskInfo) -> None:
        super().__init__(cascade, {"shallow": cascade.shallow, "full": cascade.full}, text, task, confidence_rule)
        self.shallow, self.full = cascade.shallow, cascade.full
        self.configure({"threshold": 1.0})


class CascadeBert(Method):
    """Two complete models, calibrated by difficulty, and one confidence threshold."""

    name = "cascadebert"
    family = "cascade"
    title = "CascadeBERT: a small complete model, then the full one"
    paper = "Li et al. 2021, CascadeBERT, https://arxiv.org/abs/2012.14682"
    options = CascadeBertOptions

    def supports(self, task: TaskInfo) -> str | None:
        if task.kind == "regression":
            return "its confidence is a class probability, and a regression has none"
        return None

    def load(self, task: TaskInfo, weights: Path | None, seed: int) -> CascadeModel:
        saved = load(weights, self, task)
        cascade = Cascade(saved.encoder(), task, CascadeBertOptions(**saved.options))
        return CascadeModel(saved.restore(cascade), saved.text, task)

    def points(self, task: TaskInfo, weights: Path | None) -> Sequence[Point]:
        return saved_points(weights)

    def train(self, job: TrainingJob) -> None:
        options = parse_options(CascadeBertOptions, job)
        encoder, text, origin = load_backbone(job, options)
        layers = encoder.config.layers
        options = replace(options, shallow_layers=options.shallow_layers or max(1, layers // 3))
        if options.shallow_layers >= layers:
            message = f"shallow_layers {options.shallow_layers} is no cascade: the backbone has {layers} layers."
            raise ElueError("bad_option", message, f"Give less than {layers}.")
        columns = {}
        if options.difficulty_models:
            ease = recall(job, options, "difficulty", lambda: judge_ease(job, options, encoder, text))
            columns = {"ease": ease}
        torch.manual_seed(job.seed)
        cascade = Cascade(encoder, job.task, options)
        fit(cascade.shallow, job, options, text, phase="shallow", columns=columns)
        fit(cascade.full, job, options, text, phase="full", columns=columns)
        shallow, full = (batched_logits(one, job.validation, text) for one in (cascade.shallow, cascade.full))
        points = default_points(shallow, options.thresholds)
        validation = validate(shallow, full, points, job)
        save(job, self, cascade, options, encoder.config, text, origin, points, validation)


def judge_ease(job: TrainingJob, options: CascadeBertOptions, encoder: Encoder, text: TextEncoder) -> list[float]:
    """How many of the K models get each training sample right, each asked by a model that did not see it."""
    ease = torch.zeros(len(job.train))
    labels = torch.tensor([example.label for example in job.train])
    for k in range(options.difficulty_models):
        order = torch.randperm(len(ease), generator=torch.Generator().manual_seed(job.seed + k))
        halves = order.chunk(2)
        for seen, unseen in (halves, halves[::-1]):
            torch.manual_seed(job.seed + k)
            judge = EncoderWithHead(truncated(encoder, options.shallow_layers), job.task, options.pooling)
            fit(
                judge,
                job,
                options,
                text,
                phase=f"difficulty-{k}-{int(seen is halves[1])}",
                epochs=options.difficulty_epochs,
                subset=seen.tolist(),
                seed=job.seed + k,
            )
            logits = batched_logits(judge, [job.train[i] for i in unseen.tolist()], text)
            ease[unseen] += (logits.argmax(-1) == labels[unseen]).float()
    return ease.tolist()


def default_points(logits: Tensor, count: int) -> list[dict[str, Any]]:
    """Thresholds that send an evenly spread share of the validation samples on, from none to all."""
    confidence = logits.softmax(-1).amax(-1).double()
    shares = torch.linspace(0, 1, count, dtype=torch.double)[1:-1]
    inner = [float(f"{value:.4g}") for value in confidence.quantile(shares).tolist()]
    return [{"threshold": threshold} for threshold in sorted({0.0, *inner, 1.0})]


def validate(shallow: Tensor, full: Tensor, points: Sequence[Point], job: TrainingJob) -> dict[str, Any]:
    """Scores in percent of both models, and of every point with the share it sends on, on validation data."""
    by_point = []
    for point in points:
        stays = shallow.softmax(-1).amax(-1, keepdim=True) > float(point["threshold"])
        score = quality(torch.where(stays, shallow, full), job.validation, job.task)
        by_point.append({"point": dict(point), "sent_on": 1 - stays.double().mean().item(), "score": score})
    both = [quality(logits, job.validation, job.task) for logits in (shallow, full)]
    return {"shallow": both[0], "full": both[1], "points": by_point}
