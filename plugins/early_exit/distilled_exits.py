"""Static and dynamic combined: the encoder is made small first, by distillation, and gets exits then.

Xu and McAuley, "A Survey on Dynamic Neural Networks for Natural Language Processing", Findings of EACL 2023, arXiv
2202.07101, remark that what is saved by a smaller network and what is saved input by input add up. Here the teacher is
the whole backbone, fine-tuned. The student is some of the backbone's layers: it learns from the teacher and the labels
(Hinton et al. 2015), and then so does a classifier after each of its layers, together. A sample leaves as in
ElasticBERT, at the first exit of low entropy or once several in a row agree.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from elue.errors import ElueError
from elue.modeling.encoder import Encoder, EncoderConfig, selected
from elue.modeling.exits.network import ExitNetwork
from elue.modeling.exits.parts import in_turn
from elue.modeling.exits.plan import Phase, follow
from elue.modeling.exits.teaching import says, taught
from elue.modeling.heads import EncoderWithHead
from elue.modeling.method import Training
from elue.modeling.options import option
from elue.modeling.shares import checked_shares
from elue.plugins.early_exit.elasticbert import ElasticBert, ElasticBertOptions
from elue.protocol import TaskInfo


@dataclass(frozen=True, kw_only=True)
class DistilledExitsOptions(ElasticBertOptions):
    kept_layers: int = option(0, "layers of the student; 0 is half of the backbone's", 0)
    keep: str = option("first", "the backbone's layers that it starts from", choices=("first", "spread"))
    taught: float = option(
        0.5, "share of the teacher in its losses; at 0 there is none, and its layers are cut alone", 0.0
    )
    temperature: float = option(2.0, "temperature of teacher and student in their difference", 0.1)
    student_epochs: float = option(3.0, "epochs of the student before it has exits", 0.0)


def places(layers: int, kept: int, keep: str) -> list[int]:
    """Which of so many layers are kept, from 0: the first ones, or every layers/kept-th."""
    return [place * layers // kept if keep == "spread" else place for place in range(kept)]


class DistilledExits(ElasticBert):
    """ElasticBERT's exits on a student of fewer layers.

    All of the combination is our choice, as the survey names no training: order (compress, then exits), the loss of the
    exits, to which the teacher's is added, layers of the backbone, not of the teacher, to start from, and gradient
    equilibrium for the student, too. To see what each gain brings, hold it against `elasticbert` on the whole backbone,
    and against `static` at the same depths.
    """

    name = "distilled_exits"
    family = "early_exit"
    title = "Distilled exits: static and dynamic combined"
    paper = "Xu and McAuley 2023, A Survey on Dynamic Neural Networks for NLP, https://arxiv.org/abs/2202.07101"
    summary = (
        "The encoder is distilled to fewer layers first, with the whole one as teacher. Then a classifier is trained "
        "after each of these layers, by the labels and the teacher. A sample leaves at the first one that is sure "
        "enough, so that it saves layers twice."
    )
    options = DistilledExitsOptions

    def settled(self, options: Any, config: EncoderConfig) -> Any:
        options = super().settled(options, config)
        options = replace(options, kept_layers=options.kept_layers or max(2, config.layers // 2))
        if not 2 <= options.kept_layers <= config.layers:
            message = f"kept_layers {options.kept_layers} can't be: an exit before the last takes two layers, "
            message += f"and the backbone has {config.layers}."
            raise ElueError("bad_option", message, f"Give 2 to {config.layers}.")
        return checked_shares(options, "taught")

    def kept(self, config: EncoderConfig, options: DistilledExitsOptions) -> EncoderConfig:
        shared = config.weights_of
        chosen = places(config.layers, options.kept_layers, options.keep)
        return replace(config, layers=len(chosen), weights_of=tuple(shared[place] for place in chosen if shared))

    def network(self, encoder: Encoder, task: TaskInfo, options: DistilledExitsOptions) -> ExitNetwork:
        chosen = places(encoder.config.layers, options.kept_layers, options.keep)
        return super().network(selected(encoder, chosen), task, options)

    def learn(self, network: Any, training: Training) -> None:
        said: Mapping[str, list[float]] = {}
        if training.options.taught:
            teacher = EncoderWithHead(training.encoder, training.job.task, training.options.pooling)
            training.fit(teacher, phase="teacher")
            said = says(training, teacher)
        follow([replace(phase, columns=said) for phase in self.plan(network, training)], network, training)

    def plan(self, network: ExitNetwork, training: Training) -> Sequence[Phase]:
        options, last = training.options, len(network.layers) - 1
        rates = {"^heads": options.head_learning_rate}
        student = taught(options.taught, options.temperature, last_alone=True)
        waiting, _ = in_turn(network)
        first = Phase("student", student, waiting, options.student_epochs, rates=rates, judged=[last])
        exits = Phase("exits", taught(options.taught, options.temperature), rates=rates)
        return [first, exits] if options.student_epochs else [exits]
