"""Expert choice: not tokens choose experts, every expert chooses its tokens.

Zhou et al., "Mixture-of-Experts with Expert Choice Routing", NeurIPS 2022. Probabilities are a softmax over experts for
each token; every expert takes the n · c / E tokens that like it best, weighted by the probability as it is. A token has
none to all of the experts, c on average, and no seat stays empty.
"""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor

from elue.modeling.experts.choices import ranked
from elue.modeling.experts.look import Choice, Look
from elue.modeling.experts.method import ExpertsMethod
from elue.modeling.experts.network import ExpertsNetwork, RouterOptions
from elue.modeling.experts.seats import capacity
from elue.modeling.options import option


@dataclass(frozen=True, kw_only=True)
class ExpertChoiceOptions(RouterOptions):
    per_token: float = option(2.0, "experts a token has on average, in training", 0.0)


class ExpertChoiceNetwork(ExpertsNetwork):
    """A token has c experts of weight about 1/E at the start, so outputs start times E / c."""

    KNOBS = ("per_token",)
    per_token: float

    def scale(self) -> float:
        return self.options.experts / self.options.per_token if self.options.per_token else 1.0

    def choose(self, look: Look, scores: Tensor | None) -> Choice:
        """Each expert's best tokens of every sample, n · c / E rounded up."""
        assert scores is not None
        return ranked(scores.softmax(-1), look, capacity(look.lengths, self.options.experts, self.per_token))


class ExpertChoice(ExpertsMethod):
    """Every expert's best tokens of a sample, as many for each, weighted by raw probabilities; no loss but the task's.

    Differences: tokens are ranked within one sample, in training too, where the paper ranks them over a group of
    thousands of a batch, so that what is learned is what is measured and no text looks into another. A sample of n
    tokens fills n · c / E seats rounded up, so short ones run a little more than c experts a token. Experts are copies
    of a trained encoder's feed-forwards; there is no limit on the experts of one token, which the paper has as a
    variant. The knob asks the paper's c anew of the same weights. Of equals the earlier token is taken.
    """

    name = "expert_choice"
    family = "moe"
    title = "Expert choice: experts choose tokens"
    paper = "Zhou et al. 2022, Mixture-of-Experts with Expert Choice Routing, https://arxiv.org/abs/2202.09368"
    summary = (
        "Every expert takes the tokens of a text that its router likes best, as many for each expert. A token may have "
        "several experts or none, and no expert is short of tokens. Fewer seats make it cheaper, from the same weights."
    )
    options = ExpertChoiceOptions
    network_type = ExpertChoiceNetwork
    knobs = {
        "per_token": {
            "type": "float",
            "low": 0,
            "infinite": True,
            "help": "experts a token has on average; every expert takes its even share of so many",
        }
    }
