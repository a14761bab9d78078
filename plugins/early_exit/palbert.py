"""PALBERT: learn at each exit a probability to halt; leave once it is likelier than not to have halted.

Balagansky and Gavrilov, "PALBERT: Teaching ALBERT to Ponder", NeurIPS 2022, arXiv 2204.03276. One pooler and one
classifier serve all exits; a lambda layer on the features of an exit and of the one before tells λ_i, the probability
to halt there. One phase on mean Σ π_i · loss_i + β · KL(prior ‖ π), where π_i = λ_i · Π (1 - λ_j) and the prior is
geometric. Q-exit: a sample leaves at the first exit where the sum of π so far is above the threshold, .5 in the paper.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.heads import ExitHeads, SharedHeads
from elue.modeling.exits.method import ExitOptions, TrainedExits
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.plan import Phase
from elue.modeling.exits.score_losses import halting_weighted
from elue.modeling.exits.scores import PairScorer
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.modeling.shares import checked_shares
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class PalbertOptions(ExitOptions):
    prior: float = option(0.1, "probability to halt at an exit that training holds to, above 0 and below 1", 1e-6)
    prior_weight: float = option(0.5, "weight of the divergence from that prior", 0.0)


class Palbert(TrainedExits):
    """Learned halting, and Q-exit.

    The score is 1 - λ, what speaks against leaving. As in the paper two features lie side by side, so the lambda layer
    is twice as wide as the encoder and costs as much as a dozen heads: 24 · H² a passed exit. At the first exit zeros
    stand for the feature before, which is our reading. What is left of π belongs to the last exit; the release cuts it
    once the sum is above .95, which training here does not. Its other ways to answer, by a draw or by expectation over
    all layers, leave no curve and are not offered, nor are embeddings of the layer. Exits pool by mean unless told,
    where the paper takes the first token; the lambda layer has the exits' rate, where the release has one for it alone.
    """

    name = "palbert"
    family = "early_exit"
    title = "PALBERT: learned halting, Q-exit"
    paper = "Balagansky and Gavrilov 2022, PALBERT, https://arxiv.org/abs/2204.03276"
    summary = (
        "After every layer a small network tells how likely it is that this is the place to stop. Training weighs each "
        "layer's answer by that. An input leaves once it has probably stopped."
    )
    options = PalbertOptions
    own_rules = ("halting",)
    numeric_rules = ("halting",)
    from_pooler = True

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> SharedHeads:
        return SharedHeads(config, task, options.pooling)

    def scorer(self, heads: ExitHeads, options: Any) -> PairScorer:
        return PairScorer(heads.hidden)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        options = checked_shares(training.options, "prior", below_one=True)
        objective = halting_weighted(options.prior, options.prior_weight)
        return [Phase("joint", objective, rates={"^(heads|scorer)": options.head_learning_rate})]
