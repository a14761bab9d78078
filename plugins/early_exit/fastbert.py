"""FastBERT: students after every layer learn from the last exit, without labels; leave by normalised entropy.

Liu W. et al., "FastBERT: a Self-distilling BERT with Adaptive Inference Time", ACL 2020, arXiv 2004.02178. An identical
small classifier with attention over all tokens stands after every layer. Two phases: the encoder and the last
classifier, the teacher, on labels; then the others on Σ KL(teacher ‖ student), with all else fixed. A sample leaves at
the first exit whose entropy over ln C is under the threshold, the paper's speed: higher is faster.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from elue.errors import ElueError
from elue.modeling.encoder import EncoderConfig
from elue.modeling.exits.attending import AttendingHeads
from elue.modeling.exits.distillation import from_last
from elue.modeling.exits.method import HeadOptions, TrainedExits
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.objectives import last_exit
from elue.modeling.exits.parts import in_turn
from elue.modeling.exits.plan import Phase
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class FastBertOptions(HeadOptions):
    TINY: ClassVar[dict[str, Any]] = {**HeadOptions.TINY, "student_epochs": 3.0, "student_rate": 1.0}

    head_width: int = option(128, "width of the attention in a classifier, a multiple of 2", 2)
    student_epochs: float = option(5.0, "epochs of the second phase", 0.0)
    student_rate: float = option(10.0, "learning rate of the second phase, in that of the first", 0.0)


class FastBert(TrainedExits):
    """Attending exits, distilled from the last, and normalised entropy.

    The teacher is a fixed function here; in the release it runs with dropout while it teaches. The rate of the second
    phase falls over that phase; in the release it is 0 from its fourth epoch on. The first token alone is a query in
    the classifiers' attention, since it alone is read: the same answers at half the cost of attention or less, and at
    two thirds to four fifths of that of a classifier. Students learn at their own rate, the last classifier at that of
    heads, where the release has one rate for it and the encoder. Classifiers have no dropout. KL is teacher first, as
    the release has it. A sample leaves under the threshold; at it, only in the paper.
    """

    name = "fastbert"
    family = "early_exit"
    title = "FastBERT: exits distilled from the last"
    paper = "Liu et al. 2020, FastBERT, https://arxiv.org/abs/2004.02178"
    summary = (
        "A small classifier with its own attention stands after every layer and learns, without labels, to say what "
        "the last one says. A sample leaves at the first whose answer is far from a uniform guess. It saves the layers "
        "above."
    )
    options = FastBertOptions
    own_rules = ("normalised_entropy",)

    def heads(self, config: EncoderConfig, task: TaskInfo, options: Any) -> AttendingHeads:
        if options.head_width % 2:
            message = f"Option 'head_width' can't be {options.head_width}: two attention heads share it."
            raise ElueError("bad_option", message, "Give a multiple of 2.")
        return AttendingHeads(config, task, width=options.head_width)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        options, early = training.options, range(len(network.layers) - 1)
        waiting, still = in_turn(network)
        rate, rates = options.student_rate * options.learning_rate, {"^heads": options.head_learning_rate}
        return [
            Phase("teacher", last_exit, frozen=waiting, rates=rates, judged=[len(early)]),
            Phase("students", from_last, frozen=still, epochs=options.student_epochs, learning_rate=rate, judged=early),
        ]
