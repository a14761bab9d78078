"""BERxiT: exits and last exit trained in turn, and one learned estimate of being wrong by which samples leave.

Xin et al., "BERxiT: Early Exiting for BERT with Better Fine-Tuning and Extension to Regression", EACL 2021. One phase:
steps 0, 2, 4, ... go down the last exit's loss, those between them the sum of all exits'. At every step the module that
learns to exit, one linear map and a sigmoid that all exits share, learns by squared error whether an exit is wrong; in
a regression, tanh of the error. A sample leaves at the first exit whose estimate is under the threshold.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.heads import ExitHeads, OwnHeads
from elue.modeling.exits.method import TrainedExits
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.objectives import alternating, both, last_exit, sum_of_exits
from elue.modeling.exits.plan import Phase
from elue.modeling.exits.score_losses import score_of_error
from elue.modeling.exits.scores import LinearScorer
from elue.modeling.method import Training
from elue.protocol import TaskInfo


class Berxit(TrainedExits):
    """Alternating training, and leaving by a learned score or by entropy.

    The score is the estimate of being wrong, where the paper speaks of certainty, 1 minus it. The release leaves the
    last exit out of the sum once the score is learned as well; here it stays, as the paper's alternating training has
    it. There steps count anew in every epoch, and the last layer has a score, which no rule asks; here there are
    neither. Errors of a regression are in fifths of the label's range, which are STS-B's units. A leaver alone is
    classified, so exits passed under the score rule cost a dense map and the score; the release classifies at all.
    Exits pool by mean unless told, where the paper takes the first token.
    """

    name = "berxit"
    family = "early_exit"
    title = "BERxiT: alternating training, learning to exit"
    paper = "Xin et al. 2021, BERxiT, https://aclanthology.org/2021.eacl-main.8"
    summary = (
        "Training turns between the last classifier and all of them, so that the last stays as good as without exits. "
        "A small estimator, shared by all layers, learns whether an answer is wrong. Inputs leave where it says not."
    )
    own_rules = ("score", "entropy")
    numeric_rules = ("score",)
    from_pooler = True

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> OwnHeads:
        return OwnHeads(config, task, options.pooling)

    def scorer(self, heads: ExitHeads, options: Any) -> LinearScorer:
        return LinearScorer(heads.hidden, heads.dropout.p)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        objective = both(alternating(last_exit, sum_of_exits), score_of_error)
        return [Phase("joint", objective, rates={"^(heads|scorer)": training.options.head_learning_rate})]
