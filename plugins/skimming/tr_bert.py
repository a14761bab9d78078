"""TR-BERT: two selectors, trained by reinforcement, drop tokens early and half way.

Ye et al., "TR-BERT: Dynamic Token Reduction for Accelerating BERT Inference", NAACL 2021. A selector, two small linear
maps, gives each token's probability of staying before the second layer and before the second half. Selectors learn by
REINFORCE from several draws a text: the reward is minus the task loss, less α times the mean share of tokens kept, the
baseline the mean of the draws. In the first steps one draw is replaced by the tokens whose states the fine-tuned
model's loss depends on most.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import torch
from torch import Tensor

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, EncoderConfig
from elue.modeling.inference import batched_logits
from elue.modeling.keeping.guides import guide_scores
from elue.modeling.keeping.policies import Draws, reward_loss
from elue.modeling.keeping.predicted import PredictedMethod, PredictedNetwork, scorer, tuned
from elue.modeling.kinds import kind_of
from elue.modeling.method import Training
from elue.modeling.options import TrainingOptions, option
from elue.modeling.shares import checked_shares
from elue.protocol import TaskInfo

INNER = 32
"""Width of a selector."""


@dataclass(frozen=True, kw_only=True)
class TrBertOptions(TrainingOptions):
    TINY: ClassVar[dict[str, Any]] = {**TrainingOptions.TINY, "selector_rate": 3e-3}

    selector_epochs: float = option(1.0, "passes in which the selectors learn alone", 0.0)
    joint_epochs: float = option(2.0, "passes in which everything learns", 0.0)
    selector_rate: float = option(3e-4, "learning rate of the selectors", 0.0)
    alpha: float = option(1.0, "what keeping all tokens costs of the reward: the higher, the fewer stay", 0.0)
    draws: int = option(8, "draws of the tokens kept, a text and step", 2)
    guided: float = option(0.5, "share of the selectors' own steps in which a draw is guided", 0.0)


class TrBertNetwork(PredictedNetwork):
    """Encoder, head and two selectors."""

    def __init__(self, encoder: Encoder, task: TaskInfo, options: TrBertOptions) -> None:
        config = encoder.config
        places = sorted({1, config.layers // 2})
        selectors = {place: scorer(config.hidden, INNER) for place in places}
        super().__init__(encoder, task, options.pooling, selectors)
        self.settings = options
        self.stage: Literal["tune", "select", "both"] = "both"

    def forward(self, batch: dict[str, Tensor]) -> dict[str, Tensor]:
        """Logits and the share of tokens kept in each layer; given labels, the stage's loss."""
        if self.stage == "tune":
            return tuned(self, batch)
        if "labels" not in batch:
            answered = self.answered(batch)
            return {**answered, "price": self.settings.alpha * answered["kept"][:, self.asked].mean(1)}
        count = self.settings.draws
        many = {name: value.repeat_interleave(count, 0) for name, value in batch.items() if torch.is_tensor(value)}
        guide = None
        if self.stage == "select" and int(batch["step"]) < self.settings.guided * int(batch["total"]):
            guide = {place: many[f"guide.{place}"] for place in self.asked}
        draws = Draws(self.leaning, count, guide)
        logits, masks = self.kept_by(many, draws.keep)
        kind, alone = kind_of(self.task), self.stage == "select"
        losses = kind.loss(logits, many["labels"], "none") if alone else kind.soft_losses(logits, many["taught"])
        kept = self.shares(many, masks)[:, self.asked].mean(1)
        loss = reward_loss(-losses.detach() - self.settings.alpha * kept, draws.total(), count)
        return {"logits": logits, "loss": loss if alone else loss + losses.mean()}


class TrBert(PredictedMethod):
    """Fine-tune, let selectors learn alone from guided draws, then everything.

    Differences from the released code: kept ratios are shares of a text's own tokens, not of a padded length, so that α
    means something else. A text keeps what its own probabilities say, also in company, where the code keeps as many
    tokens as the fullest text of a batch. With other than 12 layers guides rest on the states after three quarters of
    them, and where both selectors would stand in one place there is one. Selectors alone learn from labels, without
    dropout; then all from the fine-tuned model, numbers by squared error. Pooling is by mean over what stays, unless
    told; the paper takes the first token. Epochs, rates and thresholds other than .5 are ours; at 0 no selector runs.
    """

    name = "tr_bert"
    family = "skimming"
    title = "TR-BERT: selectors drop tokens at two depths"
    paper = "Ye et al. 2021, TR-BERT, https://arxiv.org/abs/2105.11618"
    summary = (
        "Small networks look at every token before the second layer and again half way, and drop those that are not "
        "needed. They learn by trial, from being right and keeping little. Everything after the first layer can be "
        "saved."
    )
    options = TrBertOptions
    predictor_rate = "selector_rate"

    def settled(self, options: TrBertOptions, config: EncoderConfig) -> TrBertOptions:
        if config.layers < 2:
            message = f"The backbone has {config.layers} layer, and the first selector stands before the second."
            raise ElueError("bad_option", message, "Take a backbone of two layers or more.")
        return options

    def network(self, encoder: Encoder, task: TaskInfo, options: Any) -> TrBertNetwork:
        return TrBertNetwork(encoder, task, checked_shares(options, "guided"))

    def learn(self, network: Any, training: Training) -> None:
        options, train, rates = training.options, training.job.train, self.rates(training.options)
        network.stage = "tune"
        training.fit(network, phase="tune")
        columns = guide_scores(network, train, training.text, network.asked)
        taught = {"taught": batched_logits(network, train, training.text).tolist()}
        network.stage, still = "select", ["encoder", "head"]
        epochs = options.selector_epochs
        training.fit(network, phase="select", epochs=epochs, columns=columns, frozen=still, rates=rates)
        network.stage = "both"
        training.fit(network, phase="both", epochs=options.joint_epochs, columns=taught, rates=rates)
