"""CascadeBERT: ask a small complete model first, and the full one only when the small one is unsure.

Li et al., "CascadeBERT: Accelerating Inference of Pre-trained Language Models via Calibrated Complete Models
Cascade", Findings of EMNLP 2021, arXiv 2012.14682. Both models are fine-tuned with cross-entropy, plus a
difficulty-aware regularisation of the small one that makes confidence comparable between samples: of a pair in a
batch the easier one should be the more confident one.

Difficulty is, as there, how many of K models of different seeds get a training sample right. As in the release the K
models have the shallow depth; each is trained on one random half of the data and judges the other, then the reverse,
so that memorising can't make everything easy. That costs K x difficulty_epochs passes of the shallow model. The
paper's small model is pretrained at its depth, 2 of 12 layers in the release; here it is the backbone's first third.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from elue.modeling.cascade import CascadeOptions, TrainedCascade
from elue.modeling.difficulty import DifficultyAware, ease_of
from elue.modeling.encoder import Encoder, truncated
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class CascadeBertOptions(CascadeOptions):
    TINY: ClassVar[dict[str, Any]] = {**CascadeOptions.TINY, "difficulty_models": 2, "difficulty_epochs": 2.0}

    difficulty_models: int = option(5, "models whose mistakes say how hard a sample is; 0 leaves that out", 0)
    difficulty_epochs: float = option(1.0, "epochs each of them is trained for", 0.0)
    margin: float = option(0.5, "margin of the difficulty-aware loss", 0.0)
    difficulty_weight: float = option(0.5, "weight of the difficulty-aware loss beside cross-entropy", 0.0)


def difficulty_loss(confidence: Tensor, ease: Tensor, margin: float) -> Tensor:
    """Margin ranking: mean of max(0, margin - (c_i - c_j)) over samples i, each against one harder j drawn at random.

    `confidence` (batch,) is the highest probability, `ease` (batch,) how many models got the sample right. Samples
    with none harder in the batch don't count; 0 where all are alike.
    """
    harder = (ease[:, None] > ease[None, :]).to(confidence.dtype)
    easier = harder.any(1)
    if not easier.any():
        return confidence.new_zeros(())
    drawn = torch.multinomial(harder[easier], 1).squeeze(-1)
    return torch.relu(margin - (confidence[easier] - confidence[drawn])).mean()


def cascade_of(encoder: Encoder, task: TaskInfo, options: CascadeBertOptions) -> nn.ModuleDict:
    """The small model and the full one, in the order they are asked."""
    ranked = partial(difficulty_loss, margin=options.margin)
    classifier = partial(
        DifficultyAware, task=task, pooling=options.pooling, weight=options.difficulty_weight, ranked=ranked
    )
    return nn.ModuleDict(
        {"shallow": classifier(truncated(encoder, options.shallow_layers)), "full": classifier(encoder)}
    )


class CascadeBert(TrainedCascade):
    """Two complete models, calibrated by difficulty, and one confidence threshold.

    As in the released code the ranking takes each easy sample of a batch against one hard one drawn at random, and only
    the small model, whose confidence decides, is told. Difficulty is graded, so that of each pair the one that fewer
    models get right is the hard one; the code knows easy and hard alone. Other differences: the models are trained
    apart, not on the sum of their losses; a sample is sent on for real, where the code runs both models for all.
    """

    name = "cascadebert"
    family = "cascade"
    title = "CascadeBERT: a small complete model, then the full one"
    paper = "Li et al. 2021, CascadeBERT, https://arxiv.org/abs/2012.14682"
    summary = (
        "A shallow and a full model stand one behind the other, both complete. The second runs only when the first is "
        "not confident enough. Training with a margin by difficulty keeps that confidence honest."
    )
    options = CascadeBertOptions
    knobs = {
        "threshold": {"type": "float", "low": 0, "high": 1, "help": "probability above which the small model answers"}
    }

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> nn.ModuleDict:
        return cascade_of(encoder, task, options)

    def learn(self, network: Any, training: Training) -> None:
        options, columns = training.options, {}
        if options.difficulty_models:
            models, layers, epochs = options.difficulty_models, options.shallow_layers, options.difficulty_epochs
            columns = {"ease": ease_of(training, models, layers, epochs)}
        training.fit(network["shallow"], phase="shallow", columns=columns)
        training.fit(network["full"], phase="full")
