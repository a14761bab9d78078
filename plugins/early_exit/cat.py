"""CAT: exits that leave where they are calibrated to answer as the full model does, at a risk that is chosen.

Schuster et al., "Consistent Accelerated Inference via Confident Adaptive Transformers", EMNLP 2021, arXiv 2104.08803.
The encoder is fine-tuned and then frozen. Narrow heads are trained on one part of the training data; meta-classifiers,
which tell whether an exit agrees with the last, on the rest. On held-out samples the largest sureness of an exit that
does not agree gives, at a risk ε, the quantile above which a sample may leave: its answer is then the full model's with
probability 1 - ε or more, over draws of calibration and test samples together.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.conformal import conformal_scores, parts
from elue.modeling.exits.heads import ExitHeads, NarrowHeads
from elue.modeling.exits.method import ExitOptions, TrainedExits
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.objectives import all_but_last, last_exit
from elue.modeling.exits.parts import in_turn
from elue.modeling.exits.plan import Phase
from elue.modeling.exits.score_losses import score_of_disagreement
from elue.modeling.exits.scores import MetaScorer
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.modeling.rules.registry import CONFORMAL
from elue.protocol import TaskInfo

META_SHARE = 0.3
"""Share of the training data that the meta-classifiers learn from, and the heads do not."""


@dataclass(frozen=True, kw_only=True)
class CatOptions(ExitOptions):
    TINY: ClassVar[dict[str, Any]] = {**ExitOptions.TINY, "head_epochs": 2.0, "meta_epochs": 2.0}

    head_epochs: float = option(3.0, "epochs that the early heads are trained for, on a frozen encoder", 0.0)
    meta_epochs: float = option(3.0, "epochs that the meta-classifiers are trained for, all else frozen", 0.0)


class Cat(TrainedExits):
    """Narrow heads, meta-classifiers, and conformal calibration.

    The risk is about the full model's answer, not the label, and holds on average over draws, not for a sample. Half of
    the validation data calibrate; of them the sweep is told what settings cost, and nothing else is chosen on them. The
    rank of the quantile is the release's, slightly more careful than the textbook's: at a small risk no sample may
    leave. So the sweep has thresholds on the score beside risks, and reaches both ends. Numbers agree within a tenth of
    the label's range, half a unit of STS-B. The release only counts afterwards what leaving would have saved; here
    samples do leave. Its meta-classifiers do not see the first layer's probabilities, ours see those of all exits
    before. All training data fine-tune the encoder; the losses of heads are summed, where the release takes their mean;
    the optional temperatures are left out. The last head starts at random like the others, without dropout before its
    classifier. Exits pool by mean unless told, where the paper takes the first token.
    """

    name = "cat"
    family = "early_exit"
    title = "CAT: calibrated consistency with the full model"
    paper = "Schuster et al. 2021, Confident Adaptive Transformers, https://arxiv.org/abs/2104.08803"
    summary = (
        "Small classifiers stand on a frozen encoder, each with a second one that tells whether the full model would "
        "say the same. Held-out data say how sure that must be for a chosen risk to differ. Easy inputs use few layers."
    )
    options = CatOptions
    own_rules = ("conformal", "score")
    numeric_rules = ("conformal", "score")
    calibration = 0.5

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> NarrowHeads:
        return NarrowHeads(config, task, options.pooling)

    def scorer(self, heads: ExitHeads, options: Any) -> MetaScorer:
        return MetaScorer(heads.layers, heads.width(1), heads.outputs)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        options, early = training.options, range(len(network.layers) - 1)
        for_heads, for_meta = parts(len(training.job.train), META_SHARE, training.job.seed)
        waiting, still = in_turn(network)
        rates = {"^(heads|scorer)": options.head_learning_rate}
        trunk = Phase("trunk", last_exit, waiting, rates=rates, judged=[len(early)])
        heads = Phase("heads", all_but_last, still, options.head_epochs, rates=rates, judged=early, subset=for_heads)
        meta = Phase("meta", score_of_disagreement, ["encoder", "heads"], options.meta_epochs, rates=rates, judged=[])
        return [trunk, heads, replace(meta, subset=for_meta)]

    def calibrate(self, network: ExitNetwork, training: Training) -> None:
        told = training.outputs(network)
        network.tables.keep(CONFORMAL, conformal_scores(told["logits"], told["scores"], network.task))
