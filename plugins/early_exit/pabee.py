"""PABEE: exits on one shared pooler, weighted by depth; leave once several in a row say the same.

Zhou W. et al., "BERT Loses Patience: Fast and Robust Inference with Early Exit", NeurIPS 2020, arXiv 2006.04152. One
phase on Σ j · loss_j / Σ j. A sample leaves after t consecutive exits that repeat the answer before them: the same
class, or in a regression a number that differs by less than the tolerance. So the earliest exit is t + 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.heads import SharedPoolerHeads
from elue.modeling.exits.method import TrainedExits
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.objectives import depth_weighted
from elue.modeling.exits.plan import Phase
from elue.modeling.method import Training
from elue.protocol import TaskInfo


class Pabee(TrainedExits):
    """Exits on a shared pooler, depth-weighted training, and patience.

    The pooler starts from the backbone's where it has one, as in the release. Its tolerance is in units of the raw
    label, and by default lets no regression leave; here it is a share of the label's range, chosen on validation data.
    Exits pool by mean unless told, where the paper takes the first token; in a batch of the release all samples must
    agree before any leaves.
    """

    name = "pabee"
    family = "early_exit"
    title = "PABEE: patience with a shared pooler"
    paper = "Zhou et al. 2020, BERT Loses Patience, https://arxiv.org/abs/2006.04152"
    summary = (
        "A classifier stands after every layer, on a pooler that all share, and deeper ones weigh more in training. A "
        "sample leaves once several in a row give the same answer. Inputs on which layers agree early use few of them."
    )
    own_rules: ClassVar[Sequence[str]] = ("patience",)
    numeric_rules: ClassVar[Sequence[str]] = ("patience", "fixed")
    from_pooler = True

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> SharedPoolerHeads:
        return SharedPoolerHeads(config, task, options.pooling)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        return [Phase("joint", depth_weighted, rates={"^heads": training.options.head_learning_rate})]
