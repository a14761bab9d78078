"""ConsistentEE: policies that learn, by reward, to leave early the inputs that are easy.

Zeng et al., "ConsistentEE: A Consistent and Hardness-Guided Early Exiting Method for Accelerating Language Models
Inference", AAAI 2024, arXiv 2312.11882. Three phases: PABEE's loss; then a sample's hardness is its memorised layer m,
the first exit from which all later ones are right, and policies, one an exit, learn by REINFORCE with all else frozen;
then everything learns on the loss at the exit taken and on the policies' loss. The reward of leaving by exit i of L is
-loss_i - α · i · (1 - m / L), its baseline the mean of a sample's rollouts. A sample leaves at the first exit whose
policy is above one half.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.heads import ExitHeads, SharedPoolerHeads
from elue.modeling.exits.method import ExitOptions, TrainedExits
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.objectives import both, depth_weighted
from elue.modeling.exits.plan import Phase, follow
from elue.modeling.exits.rollouts import MEMORISED, memorised, policy_loss, taken_loss
from elue.modeling.exits.scores import PolicyScorer
from elue.modeling.inference import batched_logits
from elue.modeling.kinds import kind_of
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.modeling.rules.registry import Ladder
from elue.modeling.rules.sweeps import tried, without_repeats
from elue.modeling.signals import Signals
from elue.protocol import Point, TaskInfo

PAPERS_POINT: Point = {"rule": "score", "threshold": 0.5}


@dataclass(frozen=True, kw_only=True)
class ConsistentEEOptions(ExitOptions):
    TINY: ClassVar[dict[str, Any]] = {**ExitOptions.TINY, "policy_epochs": 2.0, "consistent_epochs": 2.0}

    epochs: float = option(5.0, "epochs of the first phase, on all exits", 0.0)
    policy_epochs: float = option(1.0, "epochs that policies learn for, all else frozen", 0.0)
    consistent_epochs: float = option(1.0, "epochs that all learns for, on the exits taken", 0.0)
    alpha: float = option(0.05, "what an exit further costs of the reward, for the easiest sample", 0.0)
    rollouts: int = option(8, "draws of the exit taken, a sample and step", 2)


class ConsistentEE(TrainedExits):
    """Hardness-guided policies.

    The score is 1 minus the policy. The paper has one operating point a training, a threshold of .5, which is in the
    sweep; the other thresholds are ours. The exact reward is our reading of it: in the release its layer term is
    commented out, and rollouts differ by dropout alone, where here exits are drawn by the policies, for the exits' loss
    and for the policies' apart. Rates and epochs of the later phases, and α, are ours, too, and want tuning. Exits pool
    by mean unless told, where the paper takes the first token. Whether an exit is right, on which hardness rests, asks
    for classes.
    """

    name = "consistentee"
    family = "early_exit"
    title = "ConsistentEE: policies by reinforcement, guided by hardness"
    paper = "Zeng et al. 2024, ConsistentEE, https://arxiv.org/abs/2312.11882"
    summary = (
        "At every layer a small policy decides whether to stop. It learns by reward from being right and being early, "
        "where being early counts less for inputs that were hard to learn. Only the answers given are trained further."
    )
    options = ConsistentEEOptions
    own_rules = ("score",)
    from_pooler = True

    def supports(self, task: TaskInfo) -> str | None:
        if kind_of(task).numbers:
            return "its hardness rests on exits that are right or wrong, and a number is neither"
        return None

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> SharedPoolerHeads:
        return SharedPoolerHeads(config, task, options.pooling)

    def scorer(self, heads: ExitHeads, options: Any) -> PolicyScorer:
        return PolicyScorer(heads.layers, heads.hidden)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        return [Phase("exits", depth_weighted, rates={"^heads": training.options.head_learning_rate})]

    def learn(self, network: ExitNetwork, training: Training) -> None:
        follow(self.plan(network, training), network, training)
        follow(self.guided(network, training), network, training)

    def guided(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        """The phases that hardness guides, once the exits are trained."""
        options, train = training.options, training.job.train
        hardness = memorised(batched_logits(network, train, training.text), [example.label for example in train])
        policies = policy_loss(options.alpha, options.rollouts)
        rates = {"^(heads|scorer)": options.head_learning_rate}
        columns = {MEMORISED: hardness.tolist()}
        still, everything = ["encoder", "heads"], both(taken_loss(options.rollouts), policies)
        return [
            Phase("policies", policies, still, options.policy_epochs, rates=rates, judged=[], columns=columns),
            Phase("consistent", everything, epochs=options.consistent_epochs, rates=rates, columns=columns),
        ]

    def default_points(self, seen: Signals, ladder: Ladder, options: Any) -> list[Point]:
        """The paper's point, and thresholds beside it."""
        points = super().default_points(seen, ladder, options)
        kept = without_repeats(tried([PAPERS_POINT, *points], seen, ladder))
        return [candidate.setting for candidate in sorted(kept, key=lambda candidate: candidate.compute)]
